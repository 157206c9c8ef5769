"""Facts of the retention service."""

from __future__ import annotations

from shared.contract.registry import MessageData, message
from shared.contract.types import EventId, Moment, PlanName, SubjectId

TOPIC = "retention"


@message(topic=TOPIC)
class ErasureDue(MessageData):
    """The period of a retention class is over for what is named here."""

    retention_class: PlanName
    subject_id: SubjectId | None = None
    event_id: EventId | None = None
    cut_off: Moment


@message(topic=TOPIC)
class ObjectionRecorded(MessageData):
    """A person objected to a purpose; data is no longer used for it (article 21)."""

    subject_id: SubjectId
    purpose: PlanName
    at: Moment


@message(topic=TOPIC)
class ProcessingRestricted(MessageData):
    """A person's data is stored and nothing else is done with it (article 18)."""

    subject_id: SubjectId
    at: Moment


@message(topic=TOPIC)
class RestrictionLifted(MessageData):
    """The restriction of a person's data is over; the person was told before (article 18(3))."""

    subject_id: SubjectId
    at: Moment
