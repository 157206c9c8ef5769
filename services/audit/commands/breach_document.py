"""What follows from a recipient having lost data, as a document for who has to act. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from services.audit.domain.breach import Alike, Clock, Consequences, Duty, Lost, LostCategory
from services.audit.handlers.plans import Plans
from shared.documents.document import Document, Fact, Section, Table, cell, fact
from shared.documents.telling import Teller
from shared.documents.words import Words
from shared.privacy.plan import Plan, Recipient

SHOWN: Final = 20
"""Subjects of whom a document has the ids, for each set of categories; JSON has all."""

_DUTY: Final[dict[Duty, str]] = {
    "ours": "Ours: the recipient acts for us, or is a private person.",
    "arrangement": "As the arrangement with the joint controller says (article 26): {agreement}.",
    "theirs_first": "The recipient's first, as the controller of what it was given (article 4(7))."
    " Agree at once who notifies; where it only acted for us, or does not notify, it is ours.",
    "unknown": "No plan that is stored has anybody of this name: find out what they are."
    " A processor's breach is ours to notify, another controller's first its own.",
}

_UNLESS: Final = "Not where a risk to the people is unlikely: then write down why (article 33(5))."


@dataclass(frozen=True, slots=True)
class Breach:
    """Of what recipient, in which span (`since <= at < until`), and what follows."""

    recipient: str
    since: datetime
    until: datetime
    lost: Lost
    consequences: Consequences
    plans: Plans

    @property
    def teller(self) -> Teller:
        """Of today's plan, in English, as the command is."""
        return self._teller(self.plans.today)

    def _teller(self, plan: Plan) -> Teller:
        return Teller(plan, Words("en"))

    def moment(self, moment: datetime) -> str:
        """As it is where the organisation is."""
        zone = ZoneInfo(self.plans.today.organisation.time_zone)
        return self.teller.words.moment(moment.astimezone(zone))

    def category(self, name: str) -> str:
        """What the newest plan calls it that has it."""
        plan = self.plans.newest_with(lambda plan: name in plan.categories)
        return name if plan is None else self._teller(plan).category(name)

    @property
    def party(self) -> Recipient | None:
        """The recipient, in the newest plan that has it; None for an authority, or for nobody."""
        plan = self.plans.newest_with(lambda plan: self.recipient in plan.recipients)
        return None if plan is None else plan.recipients[self.recipient]

    @property
    def name(self) -> str:
        """Who it is."""
        if self.party is not None:
            return self.teller.recipient(self.party)
        plan = self.plans.newest_with(lambda plan: self.recipient in plan.authorities)
        if plan is None:
            return self.recipient
        return self.teller.text(plan.authorities[self.recipient].name)


def breach_document(breach: Breach) -> Document:
    """What was lost, whom to notify until when, and who is affected."""
    sections = [_lost(breach)]
    if breach.lost.people:
        sections += [_notify(breach), _contents(breach), _affected(breach)]
    return Document(
        "en",
        f"Personal data lost by {breach.name}",
        "What was handed to this recipient in the span below counts as lost"
        " (General Data Protection Regulation, articles 33 and 34).",
        tuple(sections),
        breach.teller.foot,
    )


def _lost(breach: Breach) -> Section:
    lost = breach.lost
    facts = (
        Fact("Span", (f"{breach.moment(breach.since)} to {breach.moment(breach.until)}",)),
        Fact("People affected", (f"{lost.people:,}",)),
        Fact("Records", (f"{lost.records:,}, in {lost.disclosures:,} disclosures",)),
        *fact("Handed over", _between(breach)),
        *_uncertain(lost),
    )
    table = Table(
        "A record is what one disclosure had of one person",
        ("Category", "Special (article 9)", "People", "Records"),
        tuple(
            (
                cell(breach.category(one.name)),
                cell(_kind(breach, one)),
                cell(f"{one.people:,}"),
                cell(f"{one.records:,}"),
            )
            for one in lost.categories
        ),
    )
    return Section("What was lost", facts=facts, tables=(table,) if table.rows else ())


