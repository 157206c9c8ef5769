"""What the consent service hears: answers and withdrawals, and what people said on registering."""

from __future__ import annotations

from typing import Final

from services.consent.handlers import Handlers, answers_something, says_only_yes
from shared.contract import inbound, registration, retention
from shared.contract.registry import MessageData
from shared.messaging.subscription import Subscription
from shared.privacy.limits import LIMITS, record_limits
from shared.privacy.privacy import Privacy

CONTACTS: Final[tuple[type[MessageData], ...]] = (
    inbound.WithdrawalRequested,
    inbound.ContactSubmitted,
)
PARTICIPATIONS: Final[tuple[type[MessageData], ...]] = (
    registration.RegistrationWaitlisted,
    registration.ParticipantRegistered,
)
NOT_TAKING_PART: Final[tuple[type[MessageData], ...]] = (
    registration.RegistrationCancelled,
    registration.RegistrationRejected,
)


def subscriptions(privacy: Privacy) -> list[Subscription]:
    """Contacts first: a withdrawal is handled before anything else that came with it."""
    handlers = Handlers(privacy)
    return [
        Subscription(
            topic=inbound.CONTACTS,
            handlers=dict.fromkeys(CONTACTS, handlers.record_contacts),
            never_waits=frozenset({inbound.WithdrawalRequested}),
            waits=says_only_yes,
            prepare=handlers.prepare,
            admit=privacy.admit,
            # A withdrawal counts at once (article 7(3)), whatever crowd registers meanwhile.
            urgent=True,
            rehearse=handlers.rehearse,
        ),
        Subscription(
            topic=registration.TOPIC,
            handlers={
                **dict.fromkeys(PARTICIPATIONS, handlers.record_participants),
                **dict.fromkeys(NOT_TAKING_PART, handlers.record_not_taking_part),
                registration.ParticipantUpdated: handlers.correct_contacts,
            },
            ignored=frozenset(
                {
                    registration.EventOpened,
                    registration.EventChanged,
                    registration.EventCancelled,
                    registration.EventEnded,
                    registration.ParticipationRecorded,
                }
            ),
            prepare=handlers.prepare_participants,
            concerns=answers_something,
            knows_its_own=frozenset({*PARTICIPATIONS, registration.RegistrationCancelled}),
        ),
        Subscription(
            topic=retention.TOPIC,
            handlers=dict.fromkeys(LIMITS, record_limits),
            ignored=frozenset({retention.ErasureDue}),
            never_waits=frozenset(LIMITS),
        ),
    ]
