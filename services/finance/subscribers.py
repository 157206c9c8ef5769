"""What the finance service hears: who takes part in what, and who does not after all."""

from __future__ import annotations

from services.finance.handlers import Handlers, costs_something
from shared.contract import registration
from shared.messaging.subscription import Subscription
from shared.privacy.privacy import Privacy


def subscriptions(privacy: Privacy) -> list[Subscription]:
    """Registrations only, as yet."""
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
        )
    ]
