"""What the finance service hears: who takes part in what, or does not after all, and whose data may
not be used.
"""

from __future__ import annotations

from services.finance.handlers import Handlers, costs_something, is_free
from shared.contract import registration, retention
from shared.messaging.subscription import Subscription
from shared.privacy.limits import LIMITS, record_limits
from shared.privacy.privacy import Privacy


def subscriptions(privacy: Privacy) -> list[Subscription]:
    """Registrations; objections and restrictions."""
    handlers = Handlers(privacy)
    return [
        Subscription(
            topic=registration.TOPIC,
            handlers={
                registration.ParticipantRegistered: handlers.issue_invoices,
                registration.ParticipantUpdated: handlers.correct_buyers,
                registration.RegistrationCancelled: handlers.credit_invoices,
            },
            ignored=frozenset(
                {
                    # A fee is due from who takes part: at the fee of the registration's own fact.
                    registration.EventOpened,
                    registration.EventChanged,
                    registration.EventCancelled,
                    registration.EventEnded,
                    registration.RegistrationWaitlisted,
                    registration.RegistrationRejected,
                    registration.ParticipationRecorded,
                }
            ),
            prepare=handlers.lock_numbers,
            concerns=costs_something,
            passes_over=is_free,
        ),
        Subscription(
            topic=retention.TOPIC,
            handlers=dict.fromkeys(LIMITS, record_limits),
            ignored=frozenset({retention.ErasureDue}),
            never_waits=frozenset(LIMITS),
        ),
    ]
