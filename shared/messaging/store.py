"""Rows of inbox, outbox and what lies between. One statement for many rows, always."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, NamedTuple

import asyncpg
import orjson

from shared.contract.codec import Encoded
from shared.contract.types import Sealed
from shared.messaging.places import Partition
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)

LANES: Final = (0, 1)
"""As `outbox_lane` deals keys out; a migration fixes how many there are."""

FEW: Final = 32
"""Facts. COPY takes half the time of an insert from arrays, and two round trips more."""

OutcomeCount = tuple[str, int, str, int]
"""Topic, partition, outcome, and how many messages more have it, or how many fewer."""

Claim = tuple[date, bytes]
"""The day of a message's identity, and the digest of its body."""

KeyReference = tuple[str, bytes]
"""A topic and the keyed digest of a key in it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row of `dead_letter`. `status` is dead for what failed, parked for what waits behind it.

    Of type and key, only what is registered is kept in clear: `type`; the others are digests.
    """

    topic: str
    partition: int
    record_offset: int
    status: Literal["dead", "parked"]
    holds_key: bool
    type: str | None
    type_reference: bytes | None
    key_reference: bytes | None
    reason: str
    detail: str
    sealed: Sealed | None
    taken_at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True)
class Which:
    """Some of the dead letters of a service: those that have all that is named here."""

    topic: str | None = None
    status: Literal["dead", "parked"] | None = None
    reason: str | None = None


class OutboxRow(NamedTuple):
    """A fact on its way to Kafka."""

    id: int
    topic: str
    key: bytes | None
    headers: list[tuple[str, bytes]]
    value: bytes


@dataclass(frozen=True, slots=True)
class Figures:
    """What waits: facts in the outbox and for how many seconds the oldest, messages that are dead
    letters or parked behind one, and the keys that are parked.
    """

    outbox: int
    oldest_s: float
    dead: int
    parked: int
    parked_keys: int


