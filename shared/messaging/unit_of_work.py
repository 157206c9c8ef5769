"""One database transaction: what it changes, what it says, and what became of its messages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol
from uuid import UUID

from shared.contract.codec import Encoded, encode
from shared.contract.message import Message, Outgoing
from shared.contract.registry import MessageData
from shared.contract.topics import MAX_MESSAGE_BYTES, TOPICS
from shared.messaging import store
from shared.messaging.places import Place, place_of
from shared.runtime.database import Connection, Pool

Outcome = Literal[
    "accepted", "refused", "waiting", "duplicate", "dead_letter", "parked", "ignored", "discarded"
]
"""What became of a message that was taken. Every message has exactly one at any time."""

_RECORD_OVERHEAD: Final = 200
"""Bytes that a record batch of one record has around key, headers and value, generously."""

_SURELY_FITS: Final = MAX_MESSAGE_BYTES // 2
"""Bytes of a body beside which key and headers, all of our own making, always have room."""

_HEADER_OVERHEAD: Final = 10
_OUR_SOURCES: Final = "/steward/"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class HeldPlan(Protocol):
    """The plan that a transaction works under, from its beginning to its end; `shared.privacy` has
    it. What was decided by it before counts only where its number is still the same.
    """

    number: int

    @property
    def digest(self) -> str:
        """SHA-256 of its file, in hexadecimal, as entries of the log cite it."""
        ...

    async def hold(self, connection: Connection) -> None:
        """Keep the plan in force until this transaction ends, and learn it if it is another."""
        ...


class Unsayable(Exception):  # noqa: N818 - what it is, not that it is an error
    """A fact that may not be published: a mistake in the code of the service that says it."""


class BeginAgain(Exception):  # noqa: N818 - what is to be done
    """All of a transaction is to be rolled back, prepared anew and tried once more, at once."""


class Marked(NamedTuple):
    """A message that its handler found at fault."""

    place: Place
    reason: str
    detail: str
    holds_key: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says facts: the service, where its ids come from, and the topics that it may say to.

    `reference` digests the id of a message from upstream before it is named as a cause; without
    it such a cause is left out.
    """

    service: str
    ids: Callable[[], UUID]
    topics: Collection[str]
    reference: Callable[[bytes], bytes] | None = None


def topics_said_by(service: str) -> frozenset[str]:
    """A service says facts to its own topics, and what it does with personal data to `audit`."""
    own = {spec.name for spec in TOPICS if spec.owner == service and not spec.inbound}
    return frozenset(own | {"audit"})


