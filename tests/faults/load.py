"""The load: people who register, change their minds and withdraw, with answers that are known.

Whatever order partitions are read in, the answers are the same: every message has a moment of its
own, messages of one registration or one contact share a key, and so do all messages of the one
event whose places run out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import orjson

from examples.lines import CONTACTS, REGISTRATIONS
from examples.offers import COURSES, FORMS, HELSINKI, WEBSITE, System
from examples.people import DIETS, Person, somebody

CHOSEN_FROM = 400
"""So many registrations and people of late can be changed, cancelled or withdrawn."""

MOST_PER_SECOND = 1_000
"""Messages, of the quickest load."""

# A message takes two or three of these. So the quickest load is slower than the clock, and what
# begins in the past stays there: a statement from the future would not be taken at its word.
_TICK = timedelta(microseconds=100)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A message as an upstream system sends it."""

    topic: str
    key: str
    kind: str
    id: str
    source: str
    at: datetime
    data: Mapping[str, Any]

    @property
    def value(self) -> bytes:
        return orjson.dumps(self.data)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.kind,
            "ce_time": self.at.isoformat(),
            "content-type": "application/json",
        }
        return [(name, value.encode()) for name, value in attributes.items()]


@dataclass(frozen=True, slots=True)
class Offer:
    """An event: what it costs, asks and holds."""

    number: str
    system: System
    days_ahead: int
    net: int = 0
    """In cents; 0 is free of charge."""
    vat_class: str | None = None
    capacity: int | None = None
    asks_billing: bool = False
    asks_diet: bool = False

    def key(self, registration_number: str) -> str:
        """Who gets the last place is decided by order: that event has one key for everything."""
        return registration_number if self.capacity is None else self.number

    def data(self, now: datetime) -> dict[str, Any]:
        """What its system announces."""
        starts = (now.astimezone(HELSINKI) + timedelta(days=self.days_ahead)).replace(
            hour=9, minute=0, second=0, microsecond=0
        )
        form = [_input("name", "contact.name", required=True), _EMAIL, _PHONE]
        if self.asks_billing:
            form.append(_input("billing_name", "billing.name", "invoicing", required=True))
            form.append(_input("billing_address", "billing.address", "invoicing", required=True))
        if self.asks_diet:
            form.append(_input("diet", "diet.text", "dietary-needs"))
        announced: dict[str, Any] = {
            "event_number": self.number,
            "title": {"fi": "Kuormitus", "en": "Load"},
            "unit": "training",
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(hours=7)).isoformat(),
            "time_zone": "Europe/Helsinki",
            "recipients": ["caterer"] if self.asks_diet else [],
            "form": form,
        }
        if self.net:
            announced |= {"fee": {"minor_units": self.net, "currency": "EUR"}}
            announced |= {"vat_class": self.vat_class}
        if self.capacity is not None:
            announced |= {"capacity": self.capacity, "waiting_list": True}
        return announced


def _input(
    name: str, place: str, purpose: str = "event-arrangement", **rest: object
) -> dict[str, object]:
    return {"name": name, "field": place, "purpose": purpose, **rest}


_EMAIL = _input("email", "contact.email", type="email", required=True, max_length=254)
_PHONE = _input("phone", "contact.phone", type="phone")

COURSE = Offer("LOAD-COURSE", COURSES, 24, 49_000, "standard", asks_billing=True)
SEMINAR = Offer("LOAD-SEMINAR", FORMS, 66, 29_000, "reduced", asks_diet=True)
WEBINAR = Offer("LOAD-WEBINAR", FORMS, 9)
FAIR = Offer("LOAD-FAIR", FORMS, 31, capacity=5)
DINNER = Offer("LOAD-DINNER", FORMS, 12, asks_diet=True)
"""Full of people before anything is injured, and then left alone: its list is handed over."""

OFFERS = (COURSE, SEMINAR, WEBINAR, FAIR, DINNER)
GUESTS = 6


@dataclass(slots=True)
class Booking:
    """A registration that was sent: what later messages about it need."""

    number: str
    offer: Offer
    person: Person
    submission: Upstream


