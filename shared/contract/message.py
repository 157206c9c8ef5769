"""A message as handlers meet it, and a fact as they say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from shared.contract.registry import MessageData
from shared.contract.value_type import value_type

_FIRST: Final = datetime(2001, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2999, 12, 31, tzinfo=UTC)
"""Clocks that were never set begin in 1970, 1980 or 2000, and programs write the year 1 or 9999
where they know no time. A withdrawal of then would take back nothing that was ever agreed to, and
whoever registers be too late.
"""

D_co = TypeVar("D_co", bound=MessageData, covariant=True)


class Record(Protocol):
    """One Kafka record, as aiokafka's `ConsumerRecord` has it. `timestamp` is in milliseconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes | None], ...]: ...


class Envelope(NamedTuple):
    """The context attributes of a CloudEvent (CloudEvents 1.0, section 3) that Steward reads.

    A tuple, since a frozen dataclass takes three times as long to make.
    """

    id: str
    source: str
    type: str
    version: int
    subject: str | None = None
    time: datetime | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    snapshot: bool = False
    no_fee: bool = False


@value_type
class Message(Generic[D_co]):
    """A decoded, valid message: where it stood, what its envelope says, and its data."""

    record: Record
    envelope: Envelope
    data: D_co
    surplus: tuple[str, ...] = ()
    """Top-level fields of the data that the contract does not know and that were dropped: by name
    where a contract has a field of that name, else `unregistered`, once per field."""

    @property
    def own_time(self) -> datetime | None:
        """When it was said, as its source has it; None also where nobody can have known that. The
        envelope keeps it as it was written.
        """
        time = self.envelope.time
        return time if time is not None and _FIRST <= time <= _LAST else None

    @property
    def received_at(self) -> datetime:
        """When the broker appended it, in UTC (topics use LogAppendTime)."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)


def moment_of(said_at: datetime | None, received_at: datetime) -> datetime:
    """When something was said: what the source says, but never later than it reached us.

    A source whose clock runs ahead could else give a consent that no withdrawal overtakes, and
    bring data past an erasure that came after it.
    """
    return received_at if said_at is None else min(said_at, received_at)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that is no valid message: why, in words that name fields and never values."""

    record: Record
    reason: str
    detail: str
    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A message of which its envelope says that it is of no concern here: its body is unread."""

    record: Record
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one message cannot be handled: a reason code, and a sentence that names no value."""

    reason: str
    detail: str


class Outgoing(NamedTuple):
    """A fact to be published once the transaction that says it has committed."""

    data: MessageData
    key: UUID | None
    subject: UUID | None = None
    causation_id: str | None = None
    snapshot: bool = False
    traceparent: str | None = None
