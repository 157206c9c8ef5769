"""The example day with a mark in every personal field of every person, and what upstream systems
send by mistake with marks where nobody expects personal data.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from examples.day import Day
from examples.lines import (
    CONTACTS,
    REGISTRATIONS,
    Event,
    Line,
    binary,
    in_base64,
    structured,
)
from examples.offers import COURSE, COURSES, FORMS, WEBSITE, Offer, System
from examples.people import Person
from tests.canary.marks import NOBODY, Marks

FOLLOWED: Final = 1
"""Whom the day follows from registration to withdrawal, and who is erased in the end."""

_TEXTS: Final = (
    *("organisation", "diet", "room_wishes", "pickup", "billing_name", "billing_address"),
    *("business_id", "billing_reference"),
)


class MarkedDay(Day):
    """The lines of the example day, about people whose every field has a mark."""

    def __init__(self, marks: Marks, registrations: int, seed: int) -> None:
        # As if it were today: what was sent long ago would wait for nothing, and be deleted.
        super().__init__(registrations, seed, datetime.now(UTC).date() - timedelta(days=1))
        self._marks = marks
        self._numbers: dict[int, int] = {}
        self.people: list[Person] = []
        self._speaks = NOBODY
        self.aino = self._marked(self.aino)

    def stranger(self) -> Person:
        """Somebody new, with marks of their own."""
        return self._marked(super().stranger())

    def number(self, prefix: str) -> str:
        """A number, with a mark of who is being told of where that is known."""
        field = "message_id" if prefix.endswith("-m") else "registration_number"
        return f"{super().number(prefix)}-{self._marks.of(self._speaks, field)}"

    def submission(self, offer: Offer, system: System, person: Person, **changes: object) -> Event:
        """As the day's, with marks in all answers."""
        self._speaks = self._numbers[id(person)]
        event = super().submission(offer, system, person, **changes)
        self._speaks = NOBODY
        self._mark_answers(event["data"]["answers"], self._numbers[id(person)])
        return event

    def _marked(self, person: Person) -> Person:
        number = len(self.people) + 1
        self._numbers[id(person)] = number
        self.people.append(person)  # kept, so that its identity stays its own
        of = self._marks.of
        # A change gives another last name: the first one keeps the mark.
        person.name = f"{of(number, 'name')} {person.name}"
        person.email = self._marks.email_of(number)
        person.phone = self._marks.phone_of(number)
        person.address = f"{person.address}, {of(number, 'address')}"
        person.organisation = f"{person.organisation} {of(number, 'organisation')}"
        person.number = of(number, "person_number")
        return person

    def _mark_answers(self, answers: dict[str, Any], person: int) -> None:
        for name in _TEXTS:
            if name in answers and self._marks.text not in answers[name]:
                answers[name] = f"{answers[name]} {self._marks.of(person, name)}"
        if "nights" in answers:
            answers["nights"] = self._marks.number_of(person)

    def mistakes(self) -> Iterator[Line]:
        """Messages of upstream systems that are not as they should be, in ways that could carry a
        mark into a reason, a label, a log or a table.
        """
        yield from self._wrong_envelopes()
        yield from self._wrong_bodies()
        yield from self._wrong_contacts()
        yield from self._wrong_events()
        # The one whom the day follows stands in a dead letter as well.
        event = self.submission(COURSE, COURSES, self.aino)
        del event["data"]["answers"]["name"]
        yield _mistake(structured(event))

    def _wrong_envelopes(self) -> Iterator[Line]:
        of = self._mark
        for name in ("type", "source", "dataschema", "time", "subject", "specversion"):
            event = self._somebody_comes() | {name: of("type" if name == "type" else "source")}
            if name != "type":  # by which `send` finds the topic
                yield _mistake(structured(event))
            yield _mistake(binary(event, topic=REGISTRATIONS, key=of("key")))
        event = self._somebody_comes()
        extra = {"traceparent": of("header"), of("header"): of("header"), "baggage": of("header")}
        extra |= {"content-type": f"application/{of('header')}", "reply_to": of("header")}
        yield _mistake(structured(event | {of("header"): of("header"), "traceparent": of("body")}))
        headers = {f"ce_{name}": event[name] for name in ("specversion", "id", "source", "type")}
        headers["ce_time"] = event["time"]
        for name, value in extra.items():
            told = headers | {"content-type": "application/json"} | {name: value}
            yield _mistake(binary(event, topic=REGISTRATIONS, key=of("key"), headers=told))
        raw = {"ce_id": in_base64(of("header").encode() + b"\xff")}
        yield _mistake(binary(event, topic=REGISTRATIONS, key=of("key"), headers_base64=raw))

    def _wrong_bodies(self) -> Iterator[Line]:
        of = self._mark
        broken = f'{{"registration_number": "{of("body")}", "answers": {{"name": "{of("body")}'
        odd: list[dict[str, object]] = [
            {of("input_name"): of("other")},
            {"answers": {of("input_name"): of("other"), f"{of('input_name')} ä": 1}},
            {"answers": of("body")},
            {"answers": {"name": [of("name")], "email": {of("email"): of("email")}}},
            {"event_number": of("other")},
            {"event_number": {of("input_name"): of("other")}},
            {"language": of("other")},
            {"person_number": [of("person_number")]},
            {"consents": [{"purpose": of("purpose"), "given": True, "wording": of("wording")}]},
            {"consents": [{"purpose": "marketing", "given": of("body"), "wording": of("wording")}]},
            {"consents": [{"purpose": "marketing", "given": True, "wording": of("wording")}]},
            {"consents": [{"purpose": "marketing", "given": False, "wording": of("wording")}]},
            {"consents": of("body")},
            {"share_with_participants": [f"{of('input_name')}.{of('input_name')}"]},
            {"share_with_participants": [of("input_name")]},
        ]
        for data in odd:
            event = self._somebody_comes()
            yield _mistake(structured(event | {"data": event["data"] | data}))
        for answers in ({"email": of("other")}, {"phone": of("other")}, {"name": None}):
            event = self._somebody_comes()
            event["data"]["answers"] |= answers
            yield _mistake(structured(event))
        event = self._somebody_comes()
        for value in (broken, of("body"), orjson.dumps([of("body")]).decode()):
            yield _mistake(binary(event, topic=REGISTRATIONS, key=of("key"), value=value))
        for coded in ("utf-16", "utf-32"):
            raw = in_base64(orjson.dumps(event["data"]).decode().encode(coded))
            text = binary(event, topic=REGISTRATIONS, key=of("key"), value=None, value_base64=raw)
            yield _mistake(text)

    def _wrong_contacts(self) -> Iterator[Line]:
        of = self._mark
        odd: list[dict[str, object]] = [
            {"email": of("email")},
            {"email": f"{of('email')}@{of('email')}@example.org"},
            {"email": f"{of('email')}@-"},
            {"name": {of("name"): of("name")}},
            {"consents": [{"purpose": of("purpose"), "given": True, "wording": of("wording")}]},
            {"contact_number": [of("other")]},
        ]
        for data in odd:
            event = self.contact(self.stranger(), self.number("K"))
            yield _mistake(structured(event | {"data": event["data"] | data}), CONTACTS)
        data = {
            "contact_number": self.number("K"),
            "email": of("email"),
            "purposes": [of("purpose")],
        }
        yield _mistake(structured(self.event("WithdrawalRequested", WEBSITE, data)), CONTACTS)
        data["email"] = self.stranger().email
        yield _mistake(structured(self.event("WithdrawalRequested", WEBSITE, data)), CONTACTS)

    def _wrong_events(self) -> Iterator[Line]:
        """What an event is said to be has no personal data; what is said wrong may be anything."""
        of = self._mark
        field = {"name": "name", "field": "contact.name", "purpose": "event-arrangement"}
        odd: list[dict[str, object]] = [
            {"unit": of("other")},
            {"recipients": [of("other")]},
            {"vat_class": of("other")},
            {"time_zone": of("other")},
            {"starts_at": of("other")},
            {"form": [field | {"purpose": of("purpose")}]},
            {"form": [field | {"field": f"{of('other')}.{of('other')}"}]},
            {"form": [field | {"type": of("other")}]},
        ]
        for number, data in enumerate(odd):
            announced = COURSE.announcement(self.on, self.registrations) | data
            announced["event_number"] = f"EV-2026-9{number:02d}"
            yield _mistake(structured(self.event("EventAnnounced", FORMS, announced)))
        cancelled = {"event_number": of("other")}
        yield _mistake(structured(self.event("EventCancellationRequested", FORMS, cancelled)))

    def _mark(self, field: str) -> str:
        return self._marks.of(NOBODY, field)

    def _somebody_comes(self) -> Event:
        return self.submission(COURSE, COURSES, self.stranger())

    def others(self, many: int) -> Iterator[tuple[Line, Line]]:
        """People whom nobody has heard of yet: each registers, and joins the mailing list."""
        for _ in range(many):
            person = self.stranger()
            self._speaks = self._numbers[id(person)]
            told = self.contact(person, self.number("K"))
            yield (
                self.registration(self.submission(COURSE, COURSES, person)),
                Line(structured(told), CONTACTS, "contact", "accepted"),
            )


def _mistake(text: bytes, topic: str = REGISTRATIONS) -> Line:
    return Line(text, topic, "mistake", "dead_letter")
