"""The tree and its entries as files: C2SP `tlog-tiles`.

A tile holds up to 256 hashes, a bundle up to 256 entries. A full one never changes; a partial one
belongs to the size of a tree and gives way to the full one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from services.audit.domain.merkle import HASH_SIZE, perfect_root
from services.audit.domain.proofs import HashOf, Node, root_hash

WIDTH: Final = 256
HEIGHT: Final = 8
"""Levels of the tree in a tile: `2 ** HEIGHT == WIDTH`."""

MOST_ENTRY_BYTES: Final = 0xFFFF
"""An entry's length has two bytes in a bundle."""

ENTRIES: Final = "entries"

_LENGTH_BYTES: Final = 2
_RESOURCE: Final = re.compile(
    r"tile/(?P<level>entries|\d|[1-5]\d|6[0-3])/(?P<number>(?:x\d{3}/)*\d{3})"
    r"(?:\.p/(?P<width>[1-9]\d{0,2}))?",
    re.ASCII,
)


class BundleError(ValueError):
    """Bytes are no bundle, or no tile; the text says what is wrong with them."""


class Tile(NamedTuple):
    """So many hashes of a level, in order: leaf hashes at level 0, above it roots of full tiles."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the prefix of the log."""
        return f"tile/{self.level}/{numbered(self.number, self.width)}"


class Bundle(NamedTuple):
    """So many entries, in order: those of the tile of level 0 with the same number."""

    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the prefix of the log."""
        return f"tile/{ENTRIES}/{numbered(self.number, self.width)}"

    @property
    def begin(self) -> int:
        """The sequence number of its first entry."""
        return self.number * WIDTH


def parse_path(path: str) -> Tile | Bundle | None:
    """What lies at a path below the prefix; None where the specification has no such path."""
    found = _RESOURCE.fullmatch(path)
    if found is None:
        return None
    number = int(re.sub(r"\D", "", found["number"]))
    width = WIDTH if found["width"] is None else int(found["width"])
    level = found["level"]
    resource = Bundle(number, width) if level == ENTRIES else Tile(int(level), number, width)
    # Only one path leads to a resource: no leading `x000`, no partial one that is full.
    return resource if resource.path == path else None


def numbered(number: int, width: int = WIDTH) -> str:
    """A number as a path of three digits each, which has room for any number."""
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == WIDTH else f"{path}.p/{width}"


def level_width(level: int, size: int) -> int:
    """How many hashes a tree of this size has at a level of tiles."""
    return size >> (HEIGHT * level)


def partial_tiles(size: int) -> list[Tile]:
    """The tiles at the right edge of a tree that are not full, the lowest first."""
    tiles, level = [], 0
    while (hashes := level_width(level, size)) > 0:
        number, width = divmod(hashes, WIDTH)
        if width:
            tiles.append(Tile(level, number, width))
        level += 1
    return tiles


def partial_bundle(size: int) -> Bundle | None:
    """The last bundle of a tree where it is not full."""
    number, width = divmod(size, WIDTH)
    return Bundle(number, width) if width else None


def bundles(begin: int, size: int) -> Iterator[Bundle]:
    """The bundles of a tree of this size that have entries from `begin` on."""
    for number in range(begin // WIDTH, -(-size // WIDTH)):
        yield Bundle(number, min(WIDTH, size - number * WIDTH))


def tile_of(node: Node, size: int) -> Tile:
    """The tile of a tree of this size from which the hash of a perfect subtree is made."""
    level, height = divmod(node.level, HEIGHT)
    number = (node.number << height) // WIDTH
    return Tile(level, number, min(WIDTH, level_width(level, size) - number * WIDTH))


def hashes_from(read: Callable[[Tile], bytes], size: int) -> HashOf:
    """Hashes of subtrees out of the tiles of a tree of this size. Raises what reading raises."""

    def hash_of(node: Node) -> bytes:
        tile = read(tile_of(node, size))
        height = node.level % HEIGHT
        first = (node.number << height) % WIDTH * HASH_SIZE
        return perfect_root(split_hashes(tile[first : first + (HASH_SIZE << height)]))

    return hash_of


def split_hashes(tile: bytes) -> list[bytes]:
    """The hashes of a tile. Raises `BundleError` where it is no sequence of hashes."""
    if not tile or len(tile) % HASH_SIZE or len(tile) > WIDTH * HASH_SIZE:
        raise BundleError(f"a tile has 1 to {WIDTH} hashes of {HASH_SIZE} bytes")
    return [tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries one behind the other, each with its length before it. Raises `BundleError`."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MOST_ENTRY_BYTES:
            raise BundleError(f"an entry has at most {MOST_ENTRY_BYTES:,} bytes")
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises `BundleError` where it is cut off."""
    entries, at = [], 0
    while at < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if at > len(data) or begin > len(data):
            raise BundleError("the bundle is cut off")
        entries.append(data[begin:at])
    return entries


class RightEdge:
    """The tiles of a growing tree that are not full yet, from which all others are made."""

    def __init__(self, size: int = 0, levels: Sequence[Sequence[bytes]] = ()) -> None:
        """`levels`: the hashes of the partial tile of each level, the lowest first.

        Raises ValueError where they do not fit the size.
        """
        self.size = size
        self._levels = [list(hashes) for hashes in levels]
        widths = [len(hashes) for hashes in self._levels]
        expected = [level_width(level, size) % WIDTH for level in range(len(widths))]
        if widths != expected or level_width(len(widths), size):
            raise ValueError(f"these are not the partial tiles of a tree of {size}")

    def append(self, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Let the tree grow by leaf hashes; the tiles that are full now, with their bytes."""
        self.size += len(leaves)
        return list(self._grow(0, leaves))

    def _grow(self, level: int, hashes: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        if level == len(self._levels):
            self._levels.append([])
        held = self._levels[level]
        held += hashes
        full = len(held) // WIDTH
        first = level_width(level, self.size) // WIDTH - full
        roots = []
        for at in range(full):
            tile = held[at * WIDTH : (at + 1) * WIDTH]
            yield Tile(level, first + at), b"".join(tile)
            roots.append(perfect_root(tile))
        del held[: full * WIDTH]
        if roots:
            yield from self._grow(level + 1, roots)

    def partial(self) -> list[tuple[Tile, bytes]]:
        """The tiles that are not full, with their bytes."""
        return [(tile, b"".join(self._levels[tile.level])) for tile in partial_tiles(self.size)]

    @property
    def root(self) -> bytes:
        """The root hash of the tree: its perfect subtrees are all in these tiles."""
        return root_hash(self.size, hashes_from(dict(self.partial()).__getitem__, self.size))


def read_edge(size: int, read: Callable[[Tile], bytes]) -> RightEdge:
    """The edge of a tree of this size out of its partial tiles.

    Raises ValueError where one is not what it has to be.
    """
    partial = {tile.level: read(tile) for tile in partial_tiles(size)}
    levels: list[list[bytes]] = []
    while level_width(len(levels), size):
        tile = partial.get(len(levels))
        levels.append([] if tile is None else split_hashes(tile))
    return RightEdge(size, levels)
