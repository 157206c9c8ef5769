"""Whether somebody may be written to is said by who has read all that may decide about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from services.consent.domain import Answer
from services.consent.handlers.recording import Handlers
from shared.contract import inbound, registration, retention
from shared.messaging.hearing import LISTENS_FOR_S, groups_of, log_ends, passed_on
from shared.messaging.places import partitions_of
from shared.runtime.cluster import Cluster
from shared.runtime.database import Pool
from shared.runtime.log_ends import LogEnds, has_read

DECIDE: Final = partitions_of(inbound.CONTACTS, registration.TOPIC, retention.TOPIC)
"""All that the service hears: a withdrawal may be in any of it, or an objection."""


async def ends_of_what_decides(
    pool: Pool, cluster: Cluster, within_s: float = LISTENS_FOR_S
) -> LogEnds | None:
    """Where the logs end that decide whether a consent holds, once they are read up to there; None
    where a form may say no that the registration service has not passed on. Raises ConnectionError
    where Kafka does not answer.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + within_s
    by_form = groups_of("registration", inbound.REGISTRATIONS)
    if not await passed_on(cluster, by_form, within_s=within_s):
        return None
    return await log_ends(pool, cluster, DECIDE, within_s=until - clock())


@dataclass(frozen=True, slots=True)
class Checking:
    """Answers whoever is about to write to somebody."""

    handlers: Handlers
    pool: Pool
    log_ends: Callable[[], Awaitable[LogEnds | None]]

    async def check(self, email: str, purpose: str) -> Answer:
        """As `Handlers.check`, and no where it would be yes and not all is read that was said until
        now. Where it is no, nothing that is still to be read can make anybody come to harm.
        """
        async with self.pool.acquire() as connection:
            known = await self.handlers.check(connection, email, purpose)
        if not known.may_be_used:
            return known
        ends = await self.log_ends()
        async with self.pool.acquire() as connection:
            # First: what is read between the two is in the answer.
            heard = ends is not None and await has_read(connection, ends)
            answer = await self.handlers.check(connection, email, purpose)
        return answer if heard or not answer.may_be_used else Answer(False, "not_heard")
