"""Somebody registers: form, person, place, sealed data, and the fact that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from services.registration import store
from services.registration.domain.events import (
    SEATED,
    Event,
    Full,
    InLine,
    Reason,
    Seated,
    refusal,
    seat,
)
from services.registration.domain.forms import Agreed, Form, FormFault, Kept, read
from services.registration.handlers.desk import About, Desk, Request, accept, decline
from services.registration.handlers.followups import follow_up
from services.registration.handlers.waiting import (
    Waits,
    condemn,
    keep_waiting,
    take_for_registrations,
)
from shared.contract.inbound import ConsentAnswer, RegistrationSubmitted
from shared.contract.message import Fault
from shared.contract.registration import (
    EventState,
    ParticipantRegistered,
    RegistrationWaitlisted,
)
from shared.contract.types import EventId, RegistrationId, Sealed, SubjectId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.errors import AliasError
from shared.privacy.subjects import Alias, written
from shared.privacy.values import ToSeal

Submission: TypeAlias = Request[RegistrationSubmitted]

_NOBODY: Final = Fault("field_invalid", "answers: the e-mail address or telephone number is none")


@dataclass(slots=True)
class _Candidate:
    """Somebody whose form is in order, and who gets a place if there is one."""

    request: Submission
    known: store.KnownEvent
    kept: Kept
    consents: tuple[ConsentAnswer, ...]
    subject_id: SubjectId | None = None
    place: Seated | InLine = SEATED
    personal: dict[str, Sealed] = field(default_factory=dict)


@dataclass(slots=True)
class _Intake:
    """One group of submissions, sorted by what comes of them."""

    desk: Desk
    tx: Transaction
    events: Mapping[bytes, store.KnownEvent]
    answered: set[bytes]
    candidates: list[_Candidate] = field(default_factory=list)
    waiting: list[Waits] = field(default_factory=list)
    declined: list[store.Declined] = field(default_factory=list)
    faults: list[tuple[Submission, Fault]] = field(default_factory=list)
    forms: dict[tuple[EventId, str], Form] = field(default_factory=dict)

    def take(self, request: Submission) -> None:
        if request.reference in self.answered:
            accept(self.tx, request)  # the same number again: it was answered, nothing happens
            return
        self.answered.add(request.reference)
        event_reference = self.desk.event_reference(request.data.event_number)
        known = self.events.get(event_reference)
        if known is None or (known.has_backlog and request.since is None):
            self.waiting.append(Waits(request, event=event_reference))
            return
        reason = refusal(known.event, request.at)
        if reason is None and known.event.is_full_for_good:
            reason = "event_full"
        if reason is None:
            self._read(request, known)
        else:
            self.decline(request, reason, known.event.id)

    def _read(self, request: Submission, known: store.KnownEvent) -> None:
        data = request.data
        consents = self.desk.consents(data.consents)
        agreed = Agreed(
            {answer.purpose for answer in consents if answer.given}, data.share_with_participants
        )
        kept = read(self._form(known.event, request.source), data.answers, agreed)
        if isinstance(kept, FormFault):
            self.faults.append((request, Fault(kept.reason, kept.detail)))
            return
        self.tx.dropped(kept.dropped)
        self.candidates.append(_Candidate(request, known, kept, consents))

    def _form(self, event: Event, source: str) -> Form:
        form = self.forms.get((event.id, source))
        if form is None:
            form = self.forms[event.id, source] = self.desk.form(event, source)
        return form

    def decline(
        self,
        request: Submission,
        reason: Reason,
        event_id: EventId,
        subject_id: SubjectId | None = None,
    ) -> None:
        decline(self.tx, request, reason, About(event_id, None, subject_id))
        self.declined.append(store.Declined(request.reference, event_id, reason, request.at))


async def submit(desk: Desk, tx: Transaction, requests: Sequence[Submission]) -> None:
    """Register people, in order: with a place, on the waiting list, or declined by a fact.

    What is for an event nobody announced yet waits, sealed. A number that was answered before has
    no second effect. The events are locked.
    """
    references = {desk.event_reference(request.data.event_number) for request in requests}
    events = await store.events_by_reference(tx.connection, references)
    numbers = [request.reference for request in requests]
    intake = _Intake(desk, tx, events, await store.answered(tx.connection, numbers))
    for request in requests:
        intake.take(request)
    await keep_waiting(desk, tx, intake.waiting)
    await condemn(desk, tx, intake.faults)
    if intake.candidates:
        placed = await _find_places(intake)
        await _seal(desk, tx, placed)
        await _register(tx, placed)
    await store.add_declined(tx.connection, intake.declined)
    await _catch_up(desk, tx, intake)


async def _find_places(intake: _Intake) -> list[_Candidate]:
    """Who they are and where they sit; those without a place, or with one already, are declined."""
    connection = intake.tx.connection
    subjects = await _identify(intake)
    candidates = intake.candidates
    asked = [
        (candidate.known.event.id, subject_id)
        for candidate, subject_id in zip(candidates, subjects, strict=True)
    ]
    present = await store.people_at_events(connection, asked)
    newcomers: dict[bytes, list[_Candidate]] = {}
    for candidate, person in zip(candidates, asked, strict=True):
        candidate.subject_id = person[1]
        if person in present:
            intake.decline(candidate.request, "already_registered", *person)
        else:
            present.add(person)
            newcomers.setdefault(candidate.known.reference, []).append(candidate)
    placed: list[_Candidate] = []
    changed: list[Event] = []
    for group in newcomers.values():
        event, places = seat(group[0].known.event, len(group))
        changed.append(event)
        for candidate, place in zip(group, places, strict=True):
            if isinstance(place, Full):
                intake.decline(candidate.request, "event_full", event.id, candidate.subject_id)
            else:
                candidate.place = place
                placed.append(candidate)
    await store.keep_counts(connection, changed)
    return placed


async def _identify(intake: _Intake) -> list[SubjectId]:
    """The subject of each candidate; who gave an address that cannot be one is no candidate more.

    The form has seen most of those, so that only what it let pass is looked at one by one.
    """
    privacy, connection = intake.desk.privacy, intake.tx.connection
    try:
        return await privacy.identify(connection, [_aliases(one) for one in intake.candidates])
    except AliasError:
        region = intake.desk.plan.organisation.region
        wrong: list[tuple[Submission, Fault]] = []
        right: list[_Candidate] = []
        for candidate in intake.candidates:
            try:
                for alias in _aliases(candidate):
                    written(alias, region=region)
            except AliasError:
                wrong.append((candidate.request, _NOBODY))
            else:
                right.append(candidate)
        intake.candidates = right
        await condemn(intake.desk, intake.tx, wrong)
        return await privacy.identify(connection, [_aliases(one) for one in right])


def _aliases(candidate: _Candidate) -> list[Alias]:
    """By what the person is known: the source's number, the address; else this registration."""
    request, contact = candidate.request, candidate.kept.content.get("contact", {})
    aliases = []
    if request.data.person_number is not None:
        aliases.append(Alias("person_number", request.data.person_number, request.source))
    email, phone = contact.get("email"), contact.get("phone")
    if isinstance(email, str):
        aliases.append(Alias("email", email))
    elif isinstance(phone, str):
        aliases.append(Alias("phone", phone))
    if not aliases:
        number = f"registration {request.data.registration_number}"
        aliases.append(Alias("person_number", number, request.source))
    return aliases


