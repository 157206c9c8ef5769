"""What is asked of `disclose()`, who is refused and why, and the entries that say so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeAlias
from uuid import UUID

from pydantic import JsonValue

from shared.contract import consent, retention
from shared.contract.audit import (
    DataDisclosed,
    DataDisclosedToAuthority,
    DataTransmitted,
    DisclosureRefused,
)
from shared.contract.registry import MessageData
from shared.contract.services import service_named
from shared.contract.topics import topic
from shared.contract.types import DisclosureId, EventId, RegistrationId, Sealed, SubjectId
from shared.privacy.beginnings import (
    BEFORE_PURPOSE,
    BEFORE_RECIPIENT,
    EVER,
    Beginnings,
    is_earlier,
)
from shared.privacy.errors import NotInPlanError
from shared.privacy.plan import Plan, Purpose
from shared.privacy.reasons import Refusal
from shared.privacy.values import Disclosed
from shared.runtime.database import Connection
from shared.runtime.log_ends import LogEnds

Way = Literal["folder", "hand"]
"""How it reaches the recipient: the service puts it into its folder of what goes out, and tries
again by itself; or a person takes it where they asked for it.
"""

BEHIND: Final = "projection-behind"
_NOT_OF_PURPOSE: Final = "field-not-of-purpose"


@dataclass(frozen=True, slots=True)
class PersonToDisclose:
    """One person whose data is asked for.

    `refusal` is a reason code (such as `no-longer-listed`) where the service's own projections say
    no. `consented` is what they say of consent to the purpose: only True lets data go on a purpose
    that rests on consent. `fields` is what of this person was released, where that waits for its
    delivery: no more goes. None does not limit: what other participants may see is decided where
    the form is read, and what a person does not share is not stored for them. `registration_id` is
    the registration that the data was given with; all else that is said of the person is said of
    that one.
    """

    subject_id: SubjectId
    sealed: Mapping[str, Sealed]
    refusal: Refusal | None = None
    consented: bool | None = None
    fields: frozenset[str] | None = None
    collected_at: datetime | None = None
    registration_id: RegistrationId | None = None


@dataclass(frozen=True, slots=True)
class DisclosureRequest:
    """To whom, what for, which fields (`category.name`), of whom, and who asks.

    `event_recipients` are the recipients that the event names; a recipient that the plan lets an
    event designate gets nothing without being among them. `log_ends` are those of the topics that
    decide (`topics_that_decide`), read before the transaction: where this service has not heard all
    before them, or nobody knows, nobody's data goes.

    An authority of the plan is a recipient too, by `request_reference`, the number of its request;
    `purpose` is then what the data was collected for. Neither consent nor objection nor restriction
    decide there, but the law that the plan names (articles 6(1)(c), 18(2) and 21).
    """

    recipient: str
    purpose: str
    fields: Sequence[str]
    people: Sequence[PersonToDisclose]
    actor: str
    event_id: EventId | None = None
    event_recipients: frozenset[str] = frozenset()
    log_ends: LogEnds | None = None
    way: Way = "folder"
    request_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one call of `disclose()` released and refused, in the order asked for."""

    id: DisclosureId
    recipient: str
    purpose: str
    actor: str
    released: Sequence[tuple[SubjectId, Disclosed]] = field(default=())
    refused: Sequence[tuple[SubjectId, Refusal]] = field(default=())


class Transaction(Protocol):
    """What `disclose()` needs of a unit of work; the one of `shared.messaging` has it."""

    @property
    def connection(self) -> Connection: ...

    @property
    def now(self) -> datetime: ...

    def new_id(self) -> UUID: ...

    def say(self, data: MessageData, *, key: UUID | None, subject: UUID | None = None) -> None: ...


def topics_that_decide(plan: Plan, service: str, purpose: str) -> tuple[str, ...]:
    """What a service must have heard whole to know whose data may go for the purpose: what upstream
    says to it, and what our services say of limits and consents; its own topic is not among them.
    """
    needs_consent = purpose in plan.purposes and plan.purposes[purpose].needs_consent
    said = (retention.TOPIC, consent.TOPIC) if needs_consent else (retention.TOPIC,)
    from_upstream = [name for name in service_named(service).hears if topic(name).inbound]
    return (*from_upstream, *(name for name in said if name != service))


