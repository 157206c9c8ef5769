"""What the consent service says is kept, so that a disclosure can be judged here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from services.registration import store
from services.registration.handlers.desk import Desk
from shared.contract.consent import (
    ConsentExpired,
    ConsentGiven,
    ConsentRefused,
    ConsentWithdrawn,
)
from shared.contract.message import Message
from shared.contract.types import SubjectId
from shared.messaging.unit_of_work import Transaction

Consent: TypeAlias = ConsentGiven | ConsentRefused | ConsentWithdrawn | ConsentExpired


def may_be_asked_of(desk: Desk, message: Message[Consent]) -> bool:
    """Whether the consent is to a purpose that the plan lets this service open data for. Of any
    other it is never asked, and if a later plan has it asked, what is not known here is no consent.
    """
    return message.data.purpose in desk.purposes


async def keep_consents(tx: Transaction, messages: Sequence[Message[Consent]]) -> None:
    """Keep the latest answer of each person to each purpose, in whatever order they come."""
    latest: dict[tuple[SubjectId, str], tuple[bool, datetime]] = {}
    for message in messages:
        data = message.data
        given = isinstance(data, ConsentGiven)
        kept = latest.get((data.subject_id, data.purpose))
        # Of two answers at one time the one that says no: nobody is used by a coincidence.
        if kept is None or (kept[1], not kept[0]) <= (data.at, not given):
            latest[data.subject_id, data.purpose] = (given, data.at)
    await store.keep_consents(tx.connection, latest)
