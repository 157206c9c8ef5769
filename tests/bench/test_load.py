from __future__ import annotations

from datetime import UTC, datetime

from bench.load import (
    Record,
    announcements,
    consents,
    people,
    registrations,
    spoilt,
    withdrawal,
)
from shared.contract.codec import decode
from shared.contract.inbound import WithdrawalRequested
from shared.contract.message import Message
from tests.support.records import MadeRecord

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def is_valid(record: Record) -> bool:
    topic, key, value, headers = record
    return isinstance(decode(MadeRecord(value, tuple(headers), key, topic)), Message)


def test_the_load_is_valid_and_of_the_size_that_is_said() -> None:
    submitted = list(registrations(0, 200, NOW))
    assert all(map(is_valid, [*announcements(NOW, ["A"], places=3), *submitted]))
    assert 350 <= sum(len(value) for _, _, value, _ in submitted) / 200 <= 450


def test_a_withdrawal_is_of_the_person_who_registered() -> None:
    ((serial, person),) = people(40, 1)
    topic, key, value, headers = withdrawal(serial, person, NOW)
    message = decode(MadeRecord(value, tuple(headers), key, topic))
    assert isinstance(message, Message)
    assert isinstance(message.data, WithdrawalRequested)
    assert consents(serial)
    ((_, _, submitted, _),) = registrations(40, 1, NOW)
    assert message.data.email.encode() in submitted


def test_two_in_a_hundred_are_bad_and_the_others_untouched() -> None:
    good = list(registrations(0, 1_000, NOW))
    mixed = list(spoilt(good, 50))
    changed = [number for number, record in enumerate(mixed) if record != good[number]]
    assert changed == list(range(0, 1_000, 50))
    # One way of the four is only found by the handler: its messages are valid by contract.
    assert sum(not is_valid(mixed[number]) for number in changed) == 15
