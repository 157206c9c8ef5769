"""What can be done for registrations before their events are locked.

Whoever holds an event keeps everybody else from it. So forms are read, people identified and data
sealed before that, by the event as it is then; where it turns out to be another one under the lock,
the batch begins again, once, and what then is left is done there. That holds for those who waited
for the event, too: who identifies people while holding it waits for whoever knows them first, who
may be waiting for the event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from services.registration import store
from services.registration.domain.consents import taken_back
from services.registration.domain.events import Event, refusal
from services.registration.domain.forms import Agreed, Form, FormFault, Kept, read
from services.registration.handlers.addresses import CONTACT, KnownBy, address_of, is_alias
from services.registration.handlers.desk import Desk, Request
from services.registration.handlers.events import foresee
from services.registration.handlers.waiting import waiting_for_events
from shared.contract.inbound import (
    CancellationRequested,
    ConsentAnswer,
    EventAnnounced,
    FormField,
    RegistrationSubmitted,
)
from shared.contract.message import Fault, Message
from shared.contract.types import EventId, Sealed, SubjectId
from shared.contract.value_type import value_type
from shared.messaging.places import Place, place_of
from shared.messaging.unit_of_work import Transaction
from shared.privacy.errors import AliasError
from shared.privacy.subjects import Alias
from shared.privacy.values import ToSeal

Submission: TypeAlias = Request[RegistrationSubmitted]

_NO_ADDRESS: Final = "answers: the e-mail address or telephone number is none"


@value_type
class Answered:
    """A form that is in order: what is kept of it, and the consents that prove something.

    `form` is the event's, by which the answers were read, and `read_by` what the plan makes of it
    for the source; `shared` are the fields that other participants may see.
    """

    request: Submission
    event_id: EventId
    form: tuple[FormField, ...]
    read_by: Form
    kept: Kept
    consents: tuple[ConsentAnswer, ...]
    shared: tuple[str, ...]
    agreed: Agreed

    def is_for(self, event: Event) -> bool:
        """Whether it was read by what this event asks for."""
        return self.event_id == event.id and self.form == event.offer.form


@value_type
class Ready:
    """Somebody who is identified, and their data, sealed, by category."""

    answered: Answered
    subject_id: SubjectId
    personal: Mapping[str, Sealed]


_Asked: TypeAlias = tuple[Place, datetime | None]
"""A request by where its message stood, and since when it waits: a log may begin anew meanwhile."""


@dataclass(frozen=True, slots=True)
class MadeReady:
    """What was done for a batch, by the place of each message, and for those who waited.

    `faults` are of those whose address cannot be one. `event_ids` are for the events that it opens,
    by their references. `known_by` are addresses that registrations are corrected to in it, as far
    as they lead to their people by now. `held` are the events that are locked.
    """

    requests: Mapping[Place, Submission] = field(default_factory=dict)
    ready: Mapping[_Asked, Ready] = field(default_factory=dict)
    faults: Mapping[_Asked, tuple[Answered, Fault]] = field(default_factory=dict)
    event_ids: Mapping[bytes, EventId] = field(default_factory=dict)
    known_by: Collection[KnownBy] = frozenset()
    held: Collection[bytes] = frozenset()

    def request(
        self, desk: Desk, message: Message[RegistrationSubmitted]
    ) -> Request[RegistrationSubmitted]:
        """The message as a request."""
        return self.requests.get(place_of(message.record)) or desk.request(message)

    def of(self, request: Submission, known: store.KnownEvent) -> Ready | None:
        """Who was made ready, if the event still asks for the same."""
        ready = self.ready.get(_asked(request))
        return ready if ready is not None and ready.answered.is_for(known.event) else None

    def fault_of(self, request: Submission, known: store.KnownEvent) -> Fault | None:
        """What is wrong with the address, as far as that was found out, if the event still asks
        for the same.
        """
        answered, fault = self.faults.get(_asked(request), (None, None))
        return fault if answered is not None and answered.is_for(known.event) else None


def _asked(request: Submission) -> _Asked:
    return place_of(request.message.record), request.since


class FormReader:
    """Reads forms for one batch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms: dict[tuple[EventId, str], Form] = {}

    def read(self, request: Submission, known: store.KnownEvent) -> Answered | Fault:
        """What is kept of the answers, or what is wrong with them."""
        data, event = request.data, known.event
        consents = self._desk.consents(data.consents)
        shared = self._desk.shared(data.share_with_participants)
        agreed = Agreed.of(consents, shared)
        form = self._forms.get((event.id, request.source))
        if form is None:
            form = self._forms[event.id, request.source] = self._desk.form(event, request.source)
        kept = read(form, data.answers, agreed)
        if isinstance(kept, FormFault):
            return Fault(kept.reason, kept.detail)
        return Answered(request, event.id, event.offer.form, form, kept, consents, shared, agreed)


