"""What goes wrong: every kind of bad message that upstream systems really send, and near misses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import orjson

from examples.lines import (
    CONTACTS,
    REGISTRATIONS,
    Event,
    Line,
    binary,
    in_base64,
    record,
    structured,
)
from examples.offers import COURSE, COURSES, FORMS, SEMINAR

if TYPE_CHECKING:
    from examples.day import Day

Maker = Callable[["Day"], Iterator[Line]]
LIMIT = 500
"""Characters that the seminar's form allows for wishes about the room."""


def schedule(registrations: int) -> dict[int, list[Maker]]:
    """Which of them come after which registration: two of a hundred, each kind at least once."""
    many = max(len(KINDS), registrations // 50)
    spread: dict[int, list[Maker]] = {}
    for number in range(many):
        spread.setdefault(registrations * number // many, []).append(KINDS[number % len(KINDS)])
    return spread


def _course(day: Day, **changes: object) -> Event:
    """A registration for the course, still in order."""
    return day.submission(COURSE, COURSES, day.somebody(COURSE), **changes)


def _seminar(day: Day, **answers: object) -> Event:
    """A registration for the seminar, in order but for these answers."""
    event = day.submission(SEMINAR, FORMS, day.somebody(SEMINAR))
    event["data"]["answers"] |= answers
    return event


def _key(event: Event) -> str:
    return str(event["data"]["registration_number"])


def _dead(text: bytes, kind: str, reason: str, topic: str = REGISTRATIONS) -> Line:
    return Line(text, topic, kind, "dead_letter", reason)


def _fine(text: bytes, kind: str) -> Line:
    return Line(text, REGISTRATIONS, kind, "accepted")


def _broken_json(day: Day) -> Iterator[Line]:
    event = _course(day)
    cut = orjson.dumps(event["data"]).decode()[:-20]
    text = binary(event, topic=REGISTRATIONS, key=_key(event), value=cut)
    yield _dead(text, "broken_json", "json_broken")


def _not_utf8(day: Day) -> Iterator[Line]:
    event = _course(day)
    event["data"]["answers"]["name"] = "Päivi Yli-Äyhö"
    latin = orjson.dumps(event["data"]).decode().encode("latin-1", "replace")
    text = binary(
        event, topic=REGISTRATIONS, key=_key(event), value=None, value_base64=in_base64(latin)
    )
    yield _dead(text, "not_utf8", "not_utf8")


def _no_body(day: Day) -> Iterator[Line]:
    event = _course(day)
    text = binary(event, topic=REGISTRATIONS, key=_key(event), value=None)
    yield _dead(text, "no_body", "json_broken")


def _unknown_type(day: Day) -> Iterator[Line]:
    event = _course(day) | {"type": "RegistrationSubmited"}
    text = binary(event, topic=REGISTRATIONS, key=_key(event))
    yield _dead(text, "unknown_type", "type_unknown")


def _newer_version(day: Day) -> Iterator[Line]:
    event = _course(day) | {"dataschema": "steward:RegistrationSubmitted/2"}
    yield _dead(structured(event), "newer_version", "version_unknown")


def _no_id(day: Day) -> Iterator[Line]:
    event = _course(day)
    del event["id"]
    yield _dead(structured(event), "no_id", "envelope_invalid")


def _time_without_offset(day: Day) -> Iterator[Line]:
    event = _course(day) | {"time": f"{day.on}T12:00:00"}
    yield _dead(structured(event), "time_without_offset", "envelope_invalid")


def _header_not_text(day: Day) -> Iterator[Line]:
    event = _course(day)
    raw = {"ce_subject": in_base64(b"\xff\xfeAino")}
    text = binary(event, topic=REGISTRATIONS, key=_key(event), headers_base64=raw)
    yield _dead(text, "header_not_text", "envelope_invalid")


def _unread_header_not_text(day: Day) -> Iterator[Line]:
    event = _course(day)
    raw = {"x-trace": in_base64(b"\x00\xff"), "reply_to": in_base64(b"\xfe")}
    text = binary(event, topic=REGISTRATIONS, key=_key(event), headers_base64=raw)
    day.tally.take_place(COURSE)
    yield _fine(text, "unread_header_not_text")


def _missing_field(day: Day) -> Iterator[Line]:
    event = _course(day)
    del event["data"]["event_number"]
    yield _dead(structured(event), "missing_field", "field_missing")


def _missing_answer(day: Day) -> Iterator[Line]:
    event = _course(day)
    del event["data"]["answers"]["email"]
    yield _dead(structured(event), "missing_answer", "field_missing")


def _answer_of_wrong_form(day: Day) -> Iterator[Line]:
    yield _dead(structured(_seminar(day, email="ei ole")), "answer_invalid", "field_invalid")


def _consent_of_wrong_type(day: Day) -> Iterator[Line]:
    answer = {"purpose": "marketing", "given": "kyllä", "wording": "marketing-2026"}
    event = _course(day, consents=[answer])
    yield _dead(structured(event), "consent_invalid", "field_invalid")


def _surplus_fields(day: Day) -> Iterator[Line]:
    event = _course(day, email="surplus@example.org", henkilötunnus="010100A000X")
    event["data"]["answers"] |= {"diet": "kala", "shoe_size": 43}
    day.tally.take_place(COURSE)
    yield _fine(structured(event), "surplus_fields")


def _just_under_the_limit(day: Day) -> Iterator[Line]:
    event = _seminar(day, room_wishes="ä" * LIMIT)
    day.tally.take_place(SEMINAR)
    yield _fine(structured(event), "just_under_the_limit")


def _over_the_limit(day: Day) -> Iterator[Line]:
    event = _seminar(day, room_wishes="ä" * (LIMIT + 1))
    yield _dead(structured(event), "over_the_limit", "field_invalid")


def _event_that_never_comes(day: Day) -> Iterator[Line]:
    event = _course(day, event_number="EV-2026-999")
    yield Line(structured(event), REGISTRATIONS, "event_that_never_comes", "waiting")


def _cancellation_of_nothing(day: Day) -> Iterator[Line]:
    line = day.cancel(COURSES, day.number(COURSES.prefix))
    yield Line(line.text, line.topic, "cancellation_of_nothing", "waiting")


def _email_as_key(day: Day) -> Iterator[Line]:
    event = _course(day)
    key = event["data"]["answers"]["email"]
    day.tally.take_place(COURSE)
    yield _fine(binary(event, topic=REGISTRATIONS, key=key), "email_as_key")
    broken = binary(_course(day), topic=REGISTRATIONS, key=key, value='{"email": "')
    yield _dead(broken, "email_as_key", "json_broken")


def _unknown_system(day: Day) -> Iterator[Line]:
    event = _course(day) | {"source": "https://old.example.org/forms"}
    yield _dead(structured(event), "unknown_system", "source_unknown")


def _type_of_another_system(day: Day) -> Iterator[Line]:
    person = day.somebody()
    event = day.contact(person, day.number("K")) | {"source": FORMS.uri}
    yield _dead(structured(event), "type_of_another_system", "type_not_allowed", CONTACTS)


def _type_on_another_topic(day: Day) -> Iterator[Line]:
    event = day.contact(day.somebody(), day.number("K"))
    text = binary(event, topic=REGISTRATIONS, key=event["data"]["contact_number"])
    yield _dead(text, "type_on_another_topic", "type_unexpected")


def _same_id_other_body(day: Day) -> Iterator[Line]:
    event = _course(day)
    day.tally.take_place(COURSE)
    yield _fine(structured(event), "same_id_other_body")
    other = event | {"data": event["data"] | {"language": "sv"}}
    yield _dead(structured(other), "same_id_other_body", "identity_reused")


def _wording_that_nobody_knows(day: Day) -> Iterator[Line]:
    """And a yes that comes after it under the same number waits behind it; a no would not."""
    person, number = day.somebody(), day.number("K")
    yes = day.consent("marketing", person, True)
    answer = yes | {"wording": "marketing-1999"}
    first = day.contact(person, number, consents=[answer])
    yield _dead(structured(first), "unknown_wording", "wording_unknown", CONTACTS)
    second = structured(day.contact(person, number, consents=[yes]))
    yield Line(second, CONTACTS, "after_unknown_wording", "parked")


def _no_cloud_event(day: Day) -> Iterator[Line]:
    text = record(topic=CONTACTS, key=day.number("K"), value=day.somebody().email)
    yield _dead(text, "no_cloud_event", "envelope_invalid", CONTACTS)


def _a_couple_with_one_address(day: Day) -> Iterator[Line]:
    """No mistake: the system's own numbers tell the two apart."""
    one, other = day.stranger(), day.stranger()
    other.email = one.email
    for person in (one, other):
        day.tally.take_place(COURSE)
        yield _fine(structured(day.submission(COURSE, COURSES, person)), "one_address_for_two")


KINDS: tuple[Maker, ...] = (
    _broken_json,
    _not_utf8,
    _no_body,
    _unknown_type,
    _newer_version,
    _no_id,
    _time_without_offset,
    _header_not_text,
    _unread_header_not_text,
    _missing_field,
    _missing_answer,
    _answer_of_wrong_form,
    _consent_of_wrong_type,
    _surplus_fields,
    _just_under_the_limit,
    _over_the_limit,
    _event_that_never_comes,
    _cancellation_of_nothing,
    _email_as_key,
    _unknown_system,
    _type_of_another_system,
    _type_on_another_topic,
    _same_id_other_body,
    _wording_that_nobody_knows,
    _no_cloud_event,
    _a_couple_with_one_address,
)
