"""A whole tree of the log at once, where services have only what they let it grow by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.audit.domain.merkle import Frontier, leaf_hashes
from services.audit.domain.proofs import Node
from services.audit.domain.tiles import WIDTH, Tile, level_width, tile_of


def root_of(entries: Iterable[bytes]) -> bytes:
    """The root hash over entries."""
    return Frontier().extended(leaf_hashes(entries)).root


def all_tiles(size: int) -> Iterator[Tile]:
    """Every tile of a tree of this size, level by level."""
    level = 0
    while (hashes := level_width(level, size)) > 0:
        for number in range(-(-hashes // WIDTH)):
            yield Tile(level, number, min(WIDTH, hashes - number * WIDTH))
        level += 1


def tiles_of(nodes: Iterable[Node], size: int) -> set[Tile]:
    """The tiles from which the hashes of these subtrees are made."""
    return {tile_of(node, size) for node in nodes}
