"""What `steward plan apply` does: a plan in force, its audit entry, and who works under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import asyncpg

from services.cli.schemas import SERVICES
from shared.contract.audit import PlanApplied
from shared.messaging.unit_of_work import Speaker, Transaction, topics_said_by
from shared.privacy import stored_plans
from shared.privacy.plan import Plan
from shared.privacy.putting_in_force import put_in_force
from shared.privacy.stored_plans import StoredPlan
from shared.runtime.clock import utc_now
from shared.runtime.database import Administrator, role_name
from shared.runtime.ids import new_id

OFFICE: Final = "retention"
"""The service in whose name, and by whose outbox, the privacy office says what it did."""

LOOK_EVERY_S: Final = 0.2


async def plan_in_force(administrator: Administrator) -> StoredPlan | None:
    """The plan that is in force; None where nothing is stored, or not even migrated."""
    async with administrator.transaction():
        await stored_plans.use_schema(administrator, OFFICE)
        try:
            return await stored_plans.in_force(administrator)
        except asyncpg.UndefinedTableError:
            pass
    return None


async def apply_plan(
    administrator: Administrator, wanted: tuple[Plan, bytes], *, instead_of: str, actor: str
) -> StoredPlan:
    """Put a plan in force and say so in the audit log: both or neither. As `put_in_force`."""
    async with administrator.transaction():
        stored = await put_in_force(
            administrator, SERVICES, wanted, instead_of=instead_of, now=utc_now, actor=actor
        )
        await administrator.execute(f"set local role {role_name(OFFICE)}")
        await stored_plans.use_schema(administrator, OFFICE)
        speaker = Speaker(OFFICE, new_id, topics_said_by(OFFICE))
        transaction = Transaction(administrator, now=stored.applied_at, speaker=speaker)
        transaction.say(
            PlanApplied(
                at=stored.applied_at,
                actor=actor,
                plan_digest=stored.digest,
                service=OFFICE,
                replaced_digest=instead_of,
                number=stored.number,
            ),
            key=None,
        )
        await transaction.close()
    return stored


async def followed(
    administrator: Administrator, number: int
) -> AsyncIterator[Mapping[str, tuple[int, int]]]:
    """Of each service with running processes, how many work under the plan and how many there are.

    Again and again, until all of them do.
    """
    while True:
        found = {}
        for service in SERVICES:
            async with administrator.transaction():
                await stored_plans.use_schema(administrator, service)
                processes = await stored_plans.followers(administrator)
            if processes:
                at_it = sum(count for under, count in processes.items() if under >= number)
                found[service] = (at_it, sum(processes.values()))
        yield found
        if all(at_it == running for at_it, running in found.values()):
            return
        await asyncio.sleep(LOOK_EVERY_S)