class Transaction:
    """What handlers and commands work in. `now` is aware, in UTC, and the same for all of it.

    What is said here reaches the outbox as the last statement before the commit, and Kafka after
    it; what is rolled back was never said.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        now: datetime,
        speaker: Speaker,
        parents: Mapping[Place, str] = MappingProxyType({}),
        may_begin_again: bool = False,
    ) -> None:
        """`parents`: what facts go on from that are said because of the messages that stood there
        (`tracing`). `may_begin_again`: who works in it may ask for a second try.
        """
        self.connection = connection
        self.now = now
        self._parents = parents
        self._may_begin_again = may_begin_again
        self._speaker = speaker
        self._source = f"{_OUR_SOURCES}{speaker.service}"
        self.said: list[Encoded] = []
        self.outcomes: list[tuple[Place, Outcome]] = []
        self.counts: list[store.OutcomeCount] = []
        self.marked: list[Marked] = []
        self.surplus: list[str] = []
        self.made_ready: Any = None
        """What a subscription's `prepare` has made ready for its handlers."""

    def begin_again(self) -> None:
        """For who finds under locks another world than the one that was prepared for: raises
        `BeginAgain`, which a handler lets pass. Does nothing where this is the second try already:
        what is found then has to be done with.
        """
        if self._may_begin_again:
            raise BeginAgain

    def new_id(self) -> UUID:
        """A new UUID, version 7."""
        return self._speaker.ids()

    def say(
        self,
        data: MessageData,
        *,
        key: UUID | None,
        subject: UUID | None = None,
        because: Message[Any] | None = None,
        snapshot: bool = False,
    ) -> None:
        """Publish a fact once this transaction has committed.

        Facts of one key reach their topic in the order in which they are said, across all
        transactions. `snapshot`: the fact was said before, and is repeated for those who missed it.
        Raises `Unsayable` where the topic is not this service's or the fact is larger than its
        topic takes: a mistake in the code, found before anything is committed.
        """
        if data.topic not in self._speaker.topics:
            raise Unsayable(f"{self._speaker.service} may not say {data.message_type}")
        outgoing = Outgoing(
            data,
            key,
            subject,
            None if because is None else self._causation(because),
            snapshot,
            None if because is None else self._trace(because),
        )
        encoded = encode(outgoing, id=self.new_id(), source=self._source, now=self.now)
        if len(encoded.value) > _SURELY_FITS and _size(encoded) > MAX_MESSAGE_BYTES:
            raise Unsayable(f"a {data.message_type} is larger than its topic takes")
        self.said.append(encoded)

    def _trace(self, message: Message[Any]) -> str | None:
        own = self._parents.get(place_of(message.record)) if self._parents else None
        return own or message.envelope.traceparent

    def _causation(self, message: Message[Any]) -> str | None:
        """An id from upstream is text from upstream, which counts as personal."""
        envelope = message.envelope
        if envelope.source.startswith(_OUR_SOURCES) and _UUID.fullmatch(envelope.id):
            return envelope.id
        if self._speaker.reference is None:
            return None
        return self._speaker.reference(f"{envelope.source} {envelope.id}".encode()).hex()

    def decline(self, message: Message[Any]) -> None:
        """The message is valid and the domain's answer is no, given by a fact of its own."""
        self.outcomes.append((place_of(message.record), "refused"))

    def wait(self, message: Message[Any]) -> None:
        """The message is valid and kept until what it needs is known; see `settle`."""
        self.outcomes.append((place_of(message.record), "waiting"))

    def had(self, message: Message[Any]) -> None:
        """The message was handled before, as a handler found that knows its own."""
        self.outcomes.append((place_of(message.record), "duplicate"))

    def settle(self, topic: str, partition: int, outcome: Outcome, count: int = 1) -> None:
        """So many messages of a partition that were waiting have come to this outcome."""
        self.counts += [(topic, partition, "waiting", -count), (topic, partition, outcome, count)]

    def dead_letter(
        self, message: Message[Any], reason: str, detail: str, *, holds_key: bool = True
    ) -> None:
        """The message is at fault: nothing was written for it; the work for others stays. Later
        ones of its key wait, unless it is of somebody who has no say there.
        """
        self.marked.append(Marked(place_of(message.record), reason, detail, holds_key))

    def dropped(self, names: Iterable[str]) -> None:
        """Fields that came and were not kept; only names that are registered, never values.

        Fields outside of the contract (`Message.surplus`) are counted without this.
        """
        self.surplus.extend(names)

    def mark(self) -> tuple[int, ...]:
        """Where a savepoint begins: how much is collected of each kind."""
        return tuple(len(collected) for collected in self._collected())

    def undo_to(self, mark: tuple[int, ...]) -> None:
        """Forget what was collected since: the savepoint was rolled back."""
        for collected, length in zip(self._collected(), mark, strict=True):
            del collected[length:]

    def _collected(self) -> tuple[list[Any], ...]:
        return (self.said, self.outcomes, self.counts, self.marked, self.surplus)

    async def close(self) -> None:
        """Count outcomes and write to the outbox what was said; the last before the commit."""
        if self.counts or self.said:
            await store.conclude(self.connection, self.counts, self.said, self.now)


def _size(encoded: Encoded) -> int:
    size = len(encoded.value) + len(encoded.key or b"") + _RECORD_OVERHEAD
    for name, value in encoded.headers.items():
        size += len(name) + len(value) + _HEADER_OVERHEAD
    return size


class Begin(Protocol):
    """Begins a unit of work of one service, under the plan in force."""

    def __call__(self, *, now: datetime) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that commits at the end of the block, or rolls back with an exception."""
        ...


@asynccontextmanager
async def unit_of_work(
    pool: Pool,
    *,
    service: str,
    now: datetime,
    ids: Callable[[], UUID],
    topics: Collection[str] | None = None,
    plan: HeldPlan | None = None,
) -> AsyncIterator[Transaction]:
    """A transaction for commands and periodic work; what it says is written last, before commit.

    `topics`: those it may say to, if not the service's own. `plan`: the one that it works under.
    """
    speaker = Speaker(service, ids, topics_said_by(service) if topics is None else topics)
    async with pool.acquire() as connection, connection.transaction():
        if plan is not None:
            await plan.hold(connection)
        transaction = Transaction(connection, now=now, speaker=speaker)
        yield transaction
        await transaction.close()
