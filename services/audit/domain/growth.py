"""How the log may grow: where its tree stands, when it is signed, and what forbids both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.merkle import Frontier
from services.audit.domain.notes import SigningKey

SIGN_EVERY: Final = 1_000
"""Entries: when so many came since the last checkpoint, there is another at once."""


class Refused(Exception):  # noqa: N818 - what it is
    """Nothing may be appended or signed; the text says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log stands: entries, the tree over them, and the newest size that was signed, -1
    for none. The tree is behind the entries only where those were there before it.
    """

    size: int
    tree: Frontier
    signed: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it is kept: its signed note goes out as it is."""

    size: int
    root: bytes
    note: bytes


def sign(tree: Frontier, key: SigningKey) -> Signed:
    """The checkpoint of a tree; the same tree and key give the same bytes."""
    checkpoint = Checkpoint(key.name, tree.size, tree.root)
    return Signed(tree.size, tree.root, checkpoint.signed(key).encode())


def refuse_foreign_database(
    head: Head, published: Checkpoint | None, signed_root: bytes | None
) -> None:
    """Raise `Refused` unless the published checkpoint is one of this database's own.

    `signed_root` is what the database has signed of the published size. Every checkpoint comes out
    of the database before it is published: one that it does not have, it has lost, or another had.
    """
    if published is None:
        return
    if published.size > head.size:
        raise Refused(
            "the database is behind a published checkpoint: nothing is appended or published"
        )
    if published.root != signed_root:
        raise Refused(
            "the database is unlike a published checkpoint: nothing is appended or published"
        )


def refuse_growth(head: Head) -> None:
    """Raise `Refused` while entries of an earlier release are not in the tree yet."""
    if head.tree.size < head.size:
        raise Refused("the tree is still being laid over entries that were there before it")
