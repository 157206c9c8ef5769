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
