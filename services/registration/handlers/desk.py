"""What all use cases share: requests, references, forms as the plan allows them, answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar

from services.registration.domain.events import Event
from services.registration.domain.forms import FieldRule, Form
from shared.contract.inbound import (
    CancellationRequested,
    ConsentAnswer,
    EventAnnounced,
    EventCancellationRequested,
    FormField,
    RegistrationChanged,
    RegistrationSubmitted,
)
from shared.contract.message import Message, moment_of
from shared.contract.registration import (
    AnsweredConsents,
    RegistrationRejected,
    RejectionReason,
)
from shared.contract.registry import MessageData
from shared.contract.types import EventId, RegistrationId, SubjectId
from shared.contract.value_type import value_type
from shared.messaging.unit_of_work import Transaction
from shared.privacy.plan import Plan
from shared.privacy.plan.models import Source
from shared.privacy.privacy import Privacy

SERVICE: Final = "registration"

D_co = TypeVar("D_co", bound=MessageData, covariant=True)

OF_EVENT: Final = frozenset({EventAnnounced, EventCancellationRequested})
"""Requests that name an event."""

OF_REGISTRATION: Final = frozenset(
    {RegistrationSubmitted, RegistrationChanged, CancellationRequested}
)
"""Requests that name a registration. Sets of types: pydantic's models make `isinstance` slow."""


@value_type
class Request(Generic[D_co]):
    """A message as use cases meet it.

    `at` is its own time, which decides whether it comes too late. `said_at` is the same, but never
    later than the broker took it: since when what it says holds, and how old its data is.
    `reference` stands for the number of the event or registration that it is about. `since` is when
    it began to wait, if it waited.
    """

    message: Message[D_co]
    source: str
    at: datetime
    said_at: datetime
    reference: bytes
    since: datetime | None = None

    @property
    def data(self) -> D_co:
        return self.message.data