async def make_all_ready(
    desk: Desk,
    tx: Transaction,
    submitted: Sequence[Submission],
    announced: Sequence[Request[EventAnnounced]],
    taken_back: Sequence[Request[CancellationRequested]],
) -> MadeReady:
    """For a batch: whoever registers in it, and who waits for an event that it opens; by the events
    as it leaves them, with the places that are given back in it.
    """
    references = {desk.event_reference(request.data.event_number) for request in submitted}
    references |= {request.reference for request in announced}
    events = await store.events_by_reference(tx.connection, references)
    foreseen = foresee(desk, tx, announced, events)
    opening = foreseen.keys() - events.keys()
    waited = await waiting_for_events(desk, tx, opening)
    requests = [*_submissions(waited), *submitted]
    left = await _left(tx, taken_back) if requests else frozenset[bytes]()
    made = await _make_ready(desk, tx, requests, events | foreseen, left)
    return replace(
        made,
        requests={place_of(request.message.record): request for request in submitted},
        event_ids={reference: foreseen[reference].event.id for reference in opening},
    )


async def make_waiting_ready(
    desk: Desk, tx: Transaction, references: Collection[bytes]
) -> MadeReady:
    """Whoever waits for these events, which are known by now."""
    events = await store.events_by_reference(tx.connection, references)
    waited = await waiting_for_events(desk, tx, events.keys())
    return await _make_ready(desk, tx, _submissions(waited), events)


async def _left(
    tx: Transaction, taken_back: Sequence[Request[CancellationRequested]]
) -> Collection[bytes]:
    """The references of the events that somebody leaves, as far as the registration is known."""
    references = [request.reference for request in taken_back]
    return await store.events_of_registrations(tx.connection, references)


def _submissions(requests: Sequence[Request[Any]]) -> list[Submission]:
    return [request for request in requests if isinstance(request.data, RegistrationSubmitted)]


async def _make_ready(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Submission],
    events: Mapping[bytes, store.KnownEvent],
    left: Collection[bytes] = frozenset(),
) -> MadeReady:
    """Whoever seems to get an answer other than no or wait. Nothing is locked, nothing is said.

    Nobody is looked up, let alone made known, for a number that was answered before. All are
    identified at once: two batches that did it in parts would wait for each other. Of events that
    are `left`, by their references, nobody knows yet how many places they have.
    """
    if not requests:
        return MadeReady()
    numbers = [request.reference for request in requests]
    done = await store.answered(tx.connection, numbers)
    reader = FormReader(desk)
    answered = []
    for request in requests:
        known = events.get(desk.event_reference(request.data.event_number))
        if known is None:
            continue
        if known.event.is_full_for_good and known.reference not in left:
            continue
        if known.has_backlog and request.since is None:
            continue
        if request.reference in done or refusal(known.event, request.at) is not None:
            continue
        form = reader.read(request, known)
        if isinstance(form, Answered):
            answered.append(form)
            done.add(request.reference)
    ready, faults = await make_ready(desk, tx, answered)
    return MadeReady(
        ready={_asked(one.answered.request): one for one in ready},
        faults={_asked(answered.request): (answered, fault) for answered, fault in faults},
    )


