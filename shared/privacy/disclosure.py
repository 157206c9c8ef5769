"""What is asked of `disclose()`, who is refused and why, and the entries that say so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pydantic import JsonValue

from shared.contract.audit import DataDisclosed, DataTransmitted, DisclosureRefused
from shared.contract.registry import MessageData
from shared.contract.types import DisclosureId, EventId, Sealed, SubjectId
from shared.privacy.beginnings import (
    BEFORE_PURPOSE,
    BEFORE_RECIPIENT,
    EVER,
    Beginnings,
    is_earlier,
)
from shared.privacy.errors import NotInPlanError
from shared.privacy.plan import Plan, Purpose
from shared.privacy.values import Disclosed
from shared.runtime.database import Connection


@dataclass(frozen=True, slots=True)
class PersonToDisclose:
    """One person whose data is asked for.

    `refusal` is a reason code (of the form `objected`, `restricted`, `not-taking-part`) where the
    service's own projections say no. `consented` is what they say of consent to the purpose: only
    True lets data go on a purpose that rests on consent. `fields` limits what of this person may
    go (opt-in per field); None does not limit.
    """

    subject_id: SubjectId
    sealed: Mapping[str, Sealed]
    refusal: str | None = None
    consented: bool | None = None
    fields: frozenset[str] | None = None
    collected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DisclosureRequest:
    """To whom, what for, which fields (`category.name`), of whom, and who asks.

    `event_recipients` are the recipients that the event names; a recipient that the plan lets an
    event designate gets nothing without being among them.
    """

    recipient: str
    purpose: str
    fields: Sequence[str]
    people: Sequence[PersonToDisclose]
    actor: str
    event_id: EventId | None = None
    event_recipients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one call of `disclose()` released and refused, in the order asked for."""

    id: DisclosureId
    recipient: str
    purpose: str
    actor: str
    released: Sequence[tuple[SubjectId, Disclosed]] = field(default=())
    refused: Sequence[tuple[SubjectId, str]] = field(default=())


class Transaction(Protocol):
    """What `disclose()` needs of a unit of work; the one of `shared.messaging` has it."""

    @property
    def connection(self) -> Connection: ...

    @property
    def now(self) -> datetime: ...

    def new_id(self) -> UUID: ...

    def say(self, data: MessageData, *, key: UUID | None, subject: UUID | None = None) -> None: ...


def check_names(plan: Plan, request: DisclosureRequest) -> None:
    """NotInPlanError where the request names what the plan does not have.

    Such a name came from somebody's keyboard, so it is neither repeated here nor put into the log.
    """
    if request.recipient not in plan.recipients:
        raise NotInPlanError(f"the plan has these recipients: {', '.join(plan.recipients)}")
    if request.purpose not in plan.purposes:
        raise NotInPlanError(f"the plan has these purposes: {', '.join(plan.purposes)}")
    if not request.fields or not set(request.fields) <= plan.fields.keys():
        raise NotInPlanError("fields to disclose are names of the plan, and at least one")


def judge(
    plan: Plan,
    request: DisclosureRequest,
    limits: Mapping[SubjectId, str],
    beginnings: Beginnings = EVER,
) -> list[str | None]:
    """A reason code for each person whose data may not go; None where it may.

    `limits` has the reason code of those who objected to the purpose or whose data is restricted.
    ValueError where a person is asked for twice: a disclosure has one entry for each.
    """
    if len({person.subject_id for person in request.people}) != len(request.people):
        raise ValueError("a disclosure names each person once")
    everyone = refuse_all(plan, request)
    purpose = plan.purposes[request.purpose]
    begins = (
        (BEFORE_PURPOSE, beginnings.purposes.get(request.purpose)),
        (BEFORE_RECIPIENT, beginnings.recipients.get(request.recipient)),
    )
    return [
        everyone
        or limits.get(person.subject_id)
        or refuse(purpose, request, person)
        or refuse_earlier(person, begins)
        for person in request.people
    ]


def refuse_all(plan: Plan, request: DisclosureRequest) -> str | None:
    """Why nobody's data may go to this recipient for this purpose; None where it may."""
    recipient = plan.recipients[request.recipient]
    purpose = plan.purposes[request.purpose]
    if request.purpose not in recipient.purposes:
        return "purpose-not-of-recipient"
    if not set(request.fields) <= set(recipient.fields):
        return "field-not-of-recipient"
    if not {category_of(field) for field in request.fields} <= set(purpose.categories):
        return "field-not-of-purpose"
    if recipient.designated_by_event and (
        request.event_id is None or request.recipient not in request.event_recipients
    ):
        return "recipient-not-designated"
    return None


def refuse(purpose: Purpose, request: DisclosureRequest, person: PersonToDisclose) -> str | None:
    """Why this person's data may not go; None where it may."""
    if person.refusal is not None:
        return person.refusal.replace("_", "-")
    if purpose.needs_consent and person.consented is not True:
        return "consent-missing"
    if not wanted_fields(request, person):
        return "not-opted-in"
    return None


def refuse_earlier(
    person: PersonToDisclose, begins: Iterable[tuple[str, datetime | None]]
) -> str | None:
    """The first reason whose beginning this person's data is older than; None: it is of none."""
    return next((why for why, at in begins if is_earlier(person.collected_at, at)), None)


def wanted_fields(request: DisclosureRequest, person: PersonToDisclose) -> tuple[str, ...]:
    """The fields that are asked for and that this person lets go, sorted."""
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


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes the audit entries of one disclosure. They hold ids and names, never a value."""

    plan: Plan
    service: str
    request: DisclosureRequest
    disclosure_id: DisclosureId
    at: datetime

    def released(self, one: Release) -> MessageData:
        """The entry of one person whose data goes: to a processor it is a transmission."""
        role = self.plan.recipients[self.request.recipient].role
        kind = DataTransmitted if role == "processor" else DataDisclosed
        return kind(**self._said(one.person.subject_id, one.fields), content_digest=one.digest)

    def refused(self, subject_id: SubjectId, reason: str) -> MessageData:
        """The entry of one person whose data stays."""
        fields = sorted(set(self.request.fields))
        return DisclosureRefused(**self._said(subject_id, fields), reason=reason)

    def _said(self, subject_id: SubjectId, fields: Sequence[str]) -> dict[str, Any]:
        basis = self.plan.purposes[self.request.purpose].legal_basis
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
