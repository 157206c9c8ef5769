"""What the registration service hears, and what handles it."""

from __future__ import annotations

from functools import partial

from services.registration.handlers.batches import Handlers
from services.registration.handlers.consents import keep_consents, may_be_asked_of
from services.registration.handlers.desk import Desk
from shared.contract import consent, inbound, retention
from shared.messaging.subscription import Subscription
from shared.privacy.limits import LIMITS, record_limits


def subscriptions(desk: Desk) -> list[Subscription]:
    """Upstream's requests; consents, objections and restrictions as their owners say them."""
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
            admit=desk.privacy.admit,
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
                keep_consents,
            ),
            never_waits=consent.NOES,
            concerns=partial(may_be_asked_of, desk),
        ),
        Subscription(
            topic=retention.TOPIC,
            handlers=dict.fromkeys(LIMITS, record_limits),
            ignored=frozenset({retention.ErasureDue}),
            never_waits=frozenset(LIMITS),
        ),
    ]
