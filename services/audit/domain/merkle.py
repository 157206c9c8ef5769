"""The Merkle tree over the log: RFC 6962, section 2.1, the same as RFC 9162, section 2.1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(_LEAF + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The hashes of many entries, in their order."""
    return [sha256(_LEAF + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees that stand side by side."""
    return sha256(_NODE + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over so many hashes, a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [
            sha256(_NODE + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree by what is needed to let it grow: the roots of its perfect subtrees, largest first.

    One root for each bit of the size that is set, also known as a compact range from 0.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.roots):
            raise ValueError(f"a tree of {self.size} has {self.size.bit_count()} perfect subtrees")

    def extended(self, leaves: Sequence[bytes]) -> Frontier:
        """The tree with these leaf hashes behind its own."""
        roots, size = list(self.roots), self.size
        for leaf in leaves:
            root, carried = leaf, size
            while carried & 1:
                root = sha256(_NODE + roots.pop() + root).digest()
                carried >>= 1
            roots.append(root)
            size += 1
        return Frontier(size, tuple(roots))

    @property
    def root(self) -> bytes:
        """The root hash of the whole tree (MTH)."""
        if not self.roots:
            return EMPTY_ROOT
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root
