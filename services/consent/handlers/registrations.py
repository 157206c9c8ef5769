"""What facts about a registration tell of the answers that were given in it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.consent.handlers.contacts import Participation
from shared.contract.message import Message
from shared.contract.registration import (
    AnsweredConsents,
    ParticipantRegistered,
    ParticipantUpdated,
    RegistrationCancelled,
    RegistrationRejected,
    collected_at,
)

NotTakingPart = RegistrationCancelled | RegistrationRejected
Told = Participation | NotTakingPart


def answers_something(message: Message[Told | ParticipantUpdated]) -> bool:
    """False for a registration that came without any answer, and for what tells that somebody does
    not take part and of no answer: there is nothing to record.
    """
    data = message.data
    told = data if isinstance(data, ParticipantUpdated) else answers_in(data)
    return told is not None and bool(told.consents)


def declines_something(data: Told | ParticipantUpdated) -> bool:
    """Whether somebody registers with a no among the answers."""
    told = None if isinstance(data, ParticipantUpdated) else answers_in(data)
    return told is not None and not all(one.given for one in told.consents)


def may_correct(message: Message[Any]) -> bool:
    """Whether its registration was told of before, as far as it tells itself."""
    data = message.data
    if isinstance(data, ParticipantRegistered) and data.collected_at is not None:
        return True
    return message.envelope.snapshot or isinstance(data, ParticipantUpdated)


def tells_what_stands(message: Message[Participation]) -> bool:
    """False for who joined the waiting list: sent twice, it may be behind what was corrected."""
    return message.envelope.snapshot or isinstance(message.data, ParticipantRegistered)


def answers_in(data: Told) -> Participation | AnsweredConsents | None:
    """Where the answers stand: in the fact itself, or in the part that tells of them."""
    return data if isinstance(data, Participation) else data.answered


def answered_at(told: Participation | AnsweredConsents) -> datetime:
    """When the answers were given, also of who waited for a place since."""
    if isinstance(told, ParticipantRegistered):
        return collected_at(told)
    return told.collected_at if isinstance(told, AnsweredConsents) else told.waitlisted_at
