"""Keeps a process at the plan in force while it has nothing to do, and says which one it has."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from shared.privacy import stored_plans
from shared.privacy.in_force import InForce
from shared.privacy.plan import PlanError
from shared.runtime.application import Loop
from shared.runtime.database import Pool, bounded_transaction, describe, is_transient
from shared.runtime.settings import ServiceSettings

LOOK_EVERY_S: Final = 1.0
"""A batch learns of another plan by itself; this is for processes that have none."""

_log = structlog.get_logger(__name__)


class Follower:
    """The loop `plan` of a service's process, which the database knows by `process`."""

    def __init__(
        self, pool: Pool, in_force: InForce, process: UUID, settings: ServiceSettings
    ) -> None:
        self._pool = pool
        self._in_force = in_force
        self._process = process
        self._file = settings.plan
        self._limit_s = settings.session_timeout_ms / 1000

    async def run(self, loop: Loop) -> None:
        """Until the process is to stop."""
        tell_if_not_in_force(self._file, self._in_force)
        while not loop.stopping:
            loop.beat()
            try:
                await self.look()
                loop.ok()
            except PlanError:
                _log.error("the plan in force is not accepted by this release")
                loop.missing("the plan in force is not accepted by this release")
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("the plan in force cannot be looked up", **describe(error))
                loop.missing("the database does not answer")
            await loop.pause(LOOK_EVERY_S)
        async with bounded_transaction(self._pool, self._limit_s) as connection:
            await stored_plans.stop_following(connection, self._process)

    async def look(self) -> None:
        """Learn the plan in force, and say that this process works under it."""
        async with bounded_transaction(self._pool, self._limit_s) as connection:
            before = self._in_force.number
            await self._in_force.hold(connection)
            if self._in_force.number != before:
                _log.info("another plan is in force", digest=self._in_force.plan.digest)
            await stored_plans.say_followed(connection, self._process, self._in_force.number)


def tell_if_not_in_force(file: Path, in_force: InForce) -> None:
    """Warn where the file that a service is given is not the plan that it works under.

    A plan comes into force by `steward plan apply`, for all services at once, and not by a start.
    """
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        digest = "unreadable"
    if digest != in_force.plan.digest:
        _log.warning(
            "the plan in force is not the one in the file",
            in_force=in_force.plan.digest,
            file=digest,
        )
