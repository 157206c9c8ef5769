"""Tiles and bundles of C2SP `tlog-tiles`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audit.domain.merkle import Frontier, leaf_hashes
from services.audit.domain.proofs import (
    consistency_proof,
    consistency_spans,
    inclusion_proof,
    inclusion_spans,
    root_hash,
)
from services.audit.domain.tiles import (
    MOST_ENTRY_BYTES,
    Bundle,
    BundleError,
    RightEdge,
    Tile,
    bundles,
    decode_bundle,
    encode_bundle,
    hashes_from,
    parse_path,
    partial_bundle,
    partial_tiles,
    split_hashes,
)
from tests.audit import naive
from tests.audit.test_tree import entries_of
from tests.support.trees import all_tiles, tiles_of

AROUND = (0, 1, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537)
LEAVES = leaf_hashes(entries_of(max(AROUND) + 300))


def test_the_example_of_the_specification() -> None:
    tiles = list(all_tiles(70_000))
    assert len([tile for tile in tiles if tile.level == 0 and tile.width == 256]) == 273
    assert partial_tiles(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [tile for tile in tiles if tile.level == 1 and tile.width == 256] == [Tile(1, 0)]
    assert list(all_tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(63, 999), "tile/63/999"),
        (Tile(1, 1_000, 17), "tile/1/x001/000.p/17"),
        (Bundle(0, 1), "tile/entries/000.p/1"),
        (Bundle(1_000_000), "tile/entries/x001/x000/000"),
    ],
)
def test_paths_lead_to_what_they_are_of(resource: Tile | Bundle, path: str) -> None:
    assert resource.path == path
    assert parse_path(path) == resource


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/64/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/../../secret",
        "tile/entries/000/",
        "tile/0/\u0660\u0660\u0661",
    ],
)
def test_other_paths_lead_to_nothing(path: str) -> None:
    assert parse_path(path) is None


@given(st.integers(0, 10**9), st.integers(1, 256))
def test_every_path_can_be_read_again(number: int, width: int) -> None:
    for resource in (Tile(0, number, width), Bundle(number, width)):
        assert parse_path(resource.path) == resource


def tree_of(size: int, step: int) -> dict[Tile, bytes]:
    """Every tile of a tree that grew step by step."""
    edge, tiles = RightEdge(), dict[Tile, bytes]()
    for begin in range(0, size, step):
        for tile, data in edge.append(LEAVES[begin : min(begin + step, size)]):
            assert tile not in tiles
            tiles[tile] = data
    return tiles | dict(edge.partial())


@pytest.mark.parametrize("size", AROUND)
def test_a_tree_that_grows_has_the_tiles_of_its_size(size: int) -> None:
    tiles = tree_of(size, 1_000)
    assert set(tiles) == set(all_tiles(size))
    assert all(len(split_hashes(data)) == tile.width for tile, data in tiles.items())
    assert (
        root_hash(size, hashes_from(tiles.__getitem__, size))
        == Frontier().extended(LEAVES[:size]).root
    )


@pytest.mark.parametrize("level", range(1, 8))
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_around_a_power_of_256_the_right_edge_is_the_size_digit_by_digit(
    level: int, more: int
) -> None:
    size = 256**level + more
    digits = size.to_bytes(8, "little")
    expected = [(place, digit) for place, digit in enumerate(digits) if digit]
    assert [(tile.level, tile.width) for tile in partial_tiles(size)] == expected
    for tile in partial_tiles(size):
        assert parse_path(tile.path) == tile
        assert tile.number == size >> 8 * (tile.level + 1)


@settings(max_examples=30)
@given(st.sampled_from(AROUND), st.integers(0, 300))
def test_an_edge_that_is_read_again_goes_on_as_if_it_had_stayed(size: int, more: int) -> None:
    stayed = RightEdge()
    stayed.append(LEAVES[:size])
    by_level = dict(stayed.partial())
    read: list[list[bytes]] = []
    for level in range(4):
        if size >> 8 * level:
            held = [data for tile, data in by_level.items() if tile.level == level]
            read.append(split_hashes(held[0]) if held else [])
    again = RightEdge(size, read)
    added = LEAVES[size : size + more]
    assert again.append(added) == stayed.append(added)
    assert again.partial() == stayed.partial()


def test_an_edge_has_the_partial_tiles_of_its_size() -> None:
    for size, levels in ((1, []), (256, [[]]), (3, [LEAVES[:2]]), (3, [LEAVES[:3], LEAVES[:1]])):
        with pytest.raises(ValueError, match="partial tiles"):
            RightEdge(size, levels)


@settings(max_examples=30)
@given(st.integers(1, 1_400), st.data())
def test_proofs_come_out_of_the_tiles_that_they_need(size: int, data: st.DataObject) -> None:
    whole = tree_of(size, 400)
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    nodes = [node for span in inclusion_spans(index, size) for node in span.nodes()]
    needed = {tile: whole[tile] for tile in tiles_of(nodes, size)}
    assert inclusion_proof(index, size, hashes_from(needed.__getitem__, size)) == naive.path(
        index, entries
    )
    nodes = [node for span in consistency_spans(index + 1, size) for node in span.nodes()]
    needed = {tile: whole[tile] for tile in tiles_of(nodes, size)}
    proof = consistency_proof(index + 1, size, hashes_from(needed.__getitem__, size))
    assert proof == naive.proof(index + 1, entries)


@given(st.lists(st.binary(max_size=300), max_size=300))
def test_bundles_give_back_their_entries(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


def test_the_bytes_of_a_bundle() -> None:
    assert encode_bundle([b"abc", b""]) == b"\x00\x03abc\x00\x00"


def test_an_entry_fits_into_a_bundle_or_is_refused() -> None:
    most = b"x" * MOST_ENTRY_BYTES
    assert decode_bundle(encode_bundle([most])) == [most]
    with pytest.raises(BundleError, match="65,535"):
        encode_bundle([most + b"x"])


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_a_bundle_that_is_cut_off_is_none(cut: int) -> None:
    with pytest.raises(BundleError, match="cut off"):
        decode_bundle(encode_bundle([b"a", b"abc"])[:-cut])


@pytest.mark.parametrize("data", [b"", b"x" * 31, b"x" * 32 * 257])
def test_what_is_no_sequence_of_hashes_is_no_tile(data: bytes) -> None:
    with pytest.raises(BundleError):
        split_hashes(data)


def test_bundles_of_a_part_of_a_tree() -> None:
    assert list(bundles(0, 0)) == []
    assert list(bundles(0, 256)) == [Bundle(0)]
    assert list(bundles(255, 513)) == [Bundle(0), Bundle(1), Bundle(2, 1)]
    assert list(bundles(513, 515)) == [Bundle(2, 3)]
    assert partial_bundle(513) == Bundle(2, 1)
    assert partial_bundle(512) is None
    assert Bundle(2).begin == 512
