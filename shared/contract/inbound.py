"""What upstream systems ask for. Clear text: it is sealed where it enters, and then deleted."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, JsonValue, model_validator

from shared.contract.registry import MessageData, message
from shared.contract.types import (
    Contract,
    ContractError,
    Email,
    FieldName,
    Flag,
    InputName,
    Language,
    Moment,
    Money,
    PlanName,
    Reference,
    Text,
    Whole,
)

REGISTRATIONS = "inbound.registrations"
CONTACTS = "inbound.contacts"


def _is_a_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the database is an OSError
        raise ContractError("must be a time zone of the IANA database") from None
    return name


TimeZone = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", max_length=64),
    AfterValidator(_is_a_time_zone),
]
"""A name of the IANA time zone database, as `Europe/Helsinki`."""

Answers = Annotated[dict[str, JsonValue], Field(max_length=500)]
"""Inputs of a form by name. Which the event declares, and of what type, the domain checks."""


class FormField(Contract):
    """One input of an event's form: where it goes in the plan, what for, and of what type."""

    name: InputName
    field: FieldName
    purpose: PlanName
    type: Literal["text", "email", "phone", "number", "boolean", "date"] = "text"
    required: Flag = False
    max_length: Annotated[Whole, Field(ge=1, le=10_000)] = 500


class ConsentAnswer(Contract):
    """The answer to one request for consent, and the wording that was shown (article 7(1))."""

    purpose: PlanName
    given: Flag
    wording: Reference
    language: Language = "en"


@message(topic=REGISTRATIONS)
class EventAnnounced(MessageData):
    """An event is on offer, or what is known of it has changed: the whole of it each time."""

    event_number: Reference
    sequence: Annotated[Whole, Field(ge=1, le=2**53)] = 1
    """Grows with each change at the source; an older one is taken as old news."""
    title: Annotated[
        dict[Language, Annotated[Text, Field(min_length=1, max_length=300)]],
        Field(min_length=1, max_length=50),
    ]
    unit: PlanName
    starts_at: Moment
    ends_at: Moment
    time_zone: TimeZone
    registration_closes_at: Moment | None = None
    fee: Money | None = None
    """Without value-added tax. None, or zero: free of charge."""
    vat_class: PlanName | None = None
    capacity: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    waiting_list: Flag = False
    recipients: Annotated[tuple[PlanName, ...], Field(max_length=50)] = ()
    form: Annotated[tuple[FormField, ...], Field(max_length=200)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.ends_at < self.starts_at:
            raise ContractError("ends_at must not be before starts_at")
        if len({field.name for field in self.form}) != len(self.form):
            raise ContractError("form must not have two fields of one name")
        if self.fee is not None and self.fee.minor_units < 0:
            raise ContractError("fee must not be negative")
        if self.fee is not None and self.fee.minor_units > 0 and self.vat_class is None:
            raise ContractError("vat_class must be given for an event with a fee")
        return self


@message(topic=REGISTRATIONS)
class EventCancellationRequested(MessageData):
    """The event will not take place."""

    event_number: Reference


@message(topic=REGISTRATIONS)
class RegistrationSubmitted(MessageData):
    """Somebody registers for an event with the answers to its form."""

    registration_number: Reference
    event_number: Reference
    person_number: Reference | None = None
    """The source's own number of the person, where it keeps one."""
    language: Language = "en"
    answers: Answers
    consents: Annotated[tuple[ConsentAnswer, ...], Field(max_length=50)] = ()
    share_with_participants: Annotated[tuple[FieldName, ...], Field(max_length=100)] = ()
    """Fields that the person lets other participants see (opt-in per field)."""


@message(topic=REGISTRATIONS)
class RegistrationChanged(MessageData):
    """The person, or the organiser for them, corrects the answers: only those given change."""

    registration_number: Reference
    answers: Answers


@message(topic=REGISTRATIONS)
class CancellationRequested(MessageData):
    """The registration is taken back."""

    registration_number: Reference


@message(topic=CONTACTS)
class ContactSubmitted(MessageData):
    """Somebody joins the mailing list or answers a request for consent outside any event."""

    contact_number: Reference
    email: Email
    name: Annotated[Text, Field(max_length=300)] | None = None
    language: Language = "en"
    consents: Annotated[tuple[ConsentAnswer, ...], Field(min_length=1, max_length=50)]


@message(topic=CONTACTS)
class WithdrawalRequested(MessageData):
    """A consent is withdrawn (article 7(3)); with no purpose named, every one."""

    contact_number: Reference
    email: Email
    purposes: Annotated[tuple[PlanName, ...], Field(max_length=50)] = ()
