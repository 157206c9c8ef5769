"""What is on offer on the day: the systems that people come from, and five events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from examples.people import DIETS, PICKUPS, ROOMS, Person

HELSINKI = ZoneInfo("Europe/Helsinki")


@dataclass(frozen=True, slots=True)
class System:
    """An upstream system: its `ce_source`, and what its numbers begin with."""

    uri: str
    prefix: str


COURSES = System("https://courses.example.org/steward", "LK")
FORMS = System("https://forms.example.org/steward", "TL")
WEBSITE = System("https://www.example.org/steward", "WWW")


@dataclass(frozen=True, slots=True)
class Offer:
    """An event, who announces it, and through which systems people come with which weight."""

    number: str
    systems: tuple[System, ...]
    weight: int
    capacity: float | None
    """As a share of all registrations of the day."""
    data: Mapping[str, Any]
    days_ahead: int
    hours: tuple[int, int]
    asks_for_consent: bool = True
    takes_changes: bool = True
    lasts_days: int = 0

    def announcement(self, on: date, registrations: int, *, sequence: int = 1) -> dict[str, Any]:
        """What the event's system says of it on this day."""
        starts = on + timedelta(days=self.days_ahead)
        announced: dict[str, Any] = {
            "event_number": self.number,
            "sequence": sequence,
            "starts_at": moment(starts, self.hours[0]).isoformat(),
            "ends_at": moment(starts + timedelta(days=self.lasts_days), self.hours[1]).isoformat(),
            "time_zone": "Europe/Helsinki",
            **self.data,
        }
        if self.capacity is not None:
            announced["capacity"] = self.places(registrations)
        closes = self.closes_at(on)
        if closes is not None:
            announced["registration_closes_at"] = closes.isoformat()
        return announced

    def places(self, registrations: int) -> int:
        """Places at the event; 0 stands for no limit."""
        return 0 if self.capacity is None else max(1, round(self.capacity * registrations))

    def closes_at(self, on: date) -> datetime | None:
        """When registration closes, where that is on the day itself."""
        return moment(on, 18) if self.number == WEBINAR.number else None


def moment(day: date, hour: int) -> datetime:
    """An hour of a day in Finland."""
    return datetime.combine(day, time(hour), HELSINKI)


def _input(name: str, field: str, purpose: str, **rest: object) -> dict[str, object]:
    return {"name": name, "field": field, "purpose": purpose, **rest}


_NAME = _input("name", "contact.name", "event-arrangement", required=True, max_length=300)
_EMAIL = _input(
    "email", "contact.email", "event-arrangement", type="email", required=True, max_length=254
)
_PHONE = _input("phone", "contact.phone", "event-arrangement", type="phone")
_ORGANISATION = _input("organisation", "contact.organisation", "event-arrangement")
_DIET = _input("diet", "diet.text", "dietary-needs")
_BILLING = [
    _input("billing_name", "billing.name", "invoicing", required=True),
    _input("billing_address", "billing.address", "invoicing", required=True),
    _input("business_id", "billing.business_id", "invoicing", max_length=40),
    _input("billing_reference", "billing.reference", "invoicing", max_length=200),
]

COURSE = Offer(
    "EV-2026-101",
    (COURSES,),
    weight=25,
    capacity=None,
    days_ahead=24,
    hours=(9, 16),
    data={
        "title": {"fi": "Tekoäly asiantuntijan työssä", "en": "AI in expert work"},
        "unit": "training",
        "fee": {"minor_units": 49_000, "currency": "EUR"},
        "vat_class": "standard",
        "recipients": ["participants"],
        "form": [_NAME, _EMAIL, _PHONE, _ORGANISATION, *_BILLING],
    },
)
FAIR = Offer(
    "EV-2026-102",
    (FORMS, FORMS, WEBSITE),
    weight=25,
    capacity=0.15,
    days_ahead=31,
    hours=(12, 18),
    data={
        "title": {"fi": "Työelämäpäivä", "en": "Working Life Day"},
        "unit": "events",
        "waiting_list": True,
        "recipients": ["caterer", "participants"],
        "form": [_NAME, _EMAIL, _ORGANISATION, _DIET],
    },
)
BREAKFAST = Offer(
    "EV-2026-103",
    (FORMS, WEBSITE),
    weight=15,
    capacity=0.1,
    days_ahead=17,
    hours=(8, 10),
    # Who comes too late is nobody we know of: no answer of theirs is kept, and no change follows.
    asks_for_consent=False,
    takes_changes=False,
    data={
        "title": {"fi": "Johtamisen aamukahvit", "en": "Leadership breakfast"},
        "unit": "events",
        "form": [_NAME, _EMAIL],
    },
)
SEMINAR = Offer(
    "EV-2026-104",
    (FORMS,),
    weight=15,
    capacity=0.9,
    days_ahead=66,
    hours=(10, 15),
    lasts_days=2,
    data={
        "title": {"fi": "Talviseminaari Äkäslompolossa", "en": "Winter seminar in Äkäslompolo"},
        "unit": "training",
        "fee": {"minor_units": 29_000, "currency": "EUR"},
        "vat_class": "reduced",
        "recipients": ["hotel", "bus-company", "caterer", "participants"],
        "form": [
            _NAME,
            _EMAIL,
            {**_PHONE, "required": True},
            _ORGANISATION,
            _input("nights", "stay.nights", "accommodation", type="number", required=True),
            _input("room_wishes", "stay.room_wishes", "accommodation", max_length=500),
            _input("pickup", "transport.pickup", "transport"),
            _DIET,
            *_BILLING,
        ],
    },
)
WEBINAR = Offer(
    "EV-2026-105",
    (COURSES, WEBSITE),
    weight=20,
    capacity=None,
    days_ahead=9,
    hours=(13, 14),
    data={
        "title": {"fi": "Saavutettavuus verkossa", "en": "Accessibility on the web"},
        "unit": "training",
        "form": [_NAME, _EMAIL],
    },
)
OFFERS = (COURSE, FAIR, BREAKFAST, SEMINAR, WEBINAR)


Answer = Callable[[Random, Person], object]
_ANSWERS: Mapping[str, Answer] = {
    "name": lambda _, person: person.name,
    "email": lambda _, person: person.email,
    "phone": lambda _, person: person.phone,
    "organisation": lambda _, person: person.organisation,
    "diet": lambda random, _: random.choice(DIETS) if random.random() < 0.4 else None,
    "nights": lambda random, _: random.randint(1, 3),
    "room_wishes": lambda random, _: random.choice(ROOMS) if random.random() < 0.3 else None,
    "pickup": lambda random, _: random.choice(PICKUPS),
    "billing_name": lambda _, person: person.organisation,
    "billing_address": lambda _, person: person.address,
    "business_id": lambda _, __: "1234567-1",
    "billing_reference": lambda random, _: f"PO {random.randint(1, 999)}",
}


def answers(random: Random, offer: Offer, person: Person) -> dict[str, Any]:
    """What the person answers to the event's form; an optional input can be left empty."""
    given = {
        declared["name"]: _ANSWERS[declared["name"]](random, person)
        for declared in offer.data["form"]
    }
    return {name: value for name, value in given.items() if value is not None}
