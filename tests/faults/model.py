"""What Steward is to make of the load, in plain memory: no database, no topic, nothing at once.

It shares with the services the plan and the contract and none of their code: a mistake there is
not repeated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

import orjson

from examples.offers import HELSINKI
from shared.privacy.plan import Plan
from tests.faults.answers import Answers
from tests.faults.load import DINNER, OFFERS, Offer, Upstream

State = Literal["given", "refused", "withdrawn"]
CONSENTED = ("dietary-needs", "marketing", "networking")
"""Purposes that rest on consent: what a withdrawal that names none takes back."""

ASKED_BY_REGISTRATION = ("dietary-needs", "networking")
"""Those among them that registration opens data for. It keeps no other consent."""

LASTS_AT_MOST = timedelta(hours=1)
"""Of what is inflicted on one world."""

_BY_NUMBER = {offer.number: offer for offer in OFFERS}


class YearEndsError(Exception):
    """Invoices of one run would be of two financial years, and nobody could tell which of which."""


def canonical(content: object) -> str:
    """One text for equal content."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()


def without_diet(personal: Mapping[str, Any]) -> dict[str, Any]:
    """What a fact tells for sure: whether a diet that was taken back is in it, a timing decides."""
    return {category: content for category, content in personal.items() if category != "diet"}


@dataclass
class Registration:
    """A registration as it is to stand in the end."""

    number: str
    offer: Offer
    email: str
    personal: dict[str, dict[str, str]]
    status: Literal["registered", "waitlisted", "cancelled"]


@dataclass(frozen=True)
class Said:
    """One statement of one person about one purpose. `origin` is what it came with."""

    email: str
    purpose: str
    state: State
    at: datetime
    by: Literal["registration", "contact"]
    origin: str


