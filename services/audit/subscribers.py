"""What the audit service hears: every entry of the topic `audit`, by one handler.

One handler for all types, so that entries of different types keep the order of the topic.
"""

from __future__ import annotations

from services.audit.domain.entries import ENTRY_TYPES, refuse_foreign
from services.audit.handlers.append import Appender
from shared.contract import audit
from shared.messaging.subscription import Subscription


def subscriptions(appender: Appender) -> list[Subscription]:
    """The one topic."""
    return [
        Subscription(
            topic=audit.TOPIC,
            handlers=dict.fromkeys(ENTRY_TYPES, appender.append),
            admit=refuse_foreign,
            knows_its_own=frozenset(ENTRY_TYPES),
        )
    ]
