"""What to do with the records of one poll, decided without doing any of it. All of it is pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any, TypeVar

from shared.contract.codec import Decoded, PassesOver
from shared.contract.message import Envelope, Fault, Message, PassedOver, Record, Undecodable
from shared.messaging.places import Key, Partition, key_of, partition_of
from shared.messaging.subscription import Handler, Subscription

Decode = Callable[[Record, PassesOver | None], Decoded]

KEEP_DAYS = 40
"""So long the inbox remembers; longer than any topic but `audit` keeps a message."""

_DIGEST_BYTES = 16
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_UNCLAIMED = (date.min, b"", b"")

T = TypeVar("T")


@dataclass(slots=True)  # not frozen: there is one for every message, and freezing takes time
class Taken:
    """One record as it was taken. `fault` is what makes it a dead letter whatever else happens.

    `type` is the name of a type that its topic carries, or None; `handler` is None for what is not
    to be handled; `waits` says whether it waits behind an earlier message of its key that failed.
    `identity` is empty where the inbox is not asked: the handler knows whether it was there before,
    or there is nothing to do about it.
    """

    record: Record
    envelope: Envelope | None
    message: Message[Any] | None
    type: str | None
    fault: Fault | None
    handler: Handler | None
    waits: bool
    day: date
    identity: bytes
    body: bytes

    @property
    def ignored(self) -> bool:
        return self.handler is None and self.fault is None


@dataclass(frozen=True, slots=True)
class Group:
    """Messages for one call of one handler: no key twice, in the order of the log."""

    handler: Handler
    taken: Sequence[Taken]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one poll, those of a partition together and in order, and where they begin.

    `begins` is the stored position of each partition. It can be before the first record: offsets
    are not without gaps. `plan` is the number of the plan under which the records were judged.
    """

    taken: Sequence[Taken]
    begins: Mapping[Partition, int]
    plan: int | None = None

    def __len__(self) -> int:
        return len(self.taken)

    @property
    def ends(self) -> dict[Partition, int]:
        """The position of each partition once this batch is done."""
        ends = {}
        for one in self.taken:
            ends[partition_of(one.record)] = one.record.offset + 1
        return ends

    def split(self, most: int) -> Iterator[Batch]:
        """Batches of at most so many records, which, done one after the other, are this one."""
        begins = dict(self.begins)
        for first in range(0, len(self.taken), most):
            taken = self.taken[first : first + most]
            touched = {partition_of(one.record) for one in taken}
            here = {partition: begins[partition] for partition in touched}
            part = Batch(taken, here, self.plan)
            begins.update(part.ends)
            yield part


class Digests:
    """Keyed digests (BLAKE2b, RFC 7693, 128 bits) of what upstream systems call their messages.

    The key is prepared once: it would take as long as a message does.
    """

    def __init__(self, inbox_key: bytes) -> None:
        self._prepared = blake2b(key=inbox_key, digest_size=_DIGEST_BYTES)

    def of_identity(self, source: str, identity: str) -> bytes:
        # With the length before it, source and id cannot be cut in two places.
        return self.of_body(f"{len(source)} {source} {identity}".encode())

    def of_place(self, record: Record) -> bytes:
        # No source is 0 characters long, so this is nobody's identity.
        place = f"0 {record.topic} {record.partition} {record.offset}"
        return self.of_body(place.encode())

    def of_body(self, body: bytes) -> bytes:
        digest = self._prepared.copy()
        digest.update(body)
        return digest.digest()


def decode_all(
    records: Sequence[Record], decode: Decode, subscriptions: Mapping[str, Subscription]
) -> list[Decoded]:
    """Each record decoded, in order; a decoder that fails makes its record undecodable."""
    passes_over = {topic: one.passes_over for topic, one in subscriptions.items()}
    try:
        return [decode(record, passes_over[record.topic]) for record in records]
    except Exception:  # noqa: BLE001 - nothing that is sent may stop a service
        return [_decode_guarded(one, decode, passes_over[one.topic]) for one in records]


def _decode_guarded(record: Record, decode: Decode, passes_over: PassesOver | None) -> Decoded:
    try:
        return decode(record, passes_over)
    except Exception as error:  # noqa: BLE001 - as above
        return Undecodable(record, "decoder_failed", type(error).__name__)


def sort_out(
    decoded: Iterable[Decoded], subscriptions: Mapping[str, Subscription], digests: Digests
) -> list[Taken]:
    """Say of each record what it is to this service."""
    return [_sort(one, subscriptions[one.record.topic], digests) for one in decoded]


