"""What the retention service hears: everything that says that something is kept, and since when."""

from __future__ import annotations

from services.retention.handlers import Handlers
from shared.contract import consent, finance, registration
from shared.messaging.subscription import Subscription
from shared.privacy.privacy import Privacy


def subscriptions(privacy: Privacy) -> list[Subscription]:
    """Registrations and their events, consents, invoices."""
    handlers = Handlers(privacy.in_force)
    return [
        Subscription(
            topic=registration.TOPIC,
            handlers={
                registration.EventOpened: handlers.learn_events,
                registration.EventChanged: handlers.learn_events,
                registration.EventCancelled: handlers.learn_events,
                registration.EventEnded: handlers.learn_events,
                registration.RegistrationCancelled: handlers.schedule_cancelled,
                registration.ParticipantRegistered: handlers.schedule_registrations,
                registration.ParticipantUpdated: handlers.schedule_registrations,
                registration.RegistrationWaitlisted: handlers.schedule_registrations,
            },
            ignored=frozenset(
                {registration.RegistrationRejected, registration.ParticipationRecorded}
            ),
            prepare=handlers.prepare,
        ),
        Subscription(
            topic=consent.TOPIC,
            handlers={
                consent.ConsentGiven: handlers.schedule_consents,
                consent.ConsentRefused: handlers.schedule_consents,
                consent.ConsentWithdrawn: handlers.schedule_consents,
                consent.ConsentExpired: handlers.schedule_consents,
            },
            never_waits=consent.NOES,
        ),
        Subscription(
            topic=finance.TOPIC,
            handlers={finance.InvoiceIssued: handlers.schedule_invoices},
        ),
    ]
