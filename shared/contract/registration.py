"""Facts of the registration service. Key: the subject for a person's facts, else the event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field

from shared.contract import headers
from shared.contract.inbound import ConsentAnswer, FormField
from shared.contract.registry import MessageData, message
from shared.contract.types import (
    Contract,
    EventId,
    Language,
    Moment,
    Money,
    PlanName,
    RegistrationId,
    Sealed,
    SharedPart,
    SubjectId,
)

TOPIC = "registration"

_NO_FEE: Final = MappingProxyType({headers.NO_FEE: "true"})


class EventState(SharedPart):
    """What readers need to know of an event. They keep the highest `version` they have seen."""

    event_id: EventId
    version: Annotated[int, Field(ge=1)]
    title: dict[Language, str]
    unit: PlanName
    starts_at: Moment
    ends_at: Moment
    time_zone: str
    fee: Money | None = None
    """In `ParticipantRegistered`: what the person's own place cost."""
    vat_class: PlanName | None = None
    status: Literal["open", "cancelled", "ended"] = "open"
    cancelled_at: Moment | None = None
    """When we were told of it; unknown of what was cancelled before this was kept."""


class _EventFact(MessageData):
    event: EventState
    capacity: int | None = None
    recipients: tuple[PlanName, ...] = ()
    form: tuple[FormField, ...] = ()


@message(topic=TOPIC)
class EventOpened(_EventFact):
    """An event can be registered for."""


@message(topic=TOPIC)
class EventChanged(_EventFact):
    """What was announced of an event is different now."""


@message(topic=TOPIC)
class EventCancelled(MessageData):
    """The event will not take place."""

    event: EventState


@message(topic=TOPIC)
class EventEnded(MessageData):
    """The event is over: the anchor of what is kept for a time after it."""

    event: EventState


class _Participation(MessageData):
    registration_id: RegistrationId
    subject_id: SubjectId
    event: EventState
    language: Language
    source: PlanName
    personal: dict[PlanName, Sealed]
    """Sealed values by category."""
    consents: tuple[ConsentAnswer, ...] = ()
    """Where a no was to a wording that the plan has not, a keyed digest stands for the wording."""


@message(topic=TOPIC)
class ParticipantRegistered(_Participation):
    """The person has a place."""

    registered_at: Moment
    collected_at: Moment | None = None
    """When the data was collected, where that was before: by who had to wait for the place."""

    def extensions(self) -> Mapping[str, str]:
        """Whether taking part is free of charge: then there is nothing to invoice."""
        fee = self.event.fee
        return _NO_FEE if fee is None or fee.minor_units <= 0 else {}


def collected_at(data: ParticipantRegistered) -> datetime:
    """When the data was collected: before the registration's own moment by who had to wait."""
    return data.collected_at or data.registered_at


@message(topic=TOPIC)
class ParticipantUpdated(_Participation):
    """The person's answers were corrected: all categories as they are now. Also of who is on the
    waiting list: that somebody has a place, only `ParticipantRegistered` tells.
    """

    updated_at: Moment
    collected_at: Moment | None = None
    """When the oldest of the data was collected."""


@message(topic=TOPIC)
class RegistrationWaitlisted(_Participation):
    """The event is full; the person is on its waiting list."""

    position: Annotated[int, Field(ge=1)]
    waitlisted_at: Moment


class AnsweredConsents(Contract):
    """What the person answered when registering, where and when: neither a cancellation nor that
    there is no place takes an answer back.
    """

    consents: tuple[ConsentAnswer, ...]
    """As in the registration's own fact."""
    source: PlanName
    collected_at: Moment


RejectionReason = Literal[
    "event_full",
    "registration_closed",
    "event_cancelled",
    "event_ended",
    "event_unknown",
    "registration_unknown",
    "registration_cancelled",
    "already_registered",
]


@message(topic=TOPIC)
class RegistrationRejected(MessageData):
    """A valid request that was declined. Carries no personal data; the person may be unknown."""

    reason: RejectionReason
    request: Literal[
        "RegistrationSubmitted",
        "RegistrationChanged",
        "CancellationRequested",
        "EventCancellationRequested",
    ]
    source: PlanName
    event_id: EventId | None = None
    registration_id: RegistrationId | None = None
    subject_id: SubjectId | None = None
    rejected_at: Moment
    answered: AnsweredConsents | None = None
    """Each no of a person who is known: it counts all the same. A yes does not."""


@message(topic=TOPIC)
class RegistrationCancelled(MessageData):
    """The person does not take part after all."""

    registration_id: RegistrationId
    subject_id: SubjectId
    event: EventState
    cancelled_at: Moment
    by: Literal["person", "organiser"]
    categories: tuple[PlanName, ...] = ()
    """Of what is kept of the person all the same; told where this stands for the registration too,
    which the reader may never have heard of.
    """
    answered: AnsweredConsents | None = None
    """Told where `categories` are, of who answered anything."""


@message(topic=TOPIC)
class ParticipationRecorded(MessageData):
    """Whether the person was there."""

    registration_id: RegistrationId
    subject_id: SubjectId
    event_id: EventId
    took_part: bool
    recorded_at: Moment