def _between(breach: Breach) -> str | None:
    first, last = breach.lost.first_at, breach.lost.last_at
    if first is None or last is None:
        return None
    return f"{breach.moment(first)} to {breach.moment(last)}"


def _uncertain(lost: Lost) -> Iterator[Fact]:
    if lost.unconfirmed:
        yield Fact("Not known to have arrived", (f"{lost.unconfirmed:,} of these records",))
    if lost.undelivered:
        yield Fact("Did not arrive", (f"{lost.undelivered:,} more records, not counted",))


def _kind(breach: Breach, lost: LostCategory) -> str:
    if lost.name in breach.consequences.unknown:
        return "no plan says"
    return "yes" if lost.name in breach.consequences.special else "no"


def _notify(breach: Breach) -> Section:
    organisation = breach.plans.today.organisation
    authority = organisation.supervisory_authority
    officer = organisation.data_protection_officer
    agreement = (None if breach.party is None else breach.party.agreement) or ""
    named = "the plan names none" if authority is None else breach.teller.contact_line(authority)
    return Section(
        "Whom to notify",
        facts=(
            Fact("Whose duty", (_DUTY[breach.consequences.duty].format(agreement=agreement),)),
            Fact(
                "Supervisory authority",
                (named, _deadline(breach, breach.consequences.clock), _UNLESS),
            ),
            Fact("The people", (_telling(breach),)),
            *fact("Officer", None if officer is None else breach.teller.contact_line(officer)),
            *fact("Controllers", *_controllers(breach)),
        ),
    )


def _deadline(breach: Breach, clock: Clock) -> str:
    until = f"Article 33(1): until {breach.moment(clock.deadline)}"
    known = f"72 hours from {breach.moment(clock.known_at)}"
    if clock.is_over:
        over = _hours(-clock.left)
        return f"{until}, {known}. Over by {over}: the reasons for the delay go with it."
    return f"{until}, {known}: {_hours(clock.left)} left."


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60} min"


def _telling(breach: Breach) -> str:
    found = breach.consequences
    if found.telling == "required":
        names = ", ".join(breach.category(name) for name in found.special)
        return (
            "To be told without undue delay (article 34): the risk to them is high, since special"
            f" categories were lost: {names}. Not where article 34(3) applies, such as data that"
            " nobody can read without a key."
        )
    unknown = f"; no plan says what {', '.join(found.unknown)} is" if found.unknown else ""
    return (
        f"Somebody has to judge it (article 34): no special category is known to be lost{unknown}."
        " The risk is high only by what can be done with the rest. Write down who judged, and how."
    )


def _controllers(breach: Breach) -> Iterator[str]:
    """Article 33(2): the log does not say which data is processed for whom."""
    for mandate in breach.plans.today.on_behalf.values():
        who = breach.teller.contact_line(mandate.controller)
        what = breach.teller.text(mandate.describes)
        yield f"{who}: without undue delay, if it concerns {what} (article 33(2))"


def _contents(breach: Breach) -> Section:
    lost = breach.lost
    return Section(
        "What the notification has to say (article 33(3))",
        points=(
            f"(a) what happened: {lost.people:,} people, {lost.records:,} records, as above",
            "(b) whom to ask: the officer above",
            "(c) what is likely to follow from it: to be written",
            "(d) what was done about it, or will be: to be written",
        ),
    )


def _affected(breach: Breach) -> Section:
    rows = tuple(
        (
            cell(*(breach.category(name) for name in alike.categories)),
            cell(f"{alike.people:,}"),
            cell(*_ids(alike)),
        )
        for alike in breach.lost.alike
    )
    table = Table(
        "By what was lost of them. Subjects that proved to be one person count apart",
        ("Categories", "People", "Subjects"),
        rows,
    )
    return Section("Who they are", tables=(table,))


def _ids(alike: Alike) -> Iterator[str]:
    yield from (str(one) for one in islice(alike.subject_ids(), SHOWN))
    if alike.people > SHOWN:
        yield f"and {alike.people - SHOWN:,} more: --json has all"
