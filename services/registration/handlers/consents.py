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
    """Whether a yes is to a purpose that the plan lets this service open data for, or a no to one
    that any plan did. Of others it is never asked. If another plan has it asked, a yes that is not
    known here is no consent; a no has to be known, or an earlier yes would hold.
    """
    if isinstance(message.data, ConsentGiven):
        return message.data.purpose in desk.purposes
    return desk.was_ever_granted(message.data.purpose)


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
