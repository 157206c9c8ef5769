"""Records to messages, and facts to records."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.contract.codec import decode, encode
from shared.contract.inbound import RegistrationSubmitted
from shared.contract.message import Envelope, Outgoing, PassedOver, Undecodable
from shared.contract.registration import (
    EventState,
    ParticipantRegistered,
    RegistrationCancelled,
    RegistrationRejected,
)
from tests.support import golden
from tests.support.facts import event_state
from tests.support.records import MadeRecord, accepted, binary, record_of, refused, structured

DATA: dict[str, Any] = {
    "registration_number": "K-1",
    "event_number": "EV-1",
    "answers": {"name": "Äijö"},
}


@pytest.mark.parametrize("make", [binary, structured])
def test_both_modes_give_the_same_message(make: Callable[..., MadeRecord]) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    record = make("RegistrationSubmitted", DATA, subject="s-1", causationid="c-1")
    if make is binary:
        record = MadeRecord(record.value, (*record.headers, ("traceparent", trace.encode())))
    else:
        record = structured(
            "RegistrationSubmitted", DATA, subject="s-1", causationid="c-1", traceparent=trace
        )
    message = accepted(record)
    assert message.data == RegistrationSubmitted.model_validate(DATA)
    assert message.envelope == Envelope(
        id="m-1",
        source="https://courses.example.org/steward",
        type="RegistrationSubmitted",
        version=1,
        subject="s-1",
        time=datetime(2026, 9, 1, 8, tzinfo=UTC),
        causation_id="c-1",
        traceparent=trace,
    )


def test_of_what_is_passed_over_the_body_is_not_read() -> None:
    broken = MadeRecord(b"{", binary("RegistrationSubmitted", DATA).headers)
    passed = decode(broken, lambda envelope: envelope.type == "RegistrationSubmitted")
    assert isinstance(passed, PassedOver)
    assert (passed.record, passed.envelope.type) == (broken, "RegistrationSubmitted")
    assert isinstance(decode(broken, lambda _: False), Undecodable)
    assert isinstance(decode(broken, None), Undecodable)


def test_what_no_type_says_is_not_asked_about() -> None:
    def asked(_: Envelope) -> bool:
        raise AssertionError

    for record in (binary("Nothing", {}), binary("RegistrationSubmitted", {}, id="")):
        assert isinstance(decode(record, asked), Undecodable)


FEES = [(None, True), (0, True), (-100, True), (4990, False)]


@pytest.mark.parametrize(("minor_units", "free"), FEES)
def test_the_envelope_of_a_registration_tells_whether_it_is_free(
    minor_units: int | None, *, free: bool
) -> None:
    example = golden.read("ParticipantRegistered", 1)["examples"][0]
    fee = None if minor_units is None else {"minor_units": minor_units, "currency": "EUR"}
    fact = ParticipantRegistered.model_validate(
        {**example, "event": {**example["event"], "fee": fee}}
    )
    message = accepted(record_of(fact))
    assert message.envelope.no_fee is free
    assert message.data == fact


@pytest.mark.parametrize("make", [binary, structured])
def test_an_upstreams_own_attribute_of_that_name_is_no_fault(
    make: Callable[..., MadeRecord],
) -> None:
    for value in ("true", "perhaps"):
        message = accepted(make("RegistrationSubmitted", DATA, nofee=value))
        assert message.envelope.no_fee == (value == "true")


def test_structured_data_may_be_base64() -> None:
    encoded = base64.b64encode(orjson.dumps(DATA)).decode()
    record = structured("RegistrationSubmitted", None, data_base64=encoded)
    assert accepted(record).data == RegistrationSubmitted.model_validate(DATA)
    broken = structured("RegistrationSubmitted", None, data_base64="*")
    assert refused(broken) == ("envelope_invalid", "data_base64 is no base64")
    assert refused(structured("RegistrationSubmitted", None, data_base64=[1]))[0] == (
        "envelope_invalid"
    )


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00Z", "1970-01-01T02:00:00+02:00", "2000-01-01T00:00:12Z"]
)
@pytest.mark.parametrize("mode", [binary, structured])
def test_a_time_of_a_clock_that_was_never_set_is_none(
    mode: Callable[..., MadeRecord], time: str
) -> None:
    message = accepted(mode("RegistrationSubmitted", DATA, time=time))
    assert message.own_time is None
    assert message.envelope.time == datetime.fromisoformat(time)  # entries of the log stay as said


def test_a_time_with_any_offset_becomes_utc() -> None:
    message = accepted(binary("RegistrationSubmitted", DATA, time="2026-09-01T11:00:00.5+03:00"))
    assert message.envelope.time == datetime(2026, 9, 1, 8, 0, 0, 500_000, tzinfo=UTC)
    assert message.envelope.time.tzinfo is UTC


def test_a_broken_trace_is_left_out_and_the_message_is_taken() -> None:
    record = structured("RegistrationSubmitted", DATA, traceparent="Äijö")
    assert accepted(record).envelope.traceparent is None


def test_surplus_fields_are_dropped_and_named_only_where_the_registry_has_the_name() -> None:
    message = accepted(
        binary("RegistrationSubmitted", {**DATA, "email": "a@example.org", "Äijö": 1, "äiti": 2})
    )
    assert sorted(message.surplus) == ["email", "unregistered", "unregistered"]
    assert message.data == RegistrationSubmitted.model_validate(DATA)


def test_headers_that_are_not_read_may_hold_any_bytes() -> None:
    record = binary("RegistrationSubmitted", DATA)
    strange: Any = (("x", b"\xff"), ("ce_mine", b"\xfe"), ("reply_to", None), ("ce_subject", None))
    assert accepted(MadeRecord(record.value, record.headers + strange)).envelope.subject is None


def test_ours_go_out_in_binary_mode_with_every_attribute() -> None:
    subject, event = uuid4(), uuid4()
    fact = RegistrationRejected(
        reason="event_full",
        request="RegistrationSubmitted",
        source="website",
        rejected_at=datetime(2026, 9, 1, tzinfo=UTC),
    )
    encoded = encode(
        Outgoing(fact, event, subject, "c-1", snapshot=True, traceparent="x"),
        id=UUID(int=7),
        source="/steward/registration",
        now=datetime(2026, 9, 1, 8, tzinfo=UTC),
    )
    assert encoded.topic == "registration"
    assert encoded.key == str(event).encode()
    assert encoded.headers == {
        "ce_specversion": "1.0",
        "ce_id": "00000000-0000-0000-0000-000000000007",
        "ce_source": "/steward/registration",
        "ce_type": "RegistrationRejected",
        "ce_time": "2026-09-01T08:00:00+00:00",
        "ce_dataschema": "steward:RegistrationRejected/1",
        "ce_subject": str(subject),
        "ce_causationid": "c-1",
        "ce_snapshot": "true",
        "traceparent": "x",
        "content-type": "application/json",
    }


def cancelled(event: dict[str, object]) -> MadeRecord:
    ids = {"registration_id": str(uuid4()), "subject_id": str(uuid4())}
    data = {**ids, "event": event, "cancelled_at": "2026-11-20T12:00:00Z", "by": "person"}
    return binary("RegistrationCancelled", json.dumps(data).encode())  # however deep it is nested


def event_of(record: MadeRecord) -> EventState:
    data = accepted(record).data
    assert isinstance(data, RegistrationCancelled)
    return data.event


def test_facts_that_carry_the_same_event_are_given_one_object() -> None:
    event = event_state().model_dump(mode="json")
    one, other = (event_of(cancelled(event)) for _ in range(2))
    assert one is other
    assert one == EventState.model_validate(event)
    assert event_of(cancelled({**event, "version": 2})).version == 2


def test_what_is_wrong_with_a_shared_event_is_told_by_its_place() -> None:
    event = event_state().model_dump(mode="json")
    nested: object = "deep"
    for _ in range(400):
        nested = [nested]
    wrong = [
        {**event, "version": "no"},
        {**event, "unit": None},
        {**event, "title": {"en": nested}},
    ]
    for _ in range(2):  # also the second time
        told = [decode(cancelled(one)) for one in wrong]
        assert [one.detail.split()[0] for one in told if isinstance(one, Undecodable)] == [
            "event.version",
            "event.unit",
            "event.title.*",
        ]
