"""What the consent service says is kept, so that a disclosure can be judged here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from services.registration import store
from services.registration.domain.consents import Consent, together
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

ConsentFact: TypeAlias = ConsentGiven | ConsentRefused | ConsentWithdrawn | ConsentExpired


def may_be_asked_of(desk: Desk, message: Message[ConsentFact]) -> bool:
    """Whether the consent is to a purpose that the plan lets this service open data for. Of any
    other it is never asked, and if a later plan has it asked, what is not known here is no consent.
    """
    return message.data.purpose in desk.purposes


async def keep_consents(tx: Transaction, messages: Sequence[Message[ConsentFact]]) -> None:
    """Keep the latest answer of each person to each purpose, and the latest no, in whatever order
    they come.
    """
    heard: dict[tuple[SubjectId, str], Consent] = {}
    for message in messages:
        data = message.data
        given = isinstance(data, ConsentGiven)
        said = Consent(given, data.at, None if given else data.at)
        before = heard.get((data.subject_id, data.purpose), said)
        heard[data.subject_id, data.purpose] = together(before, said)
    await store.keep_consents(tx.connection, heard)
