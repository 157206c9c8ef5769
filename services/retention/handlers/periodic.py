"""What time brings to the retention service."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Final

from prometheus_client import Gauge

from services.retention import store
from shared.messaging.unit_of_work import Transaction
from shared.privacy.office import PrivacyOffice

MOST_ATTEMPTS: Final = 500

DUE_OLDEST_SECONDS: Final = Gauge(
    "steward_due_oldest_seconds",
    "For how long something has been due that no run of `steward keys destroy-due` has gone over.",
)


class Periodic:
    """Work in parts, each of which says how much it did."""

    def __init__(self, office: PrivacyOffice) -> None:
        self._office = office

    async def report_attempts(self, tx: Transaction) -> int:
        """Say to the log which services asked for what the plan does not grant them."""
        return await self._office.report_attempts(tx, MOST_ATTEMPTS)

    async def retire_aliases(self, tx: Transaction) -> int:
        """Nothing but the log leads from an address to people who were erased long enough ago."""
        return await self._office.retire(tx.connection, tx.now)

    async def forget_aliases(self, tx: Transaction) -> int:
        """Nothing leads from an address to people whose accountability periods are over."""
        return await self._office.forget(tx)

    async def tell_due(self, tx: Transaction) -> int:
        """Bring the figure up to date that tells for how long something is due."""
        since = await store.due_since(tx.connection, tx.now.astimezone(UTC).date())
        begun = tx.now if since is None else datetime.combine(since, time(), UTC)
        DUE_OLDEST_SECONDS.set((tx.now - begun).total_seconds())
        return 0