class Desk:
    """The plan and the doors to personal data, as the use cases of registration need them."""

    def __init__(self, privacy: Privacy) -> None:
        self.privacy = privacy
        self._forms = privacy.derived(lambda _: lru_cache(maxsize=1024)(self._form_of))
        self.event_reference = lru_cache(maxsize=4096)(self._event_reference)

    @property
    def plan(self) -> Plan:
        return self.privacy.plan

    @property
    def purposes(self) -> Collection[str]:
        """What this service may open data for. Of these purposes alone it keeps what people
        agree to, where they rest on any consent (ADR 59).
        """
        return self.plan.services[SERVICE].grants

    def was_ever_granted(self, purpose: str) -> bool:
        """Whether this service may open data for the purpose, or might under an earlier plan."""
        return (SERVICE, purpose) in self.privacy.in_force.all_plans.grants

    def request(self, message: Message[D_co], since: datetime | None = None) -> Request[D_co]:
        """The message as a request. Its source is one of the plan's: `admit` has seen to it."""
        source = self.plan.source_name(message.envelope.source)
        if source is None:
            raise LookupError("a message of a source that the plan does not have was admitted")
        data: Any = message.data
        kind = type(data)
        if kind in OF_REGISTRATION:
            reference = self.registration_reference(source, data.registration_number)
        elif kind in OF_EVENT:
            reference = self.event_reference(data.event_number)
        else:
            raise TypeError(f"{kind.__name__} is no request")
        own_time, received_at = message.own_time, message.received_at
        said_at = moment_of(own_time, received_at)
        return Request(message, source, own_time or received_at, said_at, reference, since)

    def requests(self, messages: Sequence[Message[D_co]]) -> list[Request[D_co]]:
        return [self.request(message) for message in messages]

    def _event_reference(self, number: str) -> bytes:
        """What stands for an event's number. Numbers of events are the organisation's: one system
        announces an event, others take registrations for it.
        """
        return self.privacy.reference(b"event\0" + number.encode())

    def registration_reference(self, source: str, number: str) -> bytes:
        """What stands for a registration's number, which is the source's own."""
        return self.privacy.reference(b"registration\0" + f"{source}\0{number}".encode())

    def form(self, event: Event, source: str) -> Form:
        """The event's form as this source fills it and the plan allows it."""
        return self._forms()(event.offer.form, source)

    def _form_of(self, declared: tuple[FormField, ...], source_name: str) -> Form:
        source = self.plan.sources[source_name]
        rules = [rule for field_ in declared for rule in self._rules(field_, source)]
        return Form.of(rules, registered=source.maps.keys())

    def _rules(self, declared: FormField, source: Source) -> Iterator[FieldRule]:
        """A declared field where the plan allows it for its purpose, and what else the source says
        that the input fills: only categories that rest on nothing but consent.
        """
        if self._is_allowed(declared.field, declared.purpose):
            yield self._rule(declared, declared.field, declared.purpose)
        for filled in source.maps.get(declared.name, ()):
            purpose = self._consented_purpose(filled)
            if filled != declared.field and purpose is not None:
                yield self._rule(declared, filled, purpose, required=False)

    def _rule(
        self, declared: FormField, name: str, purpose: str, *, required: bool | None = None
    ) -> FieldRule:
        known = self.plan.fields[name]
        return FieldRule(
            input=declared.name,
            field=name,
            purpose=purpose,
            kind=declared.type if known.type == "text" else known.type,
            required=declared.required if required is None else required,
            max_length=min(declared.max_length, known.max_length),
            choices=known.choices,
            only_with=self._condition(purpose),
        )

    def _condition(self, purpose: str) -> Literal["nothing", "consent", "sharing"]:
        if not self.plan.purposes[purpose].needs_consent:
            return "nothing"
        shared = any(
            recipient.role == "participants" and purpose in recipient.purposes
            for recipient in self.plan.recipients.values()
        )
        return "sharing" if shared else "consent"

    def _is_allowed(self, name: str, purpose: str) -> bool:
        known = self.plan.purposes.get(purpose)
        category = name.partition(".")[0]
        return (
            known is not None
            and name in self.plan.fields
            and category in known.categories
            and category in self.plan.services[SERVICE].seals
        )

    def _consented_purpose(self, name: str) -> str | None:
        category = name.partition(".")[0]
        purposes = [
            (purpose, known.needs_consent)
            for purpose, known in self.plan.purposes.items()
            if category in known.categories
        ]
        if not purposes or not all(needs_consent for _, needs_consent in purposes):
            return None
        return purposes[0][0] if self._is_allowed(name, purposes[0][0]) else None

    def consents(self, answers: Sequence[ConsentAnswer]) -> tuple[ConsentAnswer, ...]:
        """The answers that count: to a wording that the plan has, for its purpose; and each no, to
        whatever was shown, as an earlier yes would hold without it (ADR 101).
        """
        kept = (self._counted(answer) for answer in answers)
        return tuple(answer for answer in kept if answer is not None)

    def _counted(self, answer: ConsentAnswer) -> ConsentAnswer | None:
        if self._is_known(answer):
            return answer
        if answer.given or answer.purpose not in self.privacy.in_force.all_plans.on_consent:
            return None
        # What upstream calls a wording that nobody knows may be anything: a digest stands for it.
        shown = self.privacy.reference(b"wording\0" + answer.wording.encode())
        return answer.model_copy(update={"wording": shown.hex()})

    def noes(self, request: Request[RegistrationSubmitted]) -> AnsweredConsents | None:
        """Each no on a form that counts; None where there is none."""
        answers = self.consents(request.data.consents)
        declined = tuple(answer for answer in answers if not answer.given)
        if not declined:
            return None
        return AnsweredConsents(
            consents=declined, source=request.source, collected_at=request.said_at
        )

    def shared(self, fields: Sequence[str]) -> tuple[str, ...]:
        """Those of the fields that the plan has; whatever else upstream names is not kept."""
        return tuple(name for name in fields if name in self.plan.fields)

    def _is_known(self, answer: ConsentAnswer) -> bool:
        wording = self.plan.wording(answer.wording, answer.language)
        return wording is not None and wording.purpose == answer.purpose

    def may_open(self, category: str, purpose: str) -> bool:
        return category in self.plan.services[SERVICE].grants.get(purpose, ())

    def context(self, category: str, event_id: EventId) -> str:
        """What a key of the category belongs to besides the person (plan, `context`)."""
        return "" if self.plan.categories[category].context == "none" else f"event:{event_id}"


@dataclass(frozen=True, slots=True)
class About:
    """What a rejected request was about, as far as it is known, and each no that was on it."""

    event_id: EventId | None = None
    registration_id: RegistrationId | None = None
    subject_id: SubjectId | None = None
    noes: AnsweredConsents | None = None


def accept(tx: Transaction, request: Request[Any]) -> None:
    """The request was done, or had been done before."""
    if request.since is not None:
        record = request.message.record
        tx.settle(record.topic, record.partition, "accepted")


def decline(tx: Transaction, request: Request[Any], reason: RejectionReason, about: About) -> None:
    """The request is answered with a no, and the no is a fact."""
    tx.say(
        RegistrationRejected(
            reason=reason,
            request=request.data.message_type,
            source=request.source,
            event_id=about.event_id,
            registration_id=about.registration_id,
            subject_id=about.subject_id,
            rejected_at=tx.now,
            answered=about.noes,
        ),
        key=about.subject_id or about.event_id,
        subject=about.subject_id,
        because=request.message,
    )
    if request.since is None:
        tx.decline(request.message)
    else:
        record = request.message.record
        tx.settle(record.topic, record.partition, "refused")
