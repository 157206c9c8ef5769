"""Decisions of messaging that need no server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.contract.codec import PassesOver
from shared.contract.message import Envelope, Fault, Message, PassedOver, Record, Undecodable
from shared.messaging.kept_records import KeptRecord
from shared.messaging.partitioning import partition_of_key
from shared.messaging.places import key_of, partition_of, place_of
from shared.messaging.planning import (
    KEEP_DAYS,
    Batch,
    Digests,
    Taken,
    decode_all,
    handler_order,
    sort_out,
    waves,
)
from shared.messaging.subscription import Handler, Subscription
from shared.messaging.unit_of_work import Transaction
from tests.support.messaging import Types

TYPES = Types.on("inbound", "facts")
DIGESTS = Digests(b"k" * 32)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def first(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
    """A handler."""


async def second(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
    """Another."""


ORDER: dict[Handler, int] = {first: 0, second: 1}


def record(offset: int = 0, key: bytes | None = b"k", partition: int = 0) -> KeptRecord:
    milliseconds = int(NOON.timestamp() * 1000)
    return KeptRecord("inbound", partition, offset, milliseconds, key, b"{}", ())


def message(at: datetime | None = None, offset: int = 0) -> Message[Any]:
    envelope = Envelope("1", "https://tests.example.org/", "Told", 1, time=at)
    return Message(record(offset), envelope, TYPES.told.model_validate({"number": 1}))


def taken(offset: int, key: bytes | None, handler: Handler = first, partition: int = 0) -> Taken:
    made = record(offset, key, partition)
    return Taken(made, None, None, "Told", None, handler, True, NOON.date(), b"", b"")


some_taken = st.lists(
    st.tuples(st.sampled_from([None, b"a", b"b", b"c"]), st.sampled_from([first, second])),
    max_size=40,
).map(lambda drawn: [taken(n, key, handler) for n, (key, handler) in enumerate(drawn)])


@given(some_taken)
def test_waves_hold_every_message_once(batch: list[Taken]) -> None:
    cut = [one for wave in waves(batch, ORDER) for group in wave for one in group.taken]
    assert sorted(one.record.offset for one in cut) == list(range(len(batch)))


@given(some_taken)
def test_no_key_is_twice_in_a_wave(batch: list[Taken]) -> None:
    for wave in waves(batch, ORDER):
        keys = [
            key for group in wave for one in group.taken if (key := key_of(one.record)) is not None
        ]
        assert len(keys) == len(set(keys))


@given(some_taken)
def test_messages_of_a_key_come_in_the_order_of_the_log(batch: list[Taken]) -> None:
    seen: dict[bytes | None, list[int]] = {}
    for wave in waves(batch, ORDER):
        for group in wave:
            for one in group.taken:
                seen.setdefault(one.record.key, []).append(one.record.offset)
    assert all(offsets == sorted(offsets) for key, offsets in seen.items() if key is not None)


@given(some_taken)
def test_in_a_wave_handlers_are_called_once_each_and_in_their_order(batch: list[Taken]) -> None:
    for wave in waves(batch, ORDER):
        called = [ORDER[group.handler] for group in wave]
        assert called == sorted(set(called))


def test_types_with_one_handler_come_together_in_the_order_of_the_log() -> None:
    subscription = Subscription("inbound", {TYPES.told: first, TYPES.urgent: first})
    assert handler_order([subscription]) == {first: 0}
    ((group,),) = waves([taken(n, None) for n in range(3)], {first: 0})
    assert [one.record.offset for one in group.taken] == [0, 1, 2]


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(0, 5),
)
def test_the_parts_of_a_batch_done_one_after_the_other_are_the_batch(
    sizes: list[int], most: int, gap: int
) -> None:
    records = [
        taken(gap + offset, b"k", partition=number)
        for number, size in enumerate(sizes)
        for offset in range(size)
    ]
    begins = {partition_of(one.record): 0 for one in records}
    batch = Batch(records, begins)
    positions = dict(begins)
    done = []
    for part in batch.split(most):
        assert len(part) <= most
        assert part.begins == {one: positions[one] for one in part.ends}
        positions.update(part.ends)
        done += [place_of(one.record) for one in part.taken]
    assert done == [place_of(one.record) for one in records]
    assert positions == {**begins, **batch.ends}


def test_a_message_sent_again_days_later_meets_its_first_copy() -> None:
    subscriptions = {"inbound": Subscription("inbound", {TYPES.told: first})}
    said = NOON - timedelta(days=3)
    early, late = sort_out([message(said), message(said, offset=9)], subscriptions, DIGESTS)
    assert (early.day, early.identity) == (late.day, late.identity)
    assert early.day == said.date()


def test_a_time_that_the_inbox_does_not_keep_counts_as_the_day_of_arrival() -> None:
    subscriptions = {"inbound": Subscription("inbound", {TYPES.told: first})}
    kept = [NOON - timedelta(days=KEEP_DAYS), NOON + timedelta(days=1)]
    not_kept = [NOON - timedelta(days=KEEP_DAYS + 1), NOON + timedelta(days=2), None]
    messages = [message(at) for at in (*kept, *not_kept)]
    days = [one.day for one in sort_out(messages, subscriptions, DIGESTS)]
    assert days == [one.date() for one in kept] + [date(2026, 11, 20)] * 3


def test_digests_depend_on_the_key_and_on_where_source_ends() -> None:
    digest = DIGESTS.of_identity("ab", "c")
    assert len({digest, DIGESTS.of_identity("a", "bc"), Digests(b"x").of_identity("ab", "c")}) == 3
    assert Digests(b"x").of_body(b"y") == blake2b(b"y", key=b"x", digest_size=16).digest()


def test_what_its_handler_knows_has_no_identity_for_the_inbox_and_what_has_none_does() -> None:
    own = Subscription(
        "inbound",
        {TYPES.told: first},
        admit=lambda one: None if one.record.offset else Fault("no", "never"),
        knows_its_own=frozenset({TYPES.told}),
    )
    refused, known = sort_out([message(), message(offset=9)], {"inbound": own}, DIGESTS)
    assert (known.handler, known.identity, known.body) == (first, b"", b"")
    assert refused.handler is None
    assert refused.identity


def test_what_admission_refuses_is_at_fault() -> None:
    refuse = Subscription("inbound", {TYPES.told: first}, admit=lambda _: Fault("no", "never"))
    (one,) = sort_out([message()], {"inbound": refuse}, DIGESTS)
    assert one.fault == Fault("no", "never")
    assert one.handler is None


def test_an_admission_that_fails_stops_nothing() -> None:
    def broken(_: Message[Any]) -> Fault | None:
        raise LookupError("text from upstream")

    subscription = Subscription("inbound", {TYPES.told: first}, admit=broken)
    (one,) = sort_out([message()], {"inbound": subscription}, DIGESTS)
    assert one.fault == Fault("admission_failed", "LookupError")


def test_what_does_not_concern_the_service_is_ignored() -> None:
    subscription = Subscription("inbound", {TYPES.told: first}, concerns=lambda _: False)
    (one,) = sort_out([message()], {"inbound": subscription}, DIGESTS)
    assert one.ignored


def test_the_inbox_is_asked_for_what_is_handled_or_at_fault_alone() -> None:
    broken = Fault("broken", "x")
    wanted = Subscription("inbound", {TYPES.told: first})
    unwanted = Subscription("inbound", {TYPES.told: first}, concerns=lambda _: False)
    at_fault = Subscription("inbound", {TYPES.told: first}, admit=lambda _: broken)
    asked = [
        bool(one.identity)
        for subscription in (wanted, unwanted, at_fault)
        for one in sort_out([message()], {"inbound": subscription}, DIGESTS)
    ]
    assert asked == [True, False, True]


def test_what_is_passed_over_is_ignored_by_its_type_and_the_inbox_is_not_asked() -> None:
    def passes_over(envelope: Envelope) -> bool:
        return envelope.no_fee

    def decode(given: Record, passed: PassesOver | None) -> PassedOver:
        assert passed is passes_over
        return PassedOver(given, Envelope("1", "s", "Told", 1, no_fee=True))

    hears = {"inbound": Subscription("inbound", {TYPES.told: first}, passes_over=passes_over)}
    (one,) = sort_out(decode_all([record(0)], decode, hears), hears, DIGESTS)
    assert one.ignored
    assert (one.type, one.message, one.identity) == ("Told", None, b"")


def test_what_cannot_be_seen_to_be_no_concern_is_handled() -> None:
    def broken(_: Message[Any]) -> bool:
        raise LookupError("text from upstream")

    subscription = Subscription("inbound", {TYPES.told: first}, concerns=broken)
    (one,) = sort_out([message()], {"inbound": subscription}, DIGESTS)
    assert one.handler is first


def test_whether_a_message_waits_may_be_seen_by_itself_and_else_it_does() -> None:
    def broken(_: Message[Any]) -> bool:
        raise LookupError("text from upstream")

    waits = []
    for seen in (lambda _: True, lambda _: False, broken):
        subscription = Subscription("inbound", {TYPES.told: first}, waits=seen)
        (one,) = sort_out([message()], {"inbound": subscription}, DIGESTS)
        waits.append(one.waits)
    assert waits == [True, False, True]


def test_a_decoder_that_fails_makes_one_record_undecodable() -> None:
    def decode(given: Record, _: PassesOver | None) -> Message[Any]:
        if given.offset == 1:
            raise RecursionError
        return message(offset=given.offset)

    hears = {"inbound": Subscription("inbound", {TYPES.told: first})}
    decoded = decode_all([record(n) for n in range(3)], decode, hears)
    assert [isinstance(one, Undecodable) for one in decoded] == [False, True, False]


def test_the_type_of_an_undecodable_message_is_named_only_where_its_topic_has_it() -> None:
    subscriptions = {"inbound": Subscription("inbound", {TYPES.told: first})}
    envelopes = [
        Envelope("1", "s", "Told", 1),
        Envelope("2", "s", "maija@example.org", 1),
    ]
    bad = [Undecodable(record(), "field_invalid", "number", one) for one in envelopes]
    assert [one.type for one in sort_out(bad, subscriptions, DIGESTS)] == ["Told", None]


def test_keys_go_where_librdkafkas_consistent_partitioner_puts_them() -> None:
    # The check value that CRC-32 (ISO 3309) is published with.
    assert partition_of_key(b"123456789", 1 << 32) == 0xCBF43926
    assert partition_of_key(b"123456789", 8) == 0xCBF43926 % 8
    assert partition_of_key(None, 8) == 0