@dataclass
class Model:
    """Takes messages in the order in which each key has them, and knows the right answers."""

    plan: Plan
    begins: datetime
    """The moment of the first message."""

    year_ends: date
    """Of the financial year in which the system runs: it issues invoices as of now."""

    taken: set[str] = field(default_factory=set)
    registrations: dict[str, Registration] = field(default_factory=dict)
    emails: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    recorded: set[Said] = field(default_factory=set)
    line: list[Registration] = field(default_factory=list)
    """Who waits for a place at the fair."""
    announced: list[Offer] = field(default_factory=list)
    facts: Answers = field(default_factory=Answers)
    """Of registration and finance: the order matters, so they are noted as they come."""

    def take(self, message: Upstream) -> None:
        """What the message leads to; the very same message has no second effect."""
        if message.id in self.taken:
            return
        self.taken.add(message.id)
        take = {
            "EventAnnounced": self._announce,
            "RegistrationSubmitted": self._submit,
            "CancellationRequested": self._cancel,
            "RegistrationChanged": self._change,
            "ContactSubmitted": self._contact,
            "WithdrawalRequested": self._withdraw,
        }
        take[message.kind](message, message.data)

    def forget_identities(self) -> None:
        """From now on the very same message counts as a new one, which says what is known."""
        self.taken.clear()

    def _announce(self, message: Upstream, data: Mapping[str, Any]) -> None:
        offer = _BY_NUMBER[data["event_number"]]
        if offer in self.announced:
            return
        self.announced.append(offer)
        self._registered_fact(offer.number, "EventOpened", message.at)

    def _submit(self, message: Upstream, data: Mapping[str, Any]) -> None:
        number = data["registration_number"]
        if number in self.registrations:
            return
        offer, email = _BY_NUMBER[data["event_number"]], data["answers"]["email"]
        self.emails.add(email)
        self.names[email] = data["answers"]["name"]
        full = offer.capacity is not None and (self.line or self._taken(offer) >= offer.capacity)
        row = Registration(
            number, offer, email, _personal(data), "waitlisted" if full else "registered"
        )
        self.registrations[number] = row
        if full:
            self.line.append(row)
            self._participation_fact(row, "RegistrationWaitlisted", len(self.line))
        else:
            self._participation_fact(row, "ParticipantRegistered")
            self._invoice(row)
        for answer in data["consents"]:
            state: State = "given" if answer["given"] else "refused"
            said = Said(email, answer["purpose"], state, message.at, "registration", number)
            self._say(said)

    def _cancel(self, message: Upstream, data: Mapping[str, Any]) -> None:
        row = self.registrations[data["registration_number"]]
        if row.status == "cancelled":
            return
        if row.status == "waitlisted":
            self.line.remove(row)
        had_place, row.status = row.status == "registered", "cancelled"
        self._registered_fact(row.number, "RegistrationCancelled")
        self._credit(row)
        if had_place and self.line and row.offer.capacity is not None:
            first = self.line.pop(0)
            first.status = "registered"
            self._participation_fact(first, "ParticipantRegistered")

    def _change(self, message: Upstream, data: Mapping[str, Any]) -> None:
        row = self.registrations[data["registration_number"]]
        if row.status == "cancelled":
            self._registered_fact(row.number, "RegistrationRejected", "registration_cancelled")
            return
        row.personal["contact"] |= data["answers"]
        self._participation_fact(row, "ParticipantUpdated")

    def _contact(self, message: Upstream, data: Mapping[str, Any]) -> None:
        for answer in data["consents"]:
            state: State = "given" if answer["given"] else "refused"
            where = ("contact", message.key)
            self._say(Said(data["email"], answer["purpose"], state, message.at, *where))  # type: ignore[arg-type]

    def _withdraw(self, message: Upstream, data: Mapping[str, Any]) -> None:
        for purpose in data["purposes"] or CONSENTED:
            where = ("contact", message.key)
            self._say(Said(data["email"], purpose, "withdrawn", message.at, *where))  # type: ignore[arg-type]

    def _say(self, said: Said) -> None:
        # A statement is recorded once, however often it comes: all have moments of their own.
        if said in self.recorded:
            return
        self.recorded.add(said)
        self.said.append(said)
        fact = {"given": "ConsentGiven", "refused": "ConsentRefused"}
        kind = fact.get(said.state, "ConsentWithdrawn")
        self.facts.fact("consent", (said.origin, said.purpose), kind, said.at)

    def _registered_fact(self, about: str, kind: str, *values: Any) -> None:  # noqa: ANN401
        known = () if kind == "EventOpened" else values
        self.facts.fact("registration", about, kind, *known)

    def _participation_fact(self, row: Registration, kind: str, *values: int) -> None:
        told = canonical(without_diet(row.personal))
        self._registered_fact(row.number, kind, *values, told)

    def _taken(self, offer: Offer) -> int:
        rows = self.registrations.values()
        return sum(row.offer is offer and row.status == "registered" for row in rows)

    def _invoice(self, row: Registration) -> None:
        if row.offer.net:
            self.facts.fact("finance", row.number, "invoice", row.offer.net, self._vat(row.offer))

    def _credit(self, row: Registration) -> None:
        if row.offer.net and ("finance", row.number) in self.facts.facts:
            net, vat = -row.offer.net, -self._vat(row.offer)
            self.facts.fact("finance", row.number, "credit_note", net, vat)

    def _vat(self, offer: Offer) -> int:
        percent = Decimal(self.plan.vat_classes[offer.vat_class or ""].percent)
        return int((offer.net * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))

    # The right answers

    def answers(self, disclosures: Mapping[str, str]) -> Answers:
        """As of now; `disclosures` is the state of each disclosure of the dinner's list."""
        right = Answers()
        right.facts.update({chain: list(facts) for chain, facts in self.facts.facts.items()})
        self._registration(right)
        self._consent(right)
        self._finance(right)
        self._retention(right)
        self._audit(right, disclosures)
        return right

    def _registration(self, right: Answers) -> None:
        undecided = self._diets_taken_back()
        for row in self.registrations.values():
            if row.number in undecided:
                kept, left_out = Answers(), Answers()
                self._keep(kept, row, row.personal)
                self._keep(left_out, row, without_diet(row.personal))
                right.either.append((kept, left_out))
            else:
                self._keep(right, row, row.personal)
        for offer in self.announced:
            waiting = len(self.line) if offer.capacity is not None else 0
            right.row("registration.event", offer.number, "open", self._taken(offer), waiting)

    def _keep(self, right: Answers, row: Registration, personal: Mapping[str, Any]) -> None:
        """What is kept of a registration, and in the schedule."""
        right.row(
            "registration.registration", row.number, row.email, row.offer.number, row.status,
            canonical(personal),
        )  # fmt: skip
        ends = self._ends_on(row.offer)
        for part in personal.keys() - {"marketing"}:
            due = self._due(self.plan.retention_of(part)[0], ends)
            right.row("retention.schedule_item", "category", row.number, part, due)

    def _diets_taken_back(self) -> set[str]:
        """Registrations whose diet was agreed to and taken back: it is kept where registration
        heard of the no after it had handled the registration, and else left out (ADR 72).
        """
        said = [one for one in self.said if one.purpose == "dietary-needs"]
        noes = {one.email: one.at for one in sorted(said, key=_at) if one.state != "given"}
        return {
            one.origin
            for one in said
            if one.by == "registration" and one.email in noes and noes[one.email] >= one.at
        } & {row.number for row in self.registrations.values() if "diet" in row.personal}

    def _consent(self, right: Answers) -> None:
        for email in self.emails:
            right.row("keyring.subject", email)
        for said in self.said:
            record = (said.email, said.purpose, said.state, said.at, said.by)
            right.row("consent.consent_record", *record)
        for held in self._held():
            given = held.state == "given"
            right.row("consent.consent_state", held.email, held.purpose, held.state, held.at)
            if held.purpose in ASKED_BY_REGISTRATION:
                right.row("registration.consent", held.email, held.purpose, given, held.at)
            if held.purpose == "marketing" and given:
                content = {"name": self.names[held.email], "email": held.email}
                right.row("consent.contact", held.email, canonical(content))

    def _held(self) -> Iterator[Said]:
        """What holds of each person and purpose: what was said last."""
        held: dict[tuple[str, str], Said] = {}
        for said in sorted(self.said, key=_at):
            held[said.email, said.purpose] = said
        yield from held.values()

    def _finance(self, right: Answers) -> None:
        for (topic, number), facts in self.facts.facts.items():
            if topic != "finance":
                continue
            row = self.registrations[str(number)]
            buyer = {"name": self.names[row.email], **row.personal.get("billing", {})}
            for fact in facts:
                right.row("finance.invoice", number, row.email, *fact)  # type: ignore[misc]
                right.row("finance.buyer", number, canonical(buyer))

    def _retention(self, right: Answers) -> None:
        for offer in self.announced:
            right.row("retention.event_anchor", offer.number, self._ends_on(offer))
        for row in self.registrations.values():
            due: date | None = self._due("event-data", self._ends_on(row.offer))
            right.row("retention.schedule_item", "registration", row.number, "registration", due)
            # An invoice and what takes it back are a voucher and a part of the ledger each.
            for _ in self.facts.facts.get(("finance", row.number), ()):
                for part in ("voucher", "ledger"):
                    due = self._due(part, self.year_ends)
                    right.row("retention.schedule_item", "invoice", row.number, part, due)
        for held in self._held():
            if held.purpose == "marketing":
                on = held.at.astimezone(HELSINKI).date()
                due = None if held.state == "given" else self._due("marketing", on)
                part = "marketing/marketing"
                right.row("retention.schedule_item", "consent", held.email, part, due)

    def _due(self, retention_class: str, anchor: date) -> date:
        last = self.plan.retention[retention_class].period.after(anchor)
        return date.fromordinal(last.toordinal() + 1)

    def _ends_on(self, offer: Offer) -> date:
        return datetime.fromisoformat(offer.data(self.begins)["ends_at"]).date()

    def _audit(self, right: Answers, disclosures: Mapping[str, str]) -> None:
        guests = [row for row in self.registrations.values() if row.offer is DINNER]
        for disclosure, state in disclosures.items():
            for guest in guests:
                right.row("audit.entry", disclosure, "DataDisclosed", guest.email)
                right.fact("audit", disclosure, "DataDisclosed")
            ended = {"delivered": "DisclosureDelivered", "failed": "DisclosureFailed"}.get(state)
            if ended is not None:
                right.row("audit.entry", disclosure, ended, None)
                right.fact("audit", disclosure, ended)
        for said in self.said:
            right.row("audit.entry", said.purpose, "ConsentRecorded", said.email)
            right.fact("audit", (said.email, said.purpose, said.state), "ConsentRecorded")


def _at(said: Said) -> datetime:
    return said.at


def _personal(data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What is kept of the answers, by category: what rests on consent only with it."""
    given = data["answers"]
    agreed = {answer["purpose"] for answer in data["consents"] if answer["given"]}
    contact = {"name": given["name"], "email": given["email"]}
    kept = {"contact": dict(contact)}
    if "billing_name" in given:
        kept["billing"] = {"name": given["billing_name"], "address": given["billing_address"]}
    if "diet" in given and "dietary-needs" in agreed:
        kept["diet"] = {"text": given["diet"]}
    if "marketing" in agreed:
        kept["marketing"] = dict(contact)
    return kept


def end_of_year(plan: Plan, now: datetime) -> date:
    """The last day of the financial year of all invoices of a run that begins now.

    Raises YearEndsError.
    """
    first, last = (
        plan.financial_year.end(moment.astimezone(HELSINKI).date())
        for moment in (now, now + LASTS_AT_MOST)
    )
    if first != last:
        raise YearEndsError(
            f"the financial year ends on {first}, maybe within the run: begin later"
        )
    return last