@dataclass
class Load:
    """Makes messages, the same ones for the same seed. `begins` lies in the past."""

    seed: int
    begins: datetime
    random: Random = field(init=False)
    guests: list[Upstream] = field(default_factory=list)
    """Those of the dinner, as they registered."""
    _serial: int = 0
    _bookings: list[Booking] = field(default_factory=list)
    _cancelled: list[Booking] = field(default_factory=list)
    _people: list[tuple[Person, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - the same load each time

    def prelude(self) -> list[Upstream]:
        """The events, and the guests of the dinner."""
        announced = [
            self._message(REGISTRATIONS, offer.number, "EventAnnounced", offer.system, data)
            for offer in OFFERS
            for data in [offer.data(self.begins)]
        ]
        self.guests = [self._submit(DINNER, self._somebody()) for _ in range(GUESTS)]
        return announced + self.guests

    def some(self, many: int) -> list[Upstream]:
        """The next so many messages."""
        acts: list[Callable[[], Upstream]] = [
            *(self._register, self._cancel, self._change, self._withdraw, self._join),
            *(self._say_again, self._repeat, self._cancel_again, self._change_too_late),
        ]
        weights = (60, 12, 8, 7, 6, 3, 2, 1, 1)
        return [act() for act in self.random.choices(acts, weights, k=many)]

    def newcomers(self, many: int) -> list[Upstream]:
        """So many registrations, all of which get a place."""
        return [self._register((COURSE, SEMINAR, WEBINAR)) for _ in range(many)]

    def contacts(self, many: int) -> list[Upstream]:
        """So many messages of people who join a list or withdraw; some have registered before."""
        return [self.random.choice((self._join, self._withdraw))() for _ in range(many)]

    def withdrawal(self, of: Upstream) -> Upstream:
        """Whoever registered so takes every consent back."""
        data = {"contact_number": of.key, "email": of.data["answers"]["email"], "purposes": []}
        return self._message(CONTACTS, of.key, "WithdrawalRequested", WEBSITE, data)

    def no_elsewhere(self, of: Upstream) -> Upstream:
        """Whoever registered so says no to the diet on the form of another event."""
        number = self._number("R")
        no = {"purpose": "dietary-needs", "given": False, "wording": "dietary-needs-2026"}
        data = {
            "registration_number": number,
            "event_number": SEMINAR.number,
            "language": of.data["language"],
            "answers": {**of.data["answers"], "diet": ""},
            "consents": [{**no, "language": of.data["language"]}],
        }
        return self._message(REGISTRATIONS, number, "RegistrationSubmitted", SEMINAR.system, data)

    def _register(self, offers: Sequence[Offer] = ()) -> Upstream:
        usual = self.random.choices((COURSE, SEMINAR, WEBINAR, FAIR), (30, 30, 35, 5))[0]
        offer = self.random.choice(offers) if offers else usual
        person, contact_number = self._somebody(), f"K-{self._serial:07d}"
        message = self._submit(offer, person)
        number = message.data["registration_number"]
        _keep(self._bookings, Booking(number, offer, person, message), self.random)
        _keep(self._people, (person, contact_number), self.random)
        return message

    def _submit(self, offer: Offer, person: Person) -> Upstream:
        number = self._number("R")
        given: dict[str, str] = {"name": person.name, "email": person.email}
        if offer.asks_billing:
            given |= {"billing_name": person.organisation, "billing_address": person.address}
        consents = []
        if offer.asks_diet:
            given["diet"] = self.random.choice(DIETS)
            # The guests of the dinner all agree, so that its list has all of them.
            agreed = offer is DINNER or self.random.random() < 0.8
            consents.append(_consent("dietary-needs", person, agreed))
        if offer is not DINNER and self.random.random() < 0.7:
            consents.append(_consent("marketing", person, self.random.random() < 0.6))
        data = {
            "registration_number": number,
            "event_number": offer.number,
            "language": person.language,
            "answers": given,
            "consents": consents,
        }
        key = offer.key(number)
        return self._message(REGISTRATIONS, key, "RegistrationSubmitted", offer.system, data)

    def _cancel(self) -> Upstream:
        if not self._bookings:
            return self._register()
        booking = self._bookings.pop(self.random.randrange(len(self._bookings)))
        _keep(self._cancelled, booking, self.random)
        return self._of(booking, "CancellationRequested", {})

    def _cancel_again(self) -> Upstream:
        if not self._cancelled:
            return self._register()
        return self._of(self.random.choice(self._cancelled), "CancellationRequested", {})

    def _change_too_late(self) -> Upstream:
        if not self._cancelled:
            return self._register()
        return self._change_of(self.random.choice(self._cancelled))

    def _change(self) -> Upstream:
        if not self._bookings:
            return self._register()
        return self._change_of(self.random.choice(self._bookings))

    def _change_of(self, booking: Booking) -> Upstream:
        self._serial += 1
        phone = f"+358 40 777 {self._serial % 10_000:04d}"
        return self._of(booking, "RegistrationChanged", {"answers": {"phone": phone}})

    def _withdraw(self) -> Upstream:
        if not self._people:
            return self._register()
        person, number = self.random.choice(self._people)
        purposes = self.random.choice(([], ["marketing"]))
        data = {"contact_number": number, "email": person.email, "purposes": purposes}
        return self._message(CONTACTS, number, "WithdrawalRequested", WEBSITE, data)

    def _join(self) -> Upstream:
        if not self._people:
            return self._register()
        person, number = self.random.choice(self._people)
        data = {
            "contact_number": number,
            "email": person.email,
            "name": person.name,
            "language": person.language,
            "consents": [_consent("marketing", person, self.random.random() < 0.7)],
        }
        return self._message(CONTACTS, number, "ContactSubmitted", WEBSITE, data)

    def _say_again(self) -> Upstream:
        """The very same message."""
        return self.random.choice(self._bookings).submission if self._bookings else self._register()

    def _repeat(self) -> Upstream:
        """The same request as if it were new."""
        if not self._bookings:
            return self._register()
        booking = self.random.choice(self._bookings)
        return self._of(booking, "RegistrationSubmitted", booking.submission.data)

    def _of(self, booking: Booking, kind: str, data: Mapping[str, Any]) -> Upstream:
        about = {"registration_number": booking.number, **data}
        key = booking.offer.key(booking.number)
        return self._message(REGISTRATIONS, key, kind, booking.offer.system, about)

    def _message(
        self, topic: str, key: str, kind: str, system: System, data: Mapping[str, Any]
    ) -> Upstream:
        number = self._number("m")
        at = self.begins + self._serial * _TICK
        return Upstream(topic, key, kind, number, system.uri, at, data)

    def _number(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}-{self._serial:07d}"

    def _somebody(self) -> Person:
        self._serial += 1
        return somebody(self.random, self._serial)


def _consent(purpose: str, person: Person, given: bool) -> dict[str, object]:
    wording = f"{purpose}-2026"
    return {"purpose": purpose, "given": given, "wording": wording, "language": person.language}


def _keep(kept: list[Any], one: object, random: Random) -> None:
    """Add one; where there are many already, in the place of another."""
    if len(kept) < CHOSEN_FROM:
        kept.append(one)
    else:
        kept[random.randrange(CHOSEN_FROM)] = one
