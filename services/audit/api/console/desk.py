"""What the console reads from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.audit.domain.notes import VerifierKey
from services.audit.handlers.plans import Plans, plans_before
from services.audit.store.search import searching
from services.audit.store.sources import PublishedLog
from shared.privacy.privacy import Privacy
from shared.runtime.database import Connection, Pool


@dataclass(frozen=True, slots=True)
class Desk:
    """The database, the keyring's way from an address to a subject, and what is published."""

    pool: Pool
    privacy: Privacy
    published: PublishedLog
    keys: Sequence[VerifierKey]
    """The log's own first, then those of its witnesses."""
    now: Callable[[], datetime]

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's."""
        return ZoneInfo(self.privacy.plan.organisation.time_zone)

    async def plans(self, connection: Connection, cited: Iterable[str | None]) -> Plans:
        """The plan in force, and those that are cited."""
        digests = {digest for digest in cited if digest is not None}
        return await plans_before(connection, self.privacy.plan, cited=digests)

    @property
    def today(self) -> date:
        """In the organisation's time zone."""
        return self.now().astimezone(self.zone).date()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A transaction that can write nothing. The plan in force is learned before it, in one of
        its own: nobody who puts another plan in force waits for somebody who searches.
        """
        async with self.pool.acquire() as first, first.transaction(readonly=True):
            await self.privacy.in_force.hold(first)
        async with searching(self.pool) as connection:
            yield connection
