"""One day of an organisation that arranges events, as its upstream systems send it.

    python -m examples.day --registrations 2000 --seed 1 > examples/day.jsonl

Lines are for `steward send`. The same options give the same lines. Besides the registrations there
are two bad messages for every hundred of them, of every kind, so that one can see what becomes of
each; `--expected FILE` says what that is to be.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from examples import bad
from examples.lines import (
    CONTACTS,
    REGISTRATIONS,
    Event,
    Line,
    Outcome,
    binary,
    cloud_event,
    structured,
)
from examples.offers import (
    COURSE,
    COURSES,
    FORMS,
    HELSINKI,
    OFFERS,
    SEMINAR,
    WEBINAR,
    WEBSITE,
    Offer,
    System,
    answers,
    moment,
)
from examples.people import DIETS, LAST_NAMES, ROOMS, Person, somebody, the_one_to_follow
from examples.tally import Tally

DAY = date(2026, 11, 16)
OPENS, SHUTS = 7, 21
"""Hours between which people register."""

REMEMBERED = 500
"""So many people of late can come again: for another event, or to the mailing list."""


Make = Callable[[], Line]


class Day:
    """The day, line by line. Holds what is still to be sent, never the whole day."""

    def __init__(self, registrations: int, seed: int, on: date = DAY) -> None:
        self.registrations = registrations
        self.on = on
        self.random = Random(seed)  # noqa: S311 - an example must come out the same again
        self.tally = Tally(registrations)
        self.aino = the_one_to_follow()
        self._serial = 0
        self._people: list[Person] = []
        self._later: list[tuple[int, int, Make]] = []
        self._now = 0

    def lines(self) -> Iterator[Line]:
        """Every line in the order of sending."""
        for line in self._lines():
            self.tally.count(line)
            yield line

    def _lines(self) -> Iterator[Line]:
        late = self.registrations // 12
        yield from (self.announce(offer) for offer in OFFERS if offer is not SEMINAR)
        spoilt = bad.schedule(self.registrations)
        yield from self._story()
        for number in range(self.registrations):
            self._now = number
            if self._now == late:  # people were faster than the system that announces it
                yield self.announce(SEMINAR)
            yield from self._due()
            yield from self._register()
            if self._now % 10 == 9:
                yield self._join_list()
            for make in spoilt.get(self._now, ()):
                yield from make(self)
        yield from self._news_of_course()
        self._now += self.registrations
        yield from self._due()

    def _due(self) -> Iterator[Line]:
        while self._later and self._later[0][0] <= self._now:
            yield heapq.heappop(self._later)[2]()

    def later(self, make: Make, soonest: int, latest: int) -> None:
        """Make and send a line after so many more registrations."""
        due = self._now + self.random.randint(soonest, latest)
        self._serial += 1
        heapq.heappush(self._later, (due, self._serial, make))

    def time(self) -> datetime:
        """What the clock shows: the day's hours are spread over its registrations."""
        share = min(self._now / self.registrations, 1)
        passed = timedelta(hours=(SHUTS - OPENS) * share)
        return (moment(self.on, OPENS) + passed).replace(microsecond=0).astimezone(HELSINKI)

    def number(self, prefix: str) -> str:
        """A number that no other thing of the day has."""
        self._serial += 1
        return f"{prefix}-{self._serial:07d}"

    def event(self, kind: str, system: System, data: object) -> Event:
        """A CloudEvent of the system, at this moment."""
        message_id = self.number(f"{system.prefix}-m")
        return cloud_event(kind, data, id=message_id, source=system.uri, at=self.time())

    def somebody(self, offer: Offer | None = None) -> Person:
        """Somebody new, or one of those of late who is not registered for the event."""
        if self._people and self.random.random() < 0.15:
            person = self.random.choice(self._people)
            if offer is None or offer.number not in person.events:
                return person
        person = self.stranger()
        if len(self._people) < REMEMBERED:
            self._people.append(person)
        else:
            self._people[self._serial % REMEMBERED] = person
        return person

    def stranger(self) -> Person:
        """Somebody new, who does not come again."""
        self._serial += 1
        return somebody(self.random, self._serial)

    def announce(self, offer: Offer, *, sequence: int = 1, **changes: object) -> Line:
        """The event is on offer, or on offer otherwise than before."""
        data = offer.announcement(self.on, self.registrations, sequence=sequence) | changes
        event = self.event("EventAnnounced", offer.systems[0], data)
        return Line(structured(event), REGISTRATIONS, "event", "accepted")

    def _news_of_course(self) -> Iterator[Line]:
        """It ends later; and news that is older than that changes nothing."""
        ends = moment(self.on + timedelta(days=COURSE.days_ahead), COURSE.hours[1] + 1)
        yield self.announce(COURSE, sequence=3, ends_at=ends.isoformat())
        yield self.announce(COURSE, sequence=2)

    def submission(self, offer: Offer, system: System, person: Person, **changes: object) -> Event:
        """The person registers for the event through the system."""
        person.events.add(offer.number)
        data: dict[str, object] = {
            "registration_number": self.number(system.prefix),
            "event_number": offer.number,
            "language": person.language,
            "answers": answers(self.random, offer, person),
        }
        if system.prefix == "LK":  # the course system keeps a number of each person
            data["person_number"] = person.number
        if offer.asks_for_consent:
            data |= self._consents(person, data["answers"])
        return self.event("RegistrationSubmitted", system, data | changes)

    def _consents(self, person: Person, given: object) -> dict[str, object]:
        said = []
        if self.random.random() < 0.8:
            said.append(self.consent("marketing", person, self.random.random() < 0.5))
        if isinstance(given, dict) and "diet" in given:
            said.append(self.consent("dietary-needs", person, self.random.random() < 0.9))
        shares = ["networking.name", "networking.email"] if self.random.random() < 0.2 else []
        return {"consents": said, "share_with_participants": shares}

    def consent(self, purpose: str, person: Person, given: bool) -> dict[str, object]:
        """What the person answers to the wording of the plan that asks for the consent."""
        return {
            "purpose": purpose,
            "given": given,
            "wording": f"{purpose}-2026",
            "language": person.language,
        }

    def _register(self) -> Iterator[Line]:
        offer = self.random.choices(OFFERS, [offer.weight for offer in OFFERS])[0]
        system = self.random.choice(offer.systems)
        person = self.somebody(offer)
        event = self.submission(offer, system, person)
        closes = offer.closes_at(self.on)
        if closes is not None and self.time() > closes:
            yield self.registration(event, "refused", "registration_closed")
            return
        self.tally.take_place(offer)
        line = self.registration(event)
        if not offer.takes_changes:
            yield line
            return
        yield from self._with_what_follows(line, event, offer, system, person)

    def _with_what_follows(
        self, line: Line, event: Event, offer: Offer, system: System, person: Person
    ) -> Iterator[Line]:
        """The registration, and what comes of it later in the day, or before it."""
        chance, number = self.random.random(), event["data"]["registration_number"]
        if chance < 0.004:  # the change overtakes the registration
            yield self._change(system, number, person, "change_before_registration")
            self.later(lambda: line, 5, 20)
            return
        if chance < 0.03:  # on its way for long; its own time tells when it was made
            self.later(lambda: replace(line, kind="late_registration"), 30, 90)
            return
        yield line
        if chance < 0.06:
            self.later(lambda: self._change(system, number, person), 20, 80)
        elif chance < 0.09:
            self._cancel_later(offer, system, person, number)
        elif chance < 0.11:
            self.later(lambda: again(line), 0, 60)
        elif chance < 0.114:
            self.later(lambda: self._repeat(system, event), 1, 60)
        elif chance < 0.12 and offer is not WEBINAR:
            self.later(lambda: self._twice(offer, system, person), 1, 60)
        elif chance < 0.15:
            self.later(lambda: self._withdraw(person, self.number("K")), 30, 120)

    def _cancel_later(self, offer: Offer, system: System, person: Person, number: str) -> None:
        """The registration is taken back, and sometimes changed after that."""
        self.tally.give_place_back(offer)
        self.later(lambda: self.cancel(system, number), 20, 80)
        if self.random.random() < 0.15:
            kind, reason = "change_after_cancellation", "registration_cancelled"
            self.later(lambda: self._change(system, number, person, kind, reason), 90, 120)

    def _repeat(self, system: System, event: Event) -> Line:
        """The system says the same again as if it were new: one registration, one effect."""
        repeated = self.event("RegistrationSubmitted", system, event["data"])
        return self.registration(repeated, kind="same_registration_twice")

    def _twice(self, offer: Offer, system: System, person: Person) -> Line:
        """The person registers a second time for the same event."""
        event = self.submission(offer, system, person)
        return self.registration(event, "refused", "already_registered", "registered_already")

    def registration(
        self,
        event: Event,
        outcome: Outcome = "accepted",
        reason: str | None = None,
        kind: str = "registration",
    ) -> Line:
        """A registration as its system sends it: one of them uses binary mode at times."""
        key = event["data"]["registration_number"]
        if event["source"] == FORMS.uri and self.random.random() < 0.1:
            text = binary(event, topic=REGISTRATIONS, key=key)
        else:
            text = structured(event)
        return Line(text, REGISTRATIONS, kind, outcome, reason)

    def _change(
        self,
        system: System,
        number: str,
        person: Person,
        kind: str = "change",
        declined: str | None = None,
    ) -> Line:
        person.name = f"{person.name.split()[0]} {self.random.choice(LAST_NAMES)}"
        data = {"registration_number": number, "answers": {"name": person.name}}
        event = self.event("RegistrationChanged", system, data)
        outcome: Outcome = "accepted" if declined is None else "refused"
        return Line(structured(event), REGISTRATIONS, kind, outcome, declined)

    def cancel(self, system: System, number: str) -> Line:
        """The registration is taken back."""
        event = self.event("CancellationRequested", system, {"registration_number": number})
        return Line(structured(event), REGISTRATIONS, "cancellation", "accepted")

    def contact(self, person: Person, number: str, **changes: object) -> Event:
        """The person answers on the website whether newsletters are welcome."""
        data = {
            "contact_number": number,
            "email": person.email,
            "name": person.name,
            "language": person.language,
            "consents": [self.consent("marketing", person, self.random.random() < 0.6)],
        }
        return self.event("ContactSubmitted", WEBSITE, data | changes)

    def _join_list(self) -> Line:
        person, number = self.somebody(), self.number("K")
        line = Line(structured(self.contact(person, number)), CONTACTS, "contact", "accepted")
        if self.random.random() < 0.2:
            self.later(lambda: self._withdraw(person, number), 10, 100)
        elif self.random.random() < 0.05:
            self.later(lambda: again(line), 1, 50)
        return line

    def _withdraw(self, person: Person, number: str) -> Line:
        data: dict[str, object] = {"contact_number": number, "email": person.email}
        if person is self.aino or self.random.random() < 0.7:
            data["purposes"] = ["marketing"]  # else everything that rests on consent
        event = self.event("WithdrawalRequested", WEBSITE, data)
        return Line(structured(event), CONTACTS, "withdrawal", "accepted")

    def _story(self) -> Iterator[Line]:
        """One person through the day: what a demonstration can show the whole history of."""
        aino = self.aino
        yes = [self.consent(purpose, aino, True) for purpose in ("marketing", "dietary-needs")]
        shared = ["networking.name", "networking.email", "networking.organisation"]
        event = self.submission(SEMINAR, FORMS, aino, consents=yes, share_with_participants=shared)
        event["data"]["answers"] |= {"diet": DIETS[1], "room_wishes": ROOMS[0]}
        self.tally.take_place(SEMINAR)
        line = self.registration(event)
        yield line
        self.later(lambda: again(line), 10, 20)
        self.tally.take_place(COURSE)
        yield self.registration(self.submission(COURSE, COURSES, aino, consents=[]))
        noon, evening = self.registrations // 3, self.registrations * 4 // 5
        number = event["data"]["registration_number"]
        self.later(lambda: self._change(FORMS, number, aino), noon, noon)
        self.later(lambda: self._withdraw(aino, self.number("K")), evening, evening)


def again(line: Line) -> Line:
    """The very same message, once more."""
    return replace(line, kind="same_message_twice", outcome="duplicate")


def main() -> None:
    """Command line; see the top of the file."""
    from examples.command import run

    run()


if __name__ == "__main__":
    main()
