"""Puts a plan in force for all services at once. The administrator's work, in one transaction.

Whoever works under the plan that is in force is waited for, and whoever begins meanwhile waits: at
no moment does anybody work under two plans, or under one with the grants of another (ADR 0022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.privacy import stored_plans
from shared.privacy.beginnings import NameOfPlan
from shared.privacy.errors import NoPlanError, OtherPlanError
from shared.privacy.grants import apply_grants
from shared.privacy.plan import Plan, load_with_text
from shared.privacy.stored_plans import StoredPlan
from shared.runtime.database import Administrator

FIRST: Final = 1

LONGEST_WAIT_S: Final = 30.0
"""The server ends a service's transaction sooner (0.8 of its session time-out, mostly 8 s)."""


async def first_plan(
    administrator: Administrator,
    file: Path,
    schemas: Sequence[str],
    *,
    at: datetime,
    actor: str,
) -> Plan:
    """The plan in force; that of the file where no schema has one yet.

    A schema that came later gets what the others have. Inside a transaction. Raises PlanError.
    """
    await stored_plans.take(administrator)
    known = {schema: await _history_of(administrator, schema) for schema in schemas}
    model = max(schemas, key=lambda schema: len(known[schema]))
    lacking = [schema for schema in schemas if not known[schema]]
    if known[model]:
        await stored_plans.use_schema(administrator, model)
        named = await stored_plans.names(administrator)
        for schema in lacking:
            await stored_plans.use_schema(administrator, schema)
            for one in known[model]:
                await stored_plans.store(administrator, one, named)
        return known[model][-1].read()
    plan, text = load_with_text(file)
    stored = StoredPlan(FIRST, plan.digest, text, at, actor)
    await _store_everywhere(administrator, schemas, stored, plan)
    return plan


async def _history_of(administrator: Administrator, schema: str) -> list[StoredPlan]:
    await stored_plans.use_schema(administrator, schema)
    return await stored_plans.history(administrator)


async def put_in_force(
    administrator: Administrator,
    schemas: Sequence[str],
    wanted: tuple[Plan, bytes],
    *,
    instead_of: str,
    now: Callable[[], datetime],
    actor: str,
) -> StoredPlan:
    """Store a plan in every schema and grant what it grants, inside a transaction.

    OtherPlanError where the plan in force is not the one with the digest `instead_of`;
    LockNotAvailableError where a service's work does not come to its end in time.
    """
    await administrator.execute(f"set local lock_timeout = {LONGEST_WAIT_S * 1000:.0f}")
    await stored_plans.take(administrator)
    await stored_plans.use_schema(administrator, schemas[0])
    before = await stored_plans.in_force(administrator)
    if before is None:
        raise NoPlanError("no plan is stored yet; `steward migrate` stores the first one")
    if before.digest != instead_of:
        raise OtherPlanError("meanwhile another plan came into force: look at the difference again")
    plan, text = wanted
    # The moment at which nobody works under the former plan any more.
    stored = StoredPlan(before.number + 1, plan.digest, text, now(), actor)
    await _store_everywhere(administrator, schemas, stored, plan)
    await apply_grants(administrator, plan)
    return stored


async def _store_everywhere(
    administrator: Administrator, schemas: Sequence[str], stored: StoredPlan, plan: Plan
) -> None:
    since = None if stored.number == FIRST else stored.applied_at
    named: dict[NameOfPlan, datetime | None] = {("purpose", name): since for name in plan.purposes}
    named |= {("recipient", name): since for name in plan.recipients}
    for schema in schemas:
        await stored_plans.use_schema(administrator, schema)
        await stored_plans.store(administrator, stored, named)
