"""What the registration service hears, and what handles it."""

from __future__ import annotations

from services.registration.handlers.batches import Handlers
from services.registration.handlers.desk import Desk
from shared.contract import consent, inbound, retention
from shared.messaging.subscription import Subscription


def subscriptions(desk: Desk) -> list[Subscription]:
    """Upstream's requests; consents and erasures as the services that own them say them."""
    handlers = Handlers(desk)
    return [
        Subscription(
            topic=inbound.REGISTRATIONS,
            # An event before its registrations; who gives a place back before who asks for one.
            handlers={
                inbound.EventAnnounced: handlers.announce,
                inbound.CancellationRequested: handlers.take_back,
                inbound.RegistrationSubmitted: handlers.submit,
                inbound.RegistrationChanged: handlers.change,
                inbound.EventCancellationRequested: handlers.cancel_events,
            },
            prepare=handlers.prepare,
            admit=desk.plan.admit,
        ),
        Subscription(
            topic=consent.TOPIC,
            handlers=dict.fromkeys(
                (
                    consent.ConsentGiven,
                    consent.ConsentRefused,
                    consent.ConsentWithdrawn,
                    consent.ConsentExpired,
                ),
                handlers.keep_consents,
            ),
            never_waits=frozenset({consent.ConsentWithdrawn, consent.ConsentExpired}),
        ),
        Subscription(
            topic=retention.TOPIC,
            handlers={},
            ignored=frozenset({retention.ErasureDue}),
        ),
    ]