def _sort(decoded: Decoded, subscription: Subscription, digests: Digests) -> Taken:
    record, envelope = decoded.record, decoded.envelope
    if isinstance(decoded, Undecodable):
        name = _known_type(envelope, subscription)
        message, handler, waits, known = None, None, False, False
        fault: Fault | None = Fault(decoded.reason, decoded.detail)
    elif isinstance(decoded, PassedOver):
        name = decoded.envelope.type  # one that the registry has, or it would be undecodable
        message, handler, waits, known, fault = None, None, False, False, None
    else:
        name = decoded.data.message_type
        message = decoded
        handler, fault = _receive(decoded, subscription)
        waits = handler is not None and _waits(decoded, subscription)
        known = type(decoded.data) in subscription.knows_its_own
    day, identity, body = _UNCLAIMED
    if fault is not None or (handler is not None and not known):
        day, identity = _identify(record, envelope, digests)
        body = digests.of_body(record.value or b"")
    return Taken(record, envelope, message, name, fault, handler, waits, day, identity, body)


def _receive(
    message: Message[Any], subscription: Subscription
) -> tuple[Handler | None, Fault | None]:
    """What handles the message; None for what is not needed, or is at fault."""
    kind = type(message.data)
    if kind in subscription.ignored or not _concerns(message, subscription):
        return None, None
    handler = subscription.handlers.get(kind)
    if handler is None:
        return None, Fault("type_unexpected", "type is one that this topic does not carry")
    fault = _admit(message, subscription)
    return (handler, None) if fault is None else (None, fault)


def _admit(message: Message[Any], subscription: Subscription) -> Fault | None:
    try:
        return None if subscription.admit is None else subscription.admit(message)
    except Exception as error:  # noqa: BLE001 - nothing that is sent may stop a service
        return Fault("admission_failed", type(error).__name__)


def _concerns(message: Message[Any], subscription: Subscription) -> bool:
    try:
        return subscription.concerns is None or subscription.concerns(message)
    except Exception:  # noqa: BLE001 - as above; what is wrong with it, its handler will find
        return True


def _waits(message: Message[Any], subscription: Subscription) -> bool:
    if type(message.data) in subscription.never_waits:
        return False
    try:
        return subscription.waits is None or subscription.waits(message)
    except Exception:  # noqa: BLE001 - as above
        return True


def _known_type(envelope: Envelope | None, subscription: Subscription) -> str | None:
    """The type's name, where it is more than text from upstream."""
    if envelope is None:
        return None
    known = {kind.message_type for kind in (*subscription.handlers, *subscription.ignored)}
    return envelope.type if envelope.type in known else None


def _identify(record: Record, envelope: Envelope | None, digests: Digests) -> tuple[date, bytes]:
    """What a producer that sends twice repeats; see docs/adr/0002 for the day."""
    taken_on = _EPOCH + record.timestamp // _DAY_MS
    if envelope is None:
        return date.fromordinal(taken_on), digests.of_place(record)
    identity = digests.of_identity(envelope.source, envelope.id)
    if envelope.time is not None:
        said = envelope.time.date()
        if taken_on - KEEP_DAYS <= said.toordinal() <= taken_on + 1:
            return said, identity
    return date.fromordinal(taken_on), identity


def remaining(
    taken: Sequence[Taken], positions: Mapping[Partition, int], most: int
) -> Batch | None:
    """At most so many of the records that stand at or beyond the positions; None: there is none."""
    left = [one for one in taken if one.record.offset >= positions[partition_of(one.record)]][:most]
    touched = {partition_of(one.record) for one in left}
    return Batch(left, {one: positions[one] for one in touched}) if left else None


def first_copies(taken: Iterable[Taken]) -> dict[bytes, Taken]:
    """Of each identity the record that stands first."""
    first: dict[bytes, Taken] = {}
    for one in taken:
        first.setdefault(one.identity, one)
    return first


def waves(taken: Iterable[Taken], order: Mapping[Handler, int]) -> list[list[Group]]:
    """Cut what is to be handled so that messages of one key keep their order.

    In a wave each key appears once; a wave is grouped by handler, and `order` says which handler
    comes first. Messages without a key have no order to keep among handlers: they are all in the
    first wave.
    """
    cut: list[dict[Handler, list[Taken]]] = []
    seen: dict[Key, int] = {}
    for one in taken:
        key = key_of(one.record)
        number = 0
        if key is not None:
            number = seen.get(key, 0)
            seen[key] = number + 1
        if number == len(cut):
            cut.append({})
        assert one.handler is not None  # noqa: S101 - what has none is never handed to this
        cut[number].setdefault(one.handler, []).append(one)
    return [
        [Group(handler, wave[handler]) for handler in sorted(wave, key=order.__getitem__)]
        for wave in cut
    ]


def handler_order(subscriptions: Iterable[Subscription]) -> dict[Handler, int]:
    """The order of handlers inside a wave: of topics, then of types, as they are written down."""
    order: dict[Handler, int] = {}
    for subscription in subscriptions:
        for handler in subscription.handlers.values():
            order.setdefault(handler, len(order))
    return order


def halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """The first and the second half of two or more."""
    middle = len(items) // 2
    return items[:middle], items[middle:]
