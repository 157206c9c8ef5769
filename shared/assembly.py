"""What every service is put together from: plan in force, door to personal data, pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from starlette.routing import BaseRoute

from shared.messaging.service import Service
from shared.messaging.subscription import Subscription
from shared.messaging.unit_of_work import Transaction, unit_of_work
from shared.privacy.following import Follower
from shared.privacy.in_force import InForce
from shared.privacy.key_sources import open_wrappers
from shared.privacy.privacy import Privacy
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.application import LoopFunction
from shared.runtime.database import Pool, open_pool
from shared.runtime.ids import new_id
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one service, open."""

    name: str
    pool: Pool
    privacy: Privacy
    follower: Follower
    wrappers: KeyWrappers

    def service(
        self,
        settings: ServiceSettings,
        subscriptions: Sequence[Subscription],
        loops: Mapping[str, LoopFunction] | None = None,
        routes: Sequence[BaseRoute] = (),
    ) -> Service:
        """The service that is made of them, with its own loops, and what it serves over HTTP."""
        return Service(
            self.name,
            settings,
            self.pool,
            self.privacy,
            subscriptions,
            {"plan": self.follower.run, **(loops or {})},
            routes=routes,
            plan=self.privacy.in_force,
        )

    def work(self, *, now: datetime) -> AbstractAsyncContextManager[Transaction]:
        """A transaction for commands and periodic work, under the plan in force."""
        plan = self.privacy.in_force
        return unit_of_work(self.pool, service=self.name, now=now, ids=new_id, plan=plan)

    def record(self, *, now: datetime) -> AbstractAsyncContextManager[Transaction]:
        """A transaction for what belongs to work that was done, whatever plan is in force now."""
        return unit_of_work(self.pool, service=self.name, now=now, ids=new_id)


@asynccontextmanager
async def open_parts(settings: ServiceSettings, *, service: str) -> AsyncIterator[Parts]:
    """Connect as the service's role, learn the plan in force, read the secrets; close at the end.

    Raises NoPlanError, PlanError, SecretsError, and what connecting raises (`is_transient` tells it
    apart).
    """
    async with open_wrappers(settings) as wrappers:
        pool = await open_pool(settings, service=service)
        try:
            async with pool.acquire() as connection:
                async with connection.transaction():
                    in_force = await InForce.open(connection)
                privacy = Privacy.open(
                    in_force, SecretsFolder(settings.secrets), service=service, wrappers=wrappers
                )
                await privacy.check(connection)
            privacy.record_attempts_in(pool)
            follower = Follower(pool, in_force, new_id(), settings)
            yield Parts(service, pool, privacy, follower, wrappers)
        finally:
            await pool.close()
