"""The loop that answers what has waited in vain, once it is known that it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.registration.handlers.periodic import anything_waited_long_enough, expire_waiting
from shared.contract.inbound import REGISTRATIONS
from shared.messaging.hearing import LISTENS_BRIEFLY_S, log_ends
from shared.messaging.places import partitions_of
from shared.messaging.unit_of_work import Begin
from shared.runtime.application import Loop
from shared.runtime.clock import Clock, utc_now
from shared.runtime.cluster import Cluster
from shared.runtime.database import Pool
from shared.runtime.log_ends import LogEnds
from shared.runtime.periodic import keep_trying


async def ends_of_what_announces(pool: Pool, cluster: Cluster) -> LogEnds:
    """Where the logs end that say what is waited for, once they are read up to there. Raises
    ConnectionError where Kafka does not answer.
    """
    return await log_ends(pool, cluster, partitions_of(REGISTRATIONS), within_s=LISTENS_BRIEFLY_S)


@dataclass(frozen=True, slots=True)
class Expiry:
    """At work for the service. `log_ends` is asked only where something has waited long enough."""

    begin: Begin
    log_ends: Callable[[], Awaitable[LogEnds]]
    now: Clock = utc_now

    async def run(self, interval_s: float, loop: Loop) -> None:
        """Decline what waited in vain until the process is to stop."""
        away = "database or Kafka does not answer"
        await keep_trying(loop, self.decline_some, interval_s, away=away)

    async def decline_some(self) -> bool:
        """Decline as much as one transaction should; whether that was anything."""
        async with self.begin(now=self.now()) as tx:
            if not await anything_waited_long_enough(tx):
                return False
        ends = await self.log_ends()
        async with self.begin(now=self.now()) as tx:
            return await expire_waiting(tx, ends) > 0
