"""Somebody registers: form, person, place, sealed data, and the fact that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.registration import store
from services.registration.domain.events import (
    SEATED,
    Event,
    Full,
    InLine,
    Seated,
    refusal,
    seat,
)
from services.registration.handlers.desk import About, Desk, accept, decline
from services.registration.handlers.followups import follow_up
from services.registration.handlers.noes import who_says_no
from services.registration.handlers.participation import participation
from services.registration.handlers.ready import (
    Answered,
    FormReader,
    MadeReady,
    Ready,
    Submission,
    make_ready,
)
from services.registration.handlers.waiting import (
    Waits,
    condemn,
    keep_waiting,
    take_for_registrations,
)
from shared.contract.message import Fault
from shared.contract.registration import EventState, RejectionReason
from shared.contract.types import EventId, RegistrationId, SubjectId
from shared.contract.value_type import value_type
from shared.messaging.unit_of_work import Transaction


@value_type
class _Candidate:
    """Somebody who is ready, and the place that they get."""

    known: store.KnownEvent
    ready: Ready
    place: Seated | InLine = SEATED

    @property
    def request(self) -> Submission:
        return self.ready.answered.request


@dataclass(slots=True)
class _Intake:
    """One group of submissions, sorted by what comes of them."""

    desk: Desk
    tx: Transaction
    events: Mapping[bytes, store.KnownEvent]
    answered: set[bytes]
    made_ready: MadeReady
    reader: FormReader
    accepted: list[tuple[store.KnownEvent, Answered, Ready | None]] = field(default_factory=list)
    waiting: list[Waits] = field(default_factory=list)
    refused: list[tuple[Submission, store.KnownEvent, RejectionReason]] = field(
        default_factory=list
    )
    declined: list[store.Declined] = field(default_factory=list)
    faults: list[tuple[Submission, Fault]] = field(default_factory=list)

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
            self._accept(request, known)
        else:
            self.refused.append((request, known, reason))

    async def decline_refused(self) -> None:
        """Decline whom the event takes no more, without asking who they are but for a no."""
        concerned = [(request, known) for request, known, _ in self.refused]
        whose = await who_says_no(self.desk, self.tx, self.reader, concerned)
        for request, known, reason in self.refused:
            self.decline(request, reason, known.event.id, whose.get(request.reference))

    def _accept(self, request: Submission, known: store.KnownEvent) -> None:
        ready = self.made_ready.of(request, known)
        form = self.reader.read(request, known) if ready is None else ready.answered
        if ready is None and not isinstance(form, Fault):
            form = self.made_ready.fault_of(request, known) or form
        if isinstance(form, Fault):
            self.faults.append((request, form))
            return
        if ready is None:
            self.tx.begin_again()  # who identifies people under the lock waits for others there
        self.accepted.append((known, form, ready))

    async def candidates(self) -> list[_Candidate]:
        """Everybody who is accepted, in order; for some nothing could be done before the lock."""
        late = [answered for _, answered, ready in self.accepted if ready is None]
        made, faults = await make_ready(self.desk, self.tx, late)
        self.faults += [(answered.request, fault) for answered, fault in faults]
        late_ones = {one.answered.request.reference: one for one in made}
        found = [
            _Candidate(known, who)
            for known, answered, ready in self.accepted
            if (who := ready or late_ones.get(answered.request.reference)) is not None
        ]
        for candidate in found:
            answered = candidate.ready.answered
            left_out = len(answered.request.data.consents) - len(answered.consents)
            self.tx.dropped([*answered.kept.dropped, *["consents"] * left_out])
        return found

    def decline(
        self,
        request: Submission,
        reason: RejectionReason,
        event_id: EventId,
        subject_id: SubjectId | None = None,
    ) -> None:
        noes = None if subject_id is None else self.desk.noes(request)
        decline(self.tx, request, reason, About(event_id, None, subject_id, noes))
        self.declined.append(store.Declined(request.reference, event_id, reason, request.at))


async def submit(
    desk: Desk, tx: Transaction, requests: Sequence[Submission], made_ready: MadeReady
) -> None:
    """Register people, in order: with a place, on the waiting list, or declined by a fact.

    What is for an event nobody announced yet waits, sealed. A number that was answered before has
    no second effect. The events are locked.
    """
    references = {desk.event_reference(request.data.event_number) for request in requests}
    events = await store.events_by_reference(tx.connection, references)
    numbers = [request.reference for request in requests]
    answered = await store.answered(tx.connection, numbers)
    intake = _Intake(desk, tx, events, answered, made_ready, FormReader(desk))
    for request in requests:
        intake.take(request)
    await keep_waiting(desk, tx, intake.waiting)
    await intake.decline_refused()
    candidates = await intake.candidates()
    await condemn(desk, tx, intake.faults)
    if candidates:
        await _register(tx, await _find_places(intake, candidates))
    await store.add_declined(tx.connection, intake.declined)
    await _catch_up(desk, tx, intake, candidates)


async def _find_places(intake: _Intake, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Where they sit; those without a place, or with one already, are declined."""
    connection = intake.tx.connection
    asked = [(one.known.event.id, one.ready.subject_id) for one in candidates]
    present = await store.people_at_events(connection, asked)
    newcomers: dict[bytes, list[_Candidate]] = {}
    for candidate, person in zip(candidates, asked, strict=True):
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
                subject_id = candidate.ready.subject_id
                intake.decline(candidate.request, "event_full", event.id, subject_id)
            else:
                placed.append(_Candidate(candidate.known, candidate.ready, place))
    await store.keep_counts(connection, changed)
    return placed


async def _register(tx: Transaction, placed: Sequence[_Candidate]) -> None:
    events = {candidate.known.event.id: candidate.known.event for candidate in placed}
    charges = {event_id: event.charge for event_id, event in events.items()}
    rows = [
        store.NewRegistration(
            id=RegistrationId(tx.new_id()),
            source=candidate.request.source,
            reference=candidate.request.reference,
            subject_id=candidate.ready.subject_id,
            event_id=candidate.known.event.id,
            language=candidate.request.data.language,
            personal=candidate.ready.personal,
            consents=candidate.ready.answered.consents,
            share_fields=candidate.ready.answered.shared,
            in_line=candidate.place.in_line if isinstance(candidate.place, InLine) else None,
            charge=(
                charges[candidate.known.event.id] if isinstance(candidate.place, Seated) else None
            ),
            at=candidate.request.said_at,
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
    place = candidate.place
    fact = participation(row, state, place.position if isinstance(place, InLine) else None)
    because = candidate.request.message
    tx.say(fact, key=row.subject_id, subject=row.subject_id, because=because)
    accept(tx, candidate.request)


async def _catch_up(
    desk: Desk, tx: Transaction, intake: _Intake, candidates: Sequence[_Candidate]
) -> None:
    """Changes and cancellations that came before their registration did."""
    answered = [candidate.request.reference for candidate in candidates]
    answered += [declined.reference for declined in intake.declined]
    if answered:
        waited = await take_for_registrations(desk, tx, set(answered))
        await follow_up(desk, tx, waited, intake.made_ready.held)