async def make_ready(
    desk: Desk, tx: Transaction, answered: Sequence[Answered]
) -> tuple[list[Ready], list[tuple[Answered, Fault]]]:
    """Identify people and seal what is kept of them; those whose address cannot be one are faults.

    Of somebody whose key was destroyed after the registration, the category is left out; and what
    rests on a yes that was taken back since: who waited for an event may have said no meanwhile.
    """
    if not answered:
        return [], []
    people, subjects, faults = await _identify(desk, tx, answered)
    people = await _hear_noes(desk, tx, people, subjects)
    items = [
        ToSeal(
            subject_id,
            category,
            desk.context(category, one.event_id),
            content,
            one.request.said_at,
        )
        for one, subject_id in zip(people, subjects, strict=True)
        for category, content in one.kept.content.items()
    ]
    sealed = iter(await desk.privacy.seal(tx.connection, items, at=tx.now))
    ready = []
    for one, subject_id in zip(people, subjects, strict=True):
        values = {category: next(sealed) for category in one.kept.content}
        personal = {name: value for name, value in values.items() if value is not None}
        ready.append(Ready(one, subject_id, personal))
    return ready, faults


async def _hear_noes(
    desk: Desk, tx: Transaction, people: Sequence[Answered], subjects: Sequence[SubjectId]
) -> list[Answered]:
    """The same people, without answers that somebody agreed to and has taken back since. Nobody is
    asked about whose answers need no yes.
    """
    purposes = frozenset(desk.purposes)
    rest_on_yes = [
        subject_id
        for one, subject_id in zip(people, subjects, strict=True)
        # Most forms have nothing of the kind, which the first tells at once.
        if not purposes.isdisjoint(one.read_by.needs_yes_for)
        and not purposes.isdisjoint(one.read_by.agreed_for(one.kept, one.agreed))
    ]
    consents = await store.consents_of(tx.connection, rest_on_yes, list(purposes))
    if not consents:
        return list(people)
    return [
        _without(one, taken_back(consents, subject_id, purposes, one.request.said_at))
        for one, subject_id in zip(people, subjects, strict=True)
    ]


def _without(answered: Answered, gone: Collection[str]) -> Answered:
    """Read again as if the purposes had not been agreed to: that asks for less, and faults nothing
    that was in order.
    """
    if not gone:
        return answered
    agreed = answered.agreed.without(gone)
    kept = read(answered.read_by, answered.request.data.answers, agreed)
    if isinstance(kept, FormFault):
        raise RuntimeError("a form asked for more where less was agreed to")
    return replace(answered, kept=kept, agreed=agreed)


async def _identify(
    desk: Desk, tx: Transaction, answered: Sequence[Answered]
) -> tuple[Sequence[Answered], list[SubjectId], list[tuple[Answered, Fault]]]:
    """The form has seen most addresses that are none: what it let pass is looked at one by one."""
    identify = desk.privacy.people.identify
    try:
        return answered, await identify(tx.connection, [aliases_of(one) for one in answered]), []
    except AliasError:
        faults: list[tuple[Answered, Fault]] = []
        right: list[Answered] = []
        for one in answered:
            wrong = [alias for alias in aliases_of(one) if not is_alias(desk, alias)]
            if wrong:
                faults.append((one, _nobody(one, wrong[0])))
            else:
                right.append(one)
        return right, await identify(tx.connection, [aliases_of(one) for one in right]), faults


def _nobody(answered: Answered, wrong: Alias) -> Fault:
    """Why nobody can be known by it."""
    if wrong.kind != "person_number":
        return Fault("field_invalid", _NO_ADDRESS)
    own = answered.request.data.person_number is not None
    number = "person_number" if own else "registration_number"
    return Fault("field_invalid", f"{number} is blank or cannot be printed")


def aliases_of(answered: Answered) -> list[Alias]:
    """By what the person is known: the source's number, the address; else this registration."""
    request = answered.request
    aliases = []
    if request.data.person_number is not None:
        aliases.append(Alias("person_number", request.data.person_number, request.source))
    address = address_of(answered.kept.content.get(CONTACT, {}))
    if address is not None:
        aliases.append(address)
    if not aliases:
        number = f"registration {request.data.registration_number}"
        aliases.append(Alias("person_number", number, request.source))
    return aliases
