"""Facts of the finance service. Key: the subject who is invoiced."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from shared.contract.registry import MessageData, message
from shared.contract.types import (
    EventId,
    InvoiceId,
    Moment,
    Money,
    PlanName,
    Reference,
    RegistrationId,
    SubjectId,
)

TOPIC = "finance"


@message(topic=TOPIC)
class InvoiceIssued(MessageData):
    """A sales invoice, or a credit note that takes one back (then `credits` names it)."""

    invoice_id: InvoiceId
    number: Reference
    kind: Literal["invoice", "credit_note"]
    credits: InvoiceId | None = None
    subject_id: SubjectId
    registration_id: RegistrationId
    event_id: EventId
    net: Money
    vat: Money
    vat_class: PlanName
    vat_percent: Annotated[str, Field(pattern=r"^\d{1,2}(\.\d{1,2})?$")]
    financial_year_ends: date
    issued_at: Moment