def check_names(plan: Plan, request: DisclosureRequest) -> None:
    """NotInPlanError where the request names what the plan does not have.

    Such a name came from somebody's keyboard, so it is neither repeated here nor put into the log.
    """
    missing = lacking(plan, request)
    if missing == "recipient-not-in-plan":
        kind = "recipients" if request.request_reference is None else "authorities"
        raise NotInPlanError(f"the plan has these {kind}: {', '.join(_recipients(plan, request))}")
    if missing == "purpose-not-in-plan":
        raise NotInPlanError(f"the plan has these purposes: {', '.join(plan.purposes)}")
    if missing is not None:
        raise NotInPlanError("fields to disclose are names of the plan, and at least one")


def lacking(plan: Plan, request: DisclosureRequest) -> Refusal | None:
    """A reason code where the request names what the plan does not have."""
    if request.recipient not in _recipients(plan, request):
        return "recipient-not-in-plan"
    if request.purpose not in plan.purposes:
        return "purpose-not-in-plan"
    if not request.fields or not set(request.fields) <= plan.fields.keys():
        return "field-not-in-plan"
    return None


def _recipients(plan: Plan, request: DisclosureRequest) -> Iterable[str]:
    return plan.recipients if request.request_reference is None else plan.authorities


def judge(
    plan: Plan,
    request: DisclosureRequest,
    limits: Mapping[SubjectId, Refusal],
    beginnings: Beginnings = EVER,
) -> list[Refusal | None]:
    """A reason code for each person whose data may not go; None where it may.

    `limits` has the reason code of those who objected to the purpose or whose data is restricted.
    ValueError where a person is asked for twice: a disclosure has one entry for each.
    """
    if len({person.subject_id for person in request.people}) != len(request.people):
        raise ValueError("a disclosure names each person once")
    if request.request_reference is not None:
        return [refuse_authority(plan, request)] * len(request.people)
    everyone = refuse_all(plan, request)
    purpose = plan.purposes[request.purpose]
    begins: tuple[tuple[Refusal, datetime | None], ...] = (
        (BEFORE_PURPOSE, beginnings.purposes.get(request.purpose)),
        (BEFORE_RECIPIENT, beginnings.recipients.get(request.recipient)),
    )
    return [
        everyone
        or limits.get(person.subject_id)
        or refuse(purpose, person)
        or refuse_earlier(person, begins)
        for person in request.people
    ]


def not_granted(plan: Plan, service: str, request: DisclosureRequest) -> Refusal | None:
    """A reason code where the plan does not let the service open what is asked for."""
    granted = plan.services[service].grants.get(request.purpose, ())
    asked = {category_of(field) for field in request.fields}
    return None if asked <= set(granted) else "not-granted"


def refuse_authority(plan: Plan, request: DisclosureRequest) -> Refusal | None:
    """Why an authority may not have these fields of anybody; None where it may."""
    asked = {category_of(field) for field in request.fields}
    if not asked <= set(plan.authorities[request.recipient].categories):
        return "field-not-of-authority"
    return None if asked <= set(plan.purposes[request.purpose].categories) else _NOT_OF_PURPOSE


def refuse_all(plan: Plan, request: DisclosureRequest) -> Refusal | None:
    """Why nobody's data may go to this recipient for this purpose; None where it may."""
    recipient = plan.recipients[request.recipient]
    purpose = plan.purposes[request.purpose]
    if request.purpose not in recipient.purposes:
        return "purpose-not-of-recipient"
    if not set(request.fields) <= set(recipient.fields):
        return "field-not-of-recipient"
    if not {category_of(field) for field in request.fields} <= set(purpose.categories):
        return _NOT_OF_PURPOSE
    if recipient.designated_by_event and (
        request.event_id is None or request.recipient not in request.event_recipients
    ):
        return "recipient-not-designated"
    return None


