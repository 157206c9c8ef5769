"""What people say of their consent in tests, and what holds of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.contract import headers
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.message import Message
from shared.contract.registration import ParticipantRegistered
from shared.contract.types import RegistrationId, SubjectId
from tests.support.facts import NOON, WEBSITE, Facts, event_state, with_header
from tests.support.work import Work

EMAIL = "aino.canary@example.org"
NAME = "Aino Canary-Öhman"
HOUR = timedelta(hours=1)


def consent(purpose: str = "marketing", *, given: bool = True) -> ConsentAnswer:
    return ConsentAnswer(purpose=purpose, given=given, wording=f"{purpose}-2026", language="fi")


def submitted(
    *answers: ConsentAnswer, at: datetime = NOON, email: str = EMAIL, facts: Facts | None = None
) -> Message[Any]:
    data = ContactSubmitted(
        contact_number="c-1",
        email=email,
        name=NAME,
        language="fi",
        consents=answers or (consent(),),
    )
    # Received late on purpose: what counts is when it was said.
    received = NOON + 10 * HOUR
    return (facts or Facts()).message(data, source=WEBSITE, at=at, received_at=received)


def withdrawal(
    *purposes: str, at: datetime = NOON, email: str = EMAIL, facts: Facts | None = None
) -> Message[WithdrawalRequested]:
    data = WithdrawalRequested(contact_number="c-1", email=email, purposes=purposes)
    received = NOON + 10 * HOUR
    return (facts or Facts()).message(data, source=WEBSITE, at=at, received_at=received)


def participation(
    subject: SubjectId, kind: type[Any] = ParticipantRegistered, **over: object
) -> Message[Any]:
    given: dict[str, object] = {
        "registration_id": RegistrationId(uuid4()),
        "subject_id": subject,
        "event": event_state(),
        "language": "fi",
        "source": "short-courses",
        "personal": {},
        "consents": (consent(), consent("dietary-needs", given=False)),
        "registered_at": NOON,
        "waitlisted_at": NOON,
        "position": 1,
        **over,
    }
    return Facts().message(kind.model_validate(given), key=subject, received_at=NOON + 10 * HOUR)


def as_it_stands(message: Message[Any]) -> Message[Any]:
    """The same, said again for readers who missed something."""
    return with_header(message, headers.SNAPSHOT, b"true")


async def states(work: Work) -> dict[str, str]:
    rows = await work.rows("select purpose, state from consent_state")
    return {row["purpose"]: row["state"] for row in rows}
