"""What an entry is, and what entries say of a person."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.entries import (
    ENTRY_TYPES,
    HANDED_OVER,
    REFUSED,
    LogEntry,
    NoEntryError,
    StoredEntry,
    entry_bytes,
    log_entry,
    moment,
    news_of,
    published,
    refuse_foreign,
)
from services.audit.domain.history import HANDED, history
from services.audit.domain.notes import SigningKey
from services.audit.domain.tiles import MOST_ENTRY_BYTES
from services.audit.handlers.append import Appender
from services.audit.handlers.guard import Guard
from services.audit.store.folder import TileFolder
from services.audit.store.published import Published
from services.audit.subscribers import subscriptions
from shared.contract import audit
from shared.contract.codec import decode
from shared.contract.message import Message, Record
from shared.contract.registry import MessageData
from shared.contract.types import DisclosureId, SubjectId
from tests.support import golden
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts, with_header
from tests.support.log import empty_topic
from tests.support.records import MadeRecord, structured

SIGNING = SigningKey("example.org/audit", bytes(32))
REGISTRATION = "/steward/registration"


def decoded(record: Record) -> Message[Any]:
    message = decode(record)
    assert isinstance(message, Message), message
    return message


def test_every_type_of_the_topic_is_handled_by_one_handler() -> None:
    folder = TileFolder(Path("nowhere"))
    guard = Guard(Published(folder, SIGNING.verifier(), empty_topic))
    (subscription,) = subscriptions(Appender(SIGNING, guard))
    assert set(subscription.handlers) == set(ENTRY_TYPES) > {audit.DataDisclosed}
    assert len(set(subscription.handlers.values())) == 1


def test_whatever_hands_data_over_is_told_to_the_person_and_counted() -> None:
    assert set(HANDED) == {*HANDED_OVER, REFUSED}


def test_the_same_record_gives_the_same_bytes_on_one_line() -> None:
    entry, entry_id = make_entry(audit.DataDisclosed), uuid4()
    first, second = (Facts().message(entry, id=entry_id) for _ in range(2))
    assert entry_bytes(first) == entry_bytes(second)
    assert b"\n" not in entry_bytes(first)
    event = orjson.loads(entry_bytes(first))
    assert list(event) == sorted(event)
    assert event["id"] == str(entry_id)
    assert event["data"]["recipient"] == "caterer"


@given(
    cause=st.none() | st.text(max_size=20),
    subject=st.none() | st.text(max_size=20),
    time=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_an_entry_is_the_json_of_its_cloudevent_with_sorted_keys(
    cause: str | None, subject: str | None, time: datetime | None
) -> None:
    message = Facts().message(make_entry(audit.DataDisclosed))
    envelope = message.envelope._replace(causation_id=cause, subject=subject, time=time)
    event = {
        "causationid": cause,
        "data": orjson.Fragment(message.record.value or b""),
        "datacontenttype": "application/json",
        "dataschema": "steward:DataDisclosed/1",
        "id": envelope.id,
        "source": REGISTRATION,
        "specversion": "1.0",
        "subject": subject,
        "time": time and time.isoformat().replace("+00:00", "Z"),
        "type": "DataDisclosed",
    }
    given_attributes = {name: value for name, value in event.items() if value is not None}
    expected = orjson.dumps(given_attributes, option=orjson.OPT_SORT_KEYS)
    assert entry_bytes(Message(message.record, envelope, message.data)) == expected


@pytest.mark.parametrize("type_", ENTRY_TYPES, ids=lambda type_: type_.__name__)
def test_the_keys_of_every_type_are_sorted_through_and_through(
    type_: type[MessageData],
) -> None:
    for example in golden.read(type_.message_type, type_.version)["examples"]:
        body = entry_bytes(Facts().message(type_.model_validate(example)))
        assert body == orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)


def test_a_field_of_a_later_release_stays_in_the_entry() -> None:
    record = Facts().message(make_entry(audit.DataDisclosed)).record
    body = orjson.dumps({**orjson.loads(record.value or b""), "invented_later": 1})
    later = decoded(MadeRecord(body, record.headers, None, audit.TOPIC))
    assert orjson.loads(entry_bytes(later))["data"]["invented_later"] == 1


@given(actor=st.text(max_size=40), subject=st.none() | st.text('\\"{}:,data', max_size=60))
def test_what_is_replayed_is_byte_for_byte_what_was_published(
    actor: str, subject: str | None
) -> None:
    message = Facts().message(
        make_entry(audit.DataDisclosed, actor=actor + '","datacontenttype":"x","data":')
    )
    if subject is not None:
        with contextlib.suppress(AssertionError):  # where it is no attribute at all
            message = with_header(message, "ce_subject", subject.encode())
    again = published(StoredEntry(0, entry_bytes(message)))
    assert again.data == message.record.value
    assert again.attributes["id"] == message.envelope.id
    assert again.attributes["source"] == message.envelope.source
    assert again.attributes["type"] == "DataDisclosed"


def test_fields_with_the_names_of_attributes_are_replayed_too() -> None:
    record = Facts().message(make_entry(audit.DataDisclosed)).record
    fields = {"data": 1, **orjson.loads(record.value or b""), "datacontenttype": "x", "id": 2}
    body = orjson.dumps(fields)
    message = decoded(MadeRecord(body, record.headers, None, audit.TOPIC))
    assert published(StoredEntry(0, entry_bytes(message))).data == body


def test_an_entry_in_structured_mode_is_an_entry_too() -> None:
    data = make_entry(audit.DataDisclosed).model_dump(mode="json")
    record = structured("DataDisclosed", data, id=str(uuid4()), source=REGISTRATION)
    message = decoded(MadeRecord(record.value, record.headers, None, audit.TOPIC))
    assert orjson.loads(entry_bytes(message))["data"] == data


def test_an_entry_of_many_lines_becomes_one() -> None:
    record = Facts().message(make_entry(audit.DataDisclosed)).record
    spread = orjson.dumps(orjson.loads(record.value or b""), option=orjson.OPT_INDENT_2)
    message = decoded(MadeRecord(spread, record.headers, None, audit.TOPIC))
    assert b"\n" not in entry_bytes(message)


def test_an_id_that_is_no_uuid_makes_no_entry() -> None:
    message = Facts().message(make_entry(audit.DataDisclosed))
    message = with_header(message, "ce_id", b"maija@example.org")
    with pytest.raises(NoEntryError) as refused:
        log_entry(message)
    assert "maija" not in str(refused.value)


def test_an_entry_that_no_bundle_holds_makes_none() -> None:
    fits = make_entry(audit.DataDisclosed, actor="x" * (MOST_ENTRY_BYTES - 2_000))
    assert log_entry(Facts().message(fits)).body
    too_long = make_entry(audit.DataDisclosed, actor="x" * MOST_ENTRY_BYTES)
    with pytest.raises(NoEntryError) as refused:
        log_entry(Facts().message(too_long))
    assert (refused.value.reason, "65,535" in str(refused.value)) == ("entry_too_large", True)


def test_an_entry_is_said_by_the_service_that_it_names() -> None:
    facts = Facts()
    assert refuse_foreign(facts.message(make_entry(audit.DataDisclosed))) is None
    assert (
        refuse_foreign(facts.message(make_entry(audit.DataDisclosed), source="/steward/consent"))
        is not None
    )
    assert (
        refuse_foreign(
            facts.message(make_entry(audit.DataDisclosed), source="https://evil.example")
        )
        is not None
    )


def entry(entry_id: UUID, body: bytes) -> LogEntry:
    return LogEntry(entry_id, 0, "", NOON, "", None, None, None, None, None, (), body)


def test_the_first_of_an_id_is_the_entry_for_ever() -> None:
    known, one = uuid4(), uuid4()
    given_entries = [
        entry(known, b"the same"),
        entry(known, b"another"),
        entry(one, b"first"),
        entry(one, b"first"),
        entry(one, b"second"),
    ]
    found = news_of(given_entries, {known: b"the same"})
    assert found == ["again", "contradicts", "fresh", "again", "contradicts"]


def test_a_history_says_what_became_of_each_disclosure() -> None:
    facts = Facts()
    subject = SubjectId(uuid4())
    names = ("delivered", "failed", "open", "refused", "broken")
    ids = {name: DisclosureId(uuid4()) for name in names}
    entries = [
        make_entry(audit.DataDisclosed, subject_id=subject, disclosure_id=ids["delivered"]),
        make_entry(audit.DataDisclosed, subject_id=subject, disclosure_id=ids["failed"]),
        make_entry(audit.DataDisclosed, subject_id=subject, disclosure_id=ids["open"]),
        make_entry(audit.DisclosureRefused, subject_id=subject, disclosure_id=ids["refused"]),
        make_entry(audit.DataDisclosed, subject_id=subject, disclosure_id=ids["broken"]),
    ]
    outcomes = [
        make_entry(audit.DisclosureDelivered, disclosure_id=ids["delivered"]),
        make_entry(audit.DisclosureFailed, disclosure_id=ids["failed"], reason="unreachable"),
        make_entry(audit.DisclosureFailed, disclosure_id=ids["broken"], reason="interrupted"),
    ]
    stored = [
        StoredEntry(place, entry_bytes(facts.message(data)))
        for place, data in enumerate([*entries, *outcomes])
    ]
    told = history([subject], stored[:5], stored[5:])
    assert [(one.outcome, one.reason) for one in told.disclosures] == [
        ("delivered", None),
        ("failed", "unreachable"),
        ("not delivered yet", None),
        ("refused", "no-consent"),
        ("may have arrived", "interrupted"),
    ]
    assert told.disclosures[0].recipient == "caterer"
    assert told.disclosures[0].fields == ("contact.name", "diet.text")


@pytest.mark.parametrize(
    ("may_have_reached", "outcome"), [(False, "failed"), (True, "may have arrived")]
)
def test_who_was_withheld_is_told_so_though_others_were_delivered(
    may_have_reached: bool, outcome: str
) -> None:
    said = {"subject_id": SubjectId(uuid4()), "disclosure_id": DisclosureId(uuid4())}
    entries = [
        make_entry(audit.DataDisclosedToAuthority, **said, law="a law", request_reference="1/26"),
        make_entry(audit.DisclosureWithheld, **said, may_have_reached=may_have_reached),
        make_entry(audit.DisclosureDelivered, disclosure_id=said["disclosure_id"]),
    ]
    stored = [
        StoredEntry(place, entry_bytes(Facts().message(data))) for place, data in enumerate(entries)
    ]
    (told,) = history([said["subject_id"]], stored[:2], stored[2:]).disclosures
    assert (told.kind, told.outcome, told.reason) == ("disclosed", outcome, "no-consent")


def test_a_reading_is_part_of_a_history() -> None:
    data = make_entry(audit.DataAccessed, purpose="event-arrangement")
    assert data.subject_id is not None
    stored = [StoredEntry(3, entry_bytes(Facts().message(data)))]
    (access,) = history([data.subject_id], stored, ()).accesses
    assert (access.sequence, access.by, access.purpose) == (3, "staff", "event-arrangement")


HELSINKI = ZoneInfo("Europe/Helsinki")


def test_a_day_begins_and_ends_where_the_organisation_is() -> None:
    assert moment("2026-11-30", HELSINKI) == datetime(2026, 11, 29, 22, tzinfo=UTC)
    end = moment("2026-11-30", HELSINKI, end_of_day=True)
    assert end == datetime(2026, 11, 30, 22, tzinfo=UTC)


def test_a_moment_keeps_its_own_offset() -> None:
    written = moment("2026-11-30T12:00:00+05:00", HELSINKI, end_of_day=True)
    assert written == datetime(2026, 11, 30, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "20261130",
        "2026-W48",
        "2026-W48-1",
        "2026W481",
        "2026-11",
        "9999-12-31",
        "9999-12-31T23:00-05:00",
        "0001-01-01T00:00+05:00",
    ],
)
def test_what_is_neither_a_moment_nor_a_day_in_its_one_form_is_refused_with_an_example(
    text: str,
) -> None:
    with pytest.raises(ValueError, match="as 2026-11-30 or"):
        moment(text, HELSINKI, end_of_day=True)


def test_a_moment_may_have_any_form_that_has_a_time() -> None:
    for text in ("20261130T1200+0200", "2026-W49-1T12:00", "2026-11-30 12", "2026-11-30T12:00"):
        assert moment(text, HELSINKI, end_of_day=True) == datetime(2026, 11, 30, 10, tzinfo=UTC)
