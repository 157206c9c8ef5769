"""Hashes and proofs: published vectors, and a naive tree for every shape of a small one."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.merkle import EMPTY_ROOT, Frontier, leaf_hash, leaf_hashes
from services.audit.domain.proofs import (
    Node,
    ProofError,
    consistency_proof,
    inclusion_proof,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.audit import naive
from tests.support.trees import root_of

VECTORS: dict[str, Any] = orjson.loads(
    (Path(__file__).parent / "vectors" / "proofs.json").read_bytes()
)

# The inputs and roots with which implementations of RFC 6962 are tested, first published by
# Certificate Transparency's own.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SIZES = (0, 1, 2, 3, 7, 8, 9, 31, 33, 255, 256, 257, 511, 512, 513)


def entries_of(size: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(size)]


def hash_in(entries: list[bytes], node: Node) -> bytes:
    return naive.mth(entries[node.number << node.level : (node.number + 1) << node.level])


def fails(kind: str, vector: dict[str, Any]) -> bool:
    proof = [base64.b64decode(one) for one in vector["proof"] or ()]

    def decoded(name: str) -> bytes:
        return base64.b64decode(vector[name] or "")

    try:
        if kind == "inclusion":
            index, size = vector["leafIdx"], vector["treeSize"]
            verify_inclusion(index, size, decoded("leafHash"), proof, decoded("root"))
        else:
            old, size = vector["size1"], vector["size2"]
            verify_consistency(old, size, decoded("root1"), decoded("root2"), proof)
    except ProofError:
        return True
    return False


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_published_vectors_of_proofs(kind: str) -> None:
    assert len(VECTORS[kind]) > 90
    for vector in VECTORS[kind]:
        # That library will not be asked about an empty tree, of which every tree is the growth
        # without proof (C2SP `tlog-witness`).
        if vector["desc"] != "size1 is zero and size2 is not zero":
            assert fails(kind, vector) == vector["wantErr"], vector


@pytest.mark.parametrize("size", range(9))
def test_published_vectors_of_root_hashes(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size] == naive.mth(LEAVES[:size]).hex()


@pytest.mark.parametrize("size", SIZES)
def test_the_root_hash_is_that_of_the_definition(size: int) -> None:
    entries = entries_of(size)
    assert root_of(entries) == naive.mth(entries)
    assert root_hash(size, lambda node: hash_in(entries, node)) == naive.mth(entries)


@given(st.lists(st.integers(0, 300), max_size=6))
def test_however_a_tree_grew_its_frontier_is_the_same(parts: list[int]) -> None:
    leaves = leaf_hashes(entries_of(sum(parts)))
    grown, begin = Frontier(), 0
    for part in parts:
        grown = grown.extended(leaves[begin : begin + part])
        begin += part
    assert grown == Frontier().extended(leaves)


@pytest.mark.parametrize(("size", "roots"), [(0, 1), (1, 0), (3, 1), (-1, 0)])
def test_a_frontier_has_a_root_for_each_bit_of_its_size(size: int, roots: int) -> None:
    with pytest.raises(ValueError, match="perfect subtrees"):
        Frontier(size, (EMPTY_ROOT,) * roots)


def test_every_proof_of_small_trees_is_that_of_the_definition() -> None:
    entries = entries_of(40)
    for size in range(len(entries) + 1):
        tree = entries[:size]
        root = naive.mth(tree)

        def hash_of(node: Node, tree: list[bytes] = tree) -> bytes:
            return hash_in(tree, node)

        for index in range(size):
            proof = inclusion_proof(index, size, hash_of)
            assert proof == naive.path(index, tree)
            verify_inclusion(index, size, leaf_hash(tree[index]), proof, root)
        for old in range(size + 1):
            proof = consistency_proof(old, size, hash_of)
            assert proof == (naive.proof(old, tree) if old else [])
            verify_consistency(old, size, naive.mth(tree[:old]), root, proof)


def test_no_proof_is_made_of_what_is_not_there() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_proof(index, size, lambda _: b"")
    for old, size in ((4, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no beginning"):
            consistency_proof(old, size, lambda _: b"")


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[list[bytes], bytes, bytes]:
    """A proof of hashes, a leaf and a root, of which one bit anywhere is turned, or one hash is
    removed, doubled or moved."""
    proof, leaf, root = draw(proofs_of_inclusion())
    parts = [leaf, root, *proof]
    way = draw(st.sampled_from(["turn", "remove", "double", "swap"] if proof else ["turn"]))
    at = draw(st.integers(0 if way == "turn" else 2, len(parts) - 1))
    if way == "turn":
        bit = draw(st.integers(0, 255))
        parts[at] = (int.from_bytes(parts[at], "big") ^ 1 << bit).to_bytes(32, "big")
    elif way == "remove":
        del parts[at]
    elif way == "double":
        parts.insert(at, parts[at])
    else:
        parts[at], parts[0] = parts[0], parts[at]
    return parts[2:], parts[0], parts[1]


INDEX, SIZE = 37, 100


@st.composite
def proofs_of_inclusion(draw: st.DrawFn) -> tuple[list[bytes], bytes, bytes]:
    salt = draw(st.binary(max_size=4))
    entries = [salt + entry for entry in entries_of(SIZE)]
    return naive.path(INDEX, entries), leaf_hash(entries[INDEX]), naive.mth(entries)


@given(spoilt())
def test_a_proof_that_was_touched_proves_nothing(case: tuple[list[bytes], bytes, bytes]) -> None:
    proof, leaf, root = case
    with pytest.raises(ProofError):
        verify_inclusion(INDEX, SIZE, leaf, proof, root)
