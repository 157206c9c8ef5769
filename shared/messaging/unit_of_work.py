"""One database transaction: what it changes, what it says, and what became of its messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from shared.contract.codec import Encoded, encode
from shared.contract.message import Message, Outgoing
from shared.contract.registry import MessageData
from shared.messaging import store
from shared.runtime.database import Connection

Outcome = Literal[
    "accepted", "refused", "waiting", "duplicate", "dead_letter", "parked", "ignored", "discarded"
]
"""What became of a message that was taken. Every message has exactly one at any time."""

Place = tuple[str, int, int]
"""Topic, partition and offset: where a record stands."""


def place_of(message: Message[Any]) -> Place:
    """Where the message's record stands."""
    record = message.record
    return (record.topic, record.partition, record.offset)


@dataclass(frozen=True, slots=True)
class Mark:
    """How much a transaction had collected at some moment; see `Transaction.undo_to`."""

    said: int
    outcomes: int
    settled: int
    faults: int
    dropped: int


class Transaction:
    """What handlers and commands work in. `now` is aware, in UTC, and the same for all of it.

    What is said here reaches the outbox as the last statement before the commit, and Kafka after
    it; what is rolled back was never said.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        service: str,
        now: datetime,
        ids: Callable[[], UUID],
        topics: Collection[str],
    ) -> None:
        self.connection = connection
        self.now = now
        self._source = f"/steward/{service}"
        self._ids = ids
        self._topics = topics
        self._said: list[Encoded] = []
        self._outcomes: list[tuple[Place, Outcome]] = []
        self._settled: list[tuple[tuple[str, int, Outcome], int]] = []
        self._faults: list[tuple[Place, str, str]] = []
        self._dropped: list[str] = []

    def new_id(self) -> UUID:
        """A new UUID, version 7."""
        return self._ids()

    def say(
        self,
        data: MessageData,
        *,
        key: UUID | None,
        subject: UUID | None = None,
        because: Message[Any] | None = None,
    ) -> None:
        """Publish a fact once this transaction has committed.

        Facts of one key reach their topic in the order in which they are said, across all
        transactions. Raises `Unsayable` where the topic is not this service's or the fact is larger
        than its topic takes: a mistake in the code, found before anything is committed.
        """
        raise NotImplementedError

    def decline(self, message: Message[Any]) -> None:
        """The message is valid and the domain's answer is no, given by a fact of its own."""
        self._outcomes.append((place_of(message), "refused"))

    def wait(self, message: Message[Any]) -> None:
        """The message is valid and kept until what it needs is known; see `settle`."""
        self._outcomes.append((place_of(message), "waiting"))

    def settle(self, topic: str, partition: int, outcome: Outcome, count: int = 1) -> None:
        """So many messages of a partition that were waiting have come to this outcome."""
        self._settled.append(((topic, partition, outcome), count))

    def dead_letter(self, message: Message[Any], reason: str, detail: str) -> None:
        """This message is at fault. What was written for others stays; nothing may be for it."""
        self._faults.append((place_of(message), reason, detail))

    def dropped(self, names: Iterable[str]) -> None:
        """Fields that came and were not kept; only names that are registered, never values."""
        self._dropped.extend(names)


@asynccontextmanager
async def unit_of_work(
    pool: asyncpg.Pool, *, service: str, now: datetime, ids: Callable[[], UUID]
) -> AsyncIterator[Transaction]:
    """A transaction for commands and periodic work; what it says is written last, before commit."""
    raise NotImplementedError
    yield