def refuse(purpose: Purpose, person: PersonToDisclose) -> Refusal | None:
    """Why this person's data may not go; None where it may."""
    if person.refusal is not None:
        return person.refusal
    if purpose.needs_consent and person.consented is not True:
        return "consent-missing"
    return None


def refuse_earlier(
    person: PersonToDisclose, begins: Iterable[tuple[Refusal, datetime | None]]
) -> Refusal | None:
    """The first reason whose beginning this person's data is older than; None: it is of none."""
    return next((why for why, at in begins if is_earlier(person.collected_at, at)), None)


def wanted_fields(request: DisclosureRequest, person: PersonToDisclose) -> tuple[str, ...]:
    """The fields that are asked for and that may go of this person, sorted."""
    return tuple(
        sorted(field for field in request.fields if person.fields is None or field in person.fields)
    )


def category_of(field: str) -> str:
    """The category that a field (`category.name`) belongs to."""
    return field.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Release:
    """What leaves of one person: by field, and the HMAC that proves it later."""

    person: PersonToDisclose
    content: Mapping[str, JsonValue] = field(repr=False)
    digest: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that leave, sorted."""
        return tuple(sorted(self.content))


Outcome: TypeAlias = Release | Refusal
"""What leaves of one person, or the reason code of why nothing does."""


def disclosure_of(
    disclosure_id: DisclosureId, request: DisclosureRequest, outcomes: Sequence[Outcome]
) -> Disclosure:
    """What came of the request: `outcomes` has one for each of its people, in their order."""
    both = list(zip(request.people, outcomes, strict=True))
    return Disclosure(
        id=disclosure_id,
        recipient=request.recipient,
        purpose=request.purpose,
        actor=request.actor,
        released=[
            (person.subject_id, Disclosed(outcome.content))
            for person, outcome in both
            if isinstance(outcome, Release)
        ],
        refused=[
            (person.subject_id, outcome) for person, outcome in both if isinstance(outcome, str)
        ],
    )


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes the audit entries of one disclosure. They hold ids and names, never a value."""

    plan: Plan
    service: str
    request: DisclosureRequest
    disclosure_id: DisclosureId
    at: datetime

    def record(self, tx: Transaction, outcomes: Sequence[Outcome]) -> None:
        """Say one entry for each person of the request."""
        for person, outcome in zip(self.request.people, outcomes, strict=True):
            subject_id = person.subject_id
            entry = (
                self._released(outcome)
                if isinstance(outcome, Release)
                else self._refused(subject_id, outcome)
            )
            tx.say(entry, key=None, subject=subject_id)

    def _released(self, one: Release) -> MessageData:
        """To a processor it is a transmission."""
        said = self._said(one.person.subject_id, one.fields)
        said["content_digest"] = one.digest
        if self.request.request_reference is not None:
            law = self.plan.authorities[self.request.recipient].law
            said |= {"law": law, "request_reference": self.request.request_reference}
            return DataDisclosedToAuthority(**said)
        role = self.plan.recipients[self.request.recipient].role
        return (DataTransmitted if role == "processor" else DataDisclosed)(**said)

    def _refused(self, subject_id: SubjectId, reason: Refusal) -> MessageData:
        fields = sorted(set(self.request.fields))
        return DisclosureRefused(**self._said(subject_id, fields), reason=reason)

    def _said(self, subject_id: SubjectId, fields: Sequence[str]) -> dict[str, Any]:
        basis = self.plan.purposes[self.request.purpose].legal_basis
        if self.request.request_reference is not None:
            basis = "legal_obligation"
        return {
            "at": self.at,
            "actor": self.request.actor,
            "plan_digest": self.plan.digest,
            "service": self.service,
            "disclosure_id": self.disclosure_id,
            "subject_id": subject_id,
            "recipient": self.request.recipient,
            "purpose": self.request.purpose,
            "legal_basis": basis.replace("_", "-"),
            "categories": tuple(sorted({category_of(field) for field in fields})),
            "fields": tuple(fields),
            "event_id": self.request.event_id,
        }
