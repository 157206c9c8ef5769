"""The head of the tree and its checkpoints in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.audit.domain.growth import Head, Signed
from services.audit.domain.merkle import Frontier
from services.audit.store.sql import SQL
from shared.runtime.database import Connection


async def lock(connection: Connection, published: int) -> tuple[Head, bytes | None]:
    """The head, and the root that was signed of a published size, None where there is none.

    Nobody else appends or signs until the transaction ends.
    """
    row = await SQL.lock_tree(connection, published=published)
    return _head(row), row["published_root"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The head as it is now, not locked; the root that was signed of the size that was asked for,
    None where there is none; the largest size whose checkpoint is in the outbox, -1 for none.
    """

    head: Head
    signed_root: bytes | None
    announced: int


async def read(connection: Connection, published: int) -> Progress:
    """How far everything is."""
    row = await SQL.read_tree(connection, published=published)
    return Progress(_head(row), row["published_root"], row["announced"])


async def grow(connection: Connection, head: Head, frontier: Frontier) -> None:
    """Move the head, which the caller has locked, to what this tree is over.

    Raises asyncpg's SerializationError where it is not there any more.
    """
    await SQL.grow_tree(
        connection,
        size_before=head.size,
        size_after=max(head.size, frontier.size),
        hashed_after=frontier.size,
        roots=frontier.roots,
    )


async def keep_checkpoint(connection: Connection, signed: Signed, now: datetime) -> None:
    """Keep a checkpoint. Raises asyncpg's UniqueViolationError where its size has one."""
    await SQL.keep_checkpoint(
        connection, size=signed.size, root=signed.root, note=signed.note, now=now
    )


async def checkpoints_after(connection: Connection, size: int, most: int) -> list[Signed]:
    """Checkpoints of larger trees than this, the smallest first."""
    rows = SQL.checkpoints_after(connection, size=size, most=most)
    return [Signed(row["size"], row["root"], row["note"]) async for row in rows]


async def announce(connection: Connection, checkpoints: Sequence[Signed]) -> None:
    """Note that these are in the outbox now."""
    await SQL.announce(connection, size=checkpoints[-1].size)


async def take_publishing(connection: Connection) -> bool:
    """Whether this connection is now the one that publishes."""
    return bool(await SQL.take_publishing(connection))


def _head(row: asyncpg.Record) -> Head:
    return Head(row["size"], Frontier(row["hashed"], tuple(row["frontier"])), row["signed"])