async def _seal(desk: Desk, tx: Transaction, placed: Sequence[_Candidate]) -> None:
    items = [
        (candidate, category, content)
        for candidate in placed
        for category, content in candidate.kept.content.items()
    ]
    sealed = await desk.privacy.seal(
        tx.connection,
        [
            ToSeal(
                _subject(candidate),
                category,
                desk.context(category, candidate.known.event.id),
                content,
                candidate.request.at,
            )
            for candidate, category, content in items
        ],
        at=tx.now,
    )
    for (candidate, category, _), value in zip(items, sealed, strict=True):
        if value is not None:
            candidate.personal[category] = value


async def _register(tx: Transaction, placed: Sequence[_Candidate]) -> None:
    rows = [
        store.NewRegistration(
            id=RegistrationId(tx.new_id()),
            source=candidate.request.source,
            reference=candidate.request.reference,
            subject_id=_subject(candidate),
            event_id=candidate.known.event.id,
            language=candidate.request.data.language,
            personal=candidate.personal,
            consents=candidate.consents,
            share_fields=candidate.request.data.share_with_participants,
            in_line=candidate.place.in_line if isinstance(candidate.place, InLine) else None,
            at=candidate.request.at,
        )
        for candidate in placed
    ]
    if rows:
        await store.add_registrations(tx.connection, rows)
    states: dict[EventId, EventState] = {}
    for candidate, row in zip(placed, rows, strict=True):
        state = states.get(row.event_id)
        if state is None:
            state = states[row.event_id] = candidate.known.event.state()
        _say(tx, candidate, row, state)


def _say(
    tx: Transaction, candidate: _Candidate, row: store.NewRegistration, state: EventState
) -> None:
    participation = {
        "registration_id": row.id,
        "subject_id": row.subject_id,
        "event": state,
        "language": row.language,
        "source": row.source,
        "personal": row.personal,
        "consents": row.consents,
    }
    fact: ParticipantRegistered | RegistrationWaitlisted
    if isinstance(candidate.place, InLine):
        position = candidate.place.position
        fact = RegistrationWaitlisted(**participation, position=position, waitlisted_at=row.at)
    else:
        fact = ParticipantRegistered(**participation, registered_at=row.at)
    because = candidate.request.message
    tx.say(fact, key=row.subject_id, subject=row.subject_id, because=because)
    accept(tx, candidate.request)


async def _catch_up(desk: Desk, tx: Transaction, intake: _Intake) -> None:
    """Changes and cancellations that came before their registration did."""
    answered = [candidate.request.reference for candidate in intake.candidates]
    answered += [declined.reference for declined in intake.declined]
    if answered:
        waited = await take_for_registrations(desk, tx, set(answered))
        await follow_up(desk, tx, waited)


def _subject(candidate: _Candidate) -> SubjectId:
    if candidate.subject_id is None:
        raise LookupError("a place was given to somebody who was not identified")
    return candidate.subject_id
