"""Proofs that an entry is in a tree and that a tree is the beginning of another.

RFC 9162, sections 2.1.3 and 2.1.4; the proofs are those of RFC 6962.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.audit.domain.merkle import EMPTY_ROOT, HASH_SIZE, node_hash


class ProofError(Exception):
    """A proof does not prove what it is for; the text says how."""


class Node(NamedTuple):
    """The perfect subtree over the leaves from `number << level` to `(number + 1) << level`."""

    level: int
    number: int


class Span(NamedTuple):
    """The subtree over leaves `begin <= leaf < end` of a tree; perfect or at its right edge."""

    begin: int
    end: int

    def nodes(self) -> list[Node]:
        """The perfect subtrees that it is made of, the largest first."""
        nodes, begin = [], self.begin
        while begin < self.end:
            level = (self.end - begin).bit_length() - 1
            nodes.append(Node(level, begin >> level))
            begin += 1 << level
        return nodes


HashOf = Callable[[Node], bytes]
"""Where the hashes of perfect subtrees come from: tiles, or a tree in memory."""


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose hashes prove that a leaf is in a tree, from the leaf up to the root.

    Raises ValueError where the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} has no leaf {index}")
    spans, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin = middle
    return spans[::-1]


def consistency_spans(old: int, size: int) -> list[Span]:
    """The subtrees whose hashes prove that a tree of `old` leaves is the beginning of this one.

    Raises ValueError where it cannot be.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {old} is no beginning of one of {size}")
    spans, begin, end = [], 0, size
    while old not in {begin, end}:
        middle = begin + _split(end - begin)
        if old <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin = middle
    # Of a whole old tree its reader has the root; else what is left of it begins the proof.
    if begin and old:
        spans.append(Span(begin, end))
    return spans[::-1]


def inclusion_proof(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    """PATH(index, D[size]). Raises ValueError where the tree has no such leaf."""
    return [span_hash(span, hash_of) for span in inclusion_spans(index, size)]


def consistency_proof(old: int, size: int, hash_of: HashOf) -> list[bytes]:
    """PROOF(old, D[size]); empty from an empty tree and to the same. Raises ValueError."""
    return [span_hash(span, hash_of) for span in consistency_spans(old, size)]


def root_hash(size: int, hash_of: HashOf) -> bytes:
    """MTH(D[size])."""
    return span_hash(Span(0, size), hash_of) if size else EMPTY_ROOT


def span_hash(span: Span, hash_of: HashOf) -> bytes:
    """The hash of a subtree that is not empty."""
    *nodes, last = span.nodes()
    root = hash_of(last)
    for node in reversed(nodes):
        root = node_hash(hash_of(node), root)
    return root


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise `ProofError` unless the leaf hash is proven to be in the tree of this root.

    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} has no entry {index}")
    _refuse_odd(leaf, root, *proof)
    reached = leaf
    for on_the_left, sibling in _sides(index, size - 1, proof):
        reached = node_hash(sibling, reached) if on_the_left else node_hash(reached, sibling)
    if reached != root:
        raise ProofError("the proof leads to another root: entry, proof and tree do not belong")


def verify_consistency(
    old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise `ProofError` unless the tree of `old` leaves is proven to be this one's beginning.

    RFC 9162, section 2.1.4.2.
    """
    if not 0 <= old <= size:
        raise ProofError(f"a tree of {old} is no beginning of one of {size}")
    if old in {0, size}:
        _verify_trivially(old, size, old_root, root, proof)
        return
    _refuse_odd(old_root, root, *proof)
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    # A perfect old tree is the first hash itself, which its reader has.
    path = [*proof] if fn else [old_root, *proof]
    if not path:
        raise ProofError("the proof has too few hashes")
    old_reached = reached = path[0]
    for on_the_left, sibling in _sides(fn, sn, path[1:]):
        if on_the_left:
            old_reached = node_hash(sibling, old_reached)
        reached = node_hash(sibling, reached) if on_the_left else node_hash(reached, sibling)
    if old_reached != old_root:
        raise ProofError("the proof does not lead to the root of the smaller tree")
    if reached != root:
        raise ProofError("the proof does not lead to the root of the larger tree")


def _verify_trivially(
    old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ProofError("the proof has too many hashes")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofError("the smaller tree is empty and has another root than the empty tree")
    if old == size and old_root != root:
        raise ProofError("two trees of one size have different roots")


def _refuse_odd(*hashes: bytes) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        raise ProofError(f"a hash of a proof or a root has not {HASH_SIZE} bytes")


def _sides(fn: int, sn: int, proof: Sequence[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Each hash of a proof, and whether it stands on the left of what is reached before it.

    `fn` and `sn` are, level by level, the place of what is reached and that of the last.
    """
    for sibling in proof:
        if sn == 0:
            raise ProofError("the proof has too many hashes")
        on_the_left = bool(fn & 1) or fn == sn
        yield on_the_left, sibling
        if on_the_left:
            # Up to where it has a sibling: at the right edge a node can be nobody's right child.
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the proof has too few hashes")


def _split(leaves: int) -> int:
    """The largest power of two below so many leaves, two or more."""
    return 1 << (leaves - 1).bit_length() - 1