async def positions(
    connection: Connection, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """The next offset of those partitions that have one."""
    rows = _sql.positions(
        connection,
        topics=[topic for topic, _ in partitions],
        partitions=[number for _, number in partitions],
    )
    return {(row["topic"], row["partition"]): row["next_offset"] async for row in rows}


async def begin_positions(connection: Connection, offsets: Mapping[Partition, int]) -> None:
    """Give partitions that have none their first position."""
    await _sql.begin_positions(
        connection,
        topics=[topic for topic, _ in offsets],
        partitions=[number for _, number in offsets],
        offsets=list(offsets.values()),
    )


class Begun(NamedTuple):
    """Whether all positions moved, whether any key at all is parked, the number of the plan that
    stays in force until the transaction ends, and the identities that had been claimed before.
    """

    whole: bool
    any_parked: bool
    plan: int | None
    known: Collection[bytes]


async def begin(
    connection: Connection,
    begins: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    claims: Mapping[bytes, Claim],
) -> Begun:
    """Move positions, if all are still where they are thought to be, and claim identities."""
    row = await _sql.begin(
        connection,
        topics=[topic for topic, _ in begins],
        partitions=[number for _, number in begins],
        before=list(begins.values()),
        after=[ends[partition] for partition in begins],
        days=[day for day, _ in claims.values()],
        identities=list(claims),
        bodies=[body for _, body in claims.values()],
    )
    whole = row["moved"] == len(begins)
    return Begun(whole, row["any_parked"], row["plan"], row["known"])


async def claimed_bodies(
    connection: Connection, identities: Mapping[bytes, Claim]
) -> dict[bytes, bytes]:
    """Of identities claimed before, the digests of their bodies."""
    rows = _sql.claimed_bodies(
        connection,
        days=[day for day, _ in identities.values()],
        identities=list(identities),
    )
    return {row["identity"]: row["body"] async for row in rows}


async def parked_among(connection: Connection, keys: Collection[KeyReference]) -> set[KeyReference]:
    """Which of these keys are parked; they stay so until the transaction ends."""
    rows = _sql.parked_among(
        connection,
        topics=[topic for topic, _ in keys],
        references=[reference for _, reference in keys],
    )
    return {(row["topic"], row["key_reference"]) async for row in rows}


async def park(connection: Connection, keys: Collection[KeyReference], at: datetime) -> None:
    """Let later messages of these keys wait."""
    await _sql.park(
        connection,
        topics=[topic for topic, _ in keys],
        references=[reference for _, reference in keys],
        at=at,
    )


async def bury(connection: Connection, letters: Sequence[DeadLetter], at: datetime) -> None:
    """Keep what could not be handled and what waits behind it."""
    await _sql.bury(
        connection,
        topics=[letter.topic for letter in letters],
        partitions=[letter.partition for letter in letters],
        offsets=[letter.record_offset for letter in letters],
        statuses=[letter.status for letter in letters],
        holds=[letter.holds_key for letter in letters],
        types=[letter.type for letter in letters],
        type_references=[letter.type_reference for letter in letters],
        key_references=[letter.key_reference for letter in letters],
        reasons=[letter.reason for letter in letters],
        details=[letter.detail for letter in letters],
        sealed=[letter.sealed for letter in letters],
        at=at,
    )


async def conclude(
    connection: Connection, counts: Iterable[OutcomeCount], said: Sequence[Encoded], at: datetime
) -> None:
    """Count outcomes, and put facts into the outbox, in order: the last thing of a transaction."""
    total: dict[tuple[str, int, str], int] = {}
    for topic, partition, outcome, count in counts:
        place = (topic, partition, outcome)
        total[place] = total.get(place, 0) + count
    few = said if len(said) <= FEW else ()
    await _sql.conclude(
        connection,
        topics=[topic for topic, _, _ in total],
        partitions=[partition for _, partition, _ in total],
        outcomes=[outcome for _, _, outcome in total],
        messages=list(total.values()),
        says=bool(said),
        said_topics=[fact.topic for fact in few],
        keys=[fact.key for fact in few],
        headers=[orjson.dumps(fact.headers).decode() for fact in few],
        bodies=[fact.value for fact in few],
        said_at=at,
    )
    if len(said) > len(few):
        # aiosql has no COPY.
        await connection.copy_records_to_table(
            "outbox",
            columns=("topic", "key", "headers", "value", "said_at"),
            records=[
                (topic, key, orjson.dumps(headers).decode(), value, at)
                for topic, key, value, headers in said
            ],
        )


async def take_lane(connection: Connection, lane: int) -> bool:
    """Whether this connection is now the one that publishes the lane."""
    return bool(await _sql.take_lane(connection, lane=lane))


async def read_lane(connection: Connection, lane: int, after: int, most: int) -> list[OutboxRow]:
    """The next facts of a lane, with ids above `after`, in order."""
    return [
        OutboxRow(
            row["id"],
            row["topic"],
            row["key"],
            [(name, value.encode()) for name, value in orjson.loads(row["headers"]).items()],
            row["value"],
        )
        async for row in _sql.read_lane(connection, lane=lane, after=after, most=most)
    ]


async def forget(connection: Connection, lane: int, ids: Sequence[int]) -> None:
    """Remove facts that have reached Kafka."""
    await _sql.forget(connection, lane=lane, ids=ids)


async def last_said(connection: Connection, topic: str) -> int:
    """The id of the newest fact of the topic that is in the outbox; 0: there is none."""
    last: int = await _sql.last_said(connection, topic=topic)
    return last


async def waiting_to_be_said(connection: Connection, topic: str, last: int) -> int:
    """How many facts of the topic, up to that one, are in the outbox."""
    waiting: int = await _sql.waiting_to_be_said(connection, topic=topic, last=last)
    return waiting


async def outbox_span(connection: Connection) -> tuple[float, int]:
    """The ids of the oldest and of the newest fact in the outbox; infinity and 0: it is empty."""
    found = await _sql.outbox_span(connection, lanes=LANES)
    return (math.inf, 0) if found["first"] is None else (found["first"], found["last"])


async def figures(connection: Connection, now: datetime) -> Figures:
    """What stands in the tables at this moment."""
    return Figures(**await _sql.figures(connection, now=now))


async def keep_inbox(connection: Connection, today: date, keep: int) -> None:
    """Make the inbox's partitions ahead, and drop those that are older than `keep` days."""
    await _sql.keep_inbox(connection, today=today, keep=keep)


async def list_dead_letters(connection: Connection, which: Which, most: int) -> list[DeadLetter]:
    """Dead letters, the oldest first, without their content."""
    rows = _sql.list_dead_letters(
        connection, topic=which.topic, status=which.status, reason=which.reason, most=most
    )
    return [_dead_letter(row) async for row in rows]


async def lies(connection: Connection, topic: str, types: Collection[str] | None) -> bool:
    """Whether a message of the topic, of one of these types or (None) of any, lies as a dead letter
    or behind one.
    """
    asked = None if types is None else list(types)
    return bool(await _sql.lies(connection, topic=topic, types=asked))


async def dead_letter_ids(connection: Connection, which: Which) -> list[int]:
    """The ids of all of them, the oldest first."""
    rows = _sql.dead_letter_ids(
        connection, topic=which.topic, status=which.status, reason=which.reason
    )
    return [row["id"] async for row in rows]


async def dead_letters(connection: Connection, ids: Sequence[int]) -> list[DeadLetter]:
    """Those of these ids that exist, the oldest first, without their content."""
    return [_dead_letter(row) async for row in _sql.dead_letters(connection, ids=ids)]


async def lock_dead_letters(connection: Connection, ids: Sequence[int]) -> list[DeadLetter]:
    """Those of these ids that exist, the oldest first, to be changed by this transaction alone."""
    return [_dead_letter(row) async for row in _sql.lock_dead_letters(connection, ids=ids)]


async def lock_keys(connection: Connection, keys: Collection[KeyReference]) -> None:
    """Let batches that meet one of these keys wait until this transaction ends."""
    topics, references = [topic for topic, _ in keys], [reference for _, reference in keys]
    await _sql.lock_keys(connection, topics=topics, references=references)


async def queue_of_key(connection: Connection, key: KeyReference, most: int) -> list[DeadLetter]:
    """The head of a parked key and what waits behind it, in order."""
    rows = _sql.queue_of_key(connection, topic=key[0], reference=key[1], most=most)
    return [_dead_letter(row) async for row in rows]


async def fail_again(connection: Connection, letter: DeadLetter) -> None:
    """Say what is wrong with it now."""
    await _sql.fail_again(
        connection,
        id=letter.id,
        reason=letter.reason,
        detail=letter.detail,
        holds_key=letter.holds_key,
    )


async def remove_dead_letters(connection: Connection, ids: Sequence[int]) -> None:
    """They are handled, or given up."""
    await _sql.remove_dead_letters(connection, ids=ids)


async def unpark_if_empty(connection: Connection, keys: Collection[KeyReference]) -> None:
    """Let messages of each of these keys pass again, unless some still wait."""
    topics, references = [topic for topic, _ in keys], [reference for _, reference in keys]
    await _sql.unpark_if_empty(connection, topics=topics, references=references)


async def all_positions(connection: Connection) -> dict[Partition, int]:
    """Every position that the service has."""
    rows = _sql.all_positions(connection)
    return {(row["topic"], row["partition"]): row["next_offset"] async for row in rows}


def _dead_letter(row: asyncpg.Record) -> DeadLetter:
    columns = dict(row)
    sealed = columns.pop("sealed", None)
    return DeadLetter(sealed=None if sealed is None else Sealed(sealed), **columns)
