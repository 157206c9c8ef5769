"""Plans as they are stored in a service's schema: every one that was ever in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from shared.privacy.beginnings import NameOfPlan
from shared.privacy.plan import Plan, PlanError
from shared.privacy.plan.load import read_plan
from shared.runtime.database import Connection, queries

_sql = queries("stored_plans.sql", __file__)

RUNS_IF_HEARD_WITHIN_S: Final = 15.0
"""A process says every 5 s which plan it works under; of one that stays silent nothing is known."""


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """One plan, as its file was. `number` counts the plans that were put in force, from 1."""

    number: int
    digest: str
    text: bytes = field(repr=False)
    applied_at: datetime
    applied_by: str

    def read(self) -> Plan:
        """Read and check it. PlanError where this release does not accept it any more."""
        return read_plan(self.text, Path(f"stored plan {self.digest[:12]}"))


async def hold(connection: Connection) -> int | None:
    """Keep the plan in force until the transaction ends; its number, None where there is none."""
    number: int | None = await _sql.hold_plan(connection)
    return number


async def in_force(connection: Connection) -> StoredPlan | None:
    """The plan that is in force; None before the first one is stored."""
    row = await _sql.plan_in_force(connection)
    return None if row is None else _plan(row)


async def history(connection: Connection) -> list[StoredPlan]:
    """Every plan that was put in force, in that order."""
    return [_plan(row) async for row in _sql.plans(connection)]


async def with_digest(connection: Connection, digest: str) -> list[StoredPlan]:
    """The plans whose digest begins so: mostly one, more where one was applied again."""
    return [_plan(row) async for row in _sql.plans_with(connection, digest=digest)]


async def newest_on_consent(connection: Connection, purposes: Collection[str]) -> dict[str, Plan]:
    """The newest plan in which each of these purposes rested on consent. Without those of which
    there is none that this release accepts.
    """
    found: dict[str, Plan] = {}
    for stored in reversed(await history(connection)):
        try:
            plan = stored.read()
        except PlanError:
            continue
        for name in purposes:
            if name not in found and name in plan.purposes and plan.purposes[name].needs_consent:
                found[name] = plan
        if len(found) == len(purposes):
            break
    return found


async def names(connection: Connection) -> Mapping[NameOfPlan, datetime | None]:
    """Since when plans have had each purpose and recipient; None: since the first plan."""
    return {(row["kind"], row["name"]): row["since"] async for row in _sql.plan_names(connection)}


async def store(
    administrator: Connection, stored: StoredPlan, named: Mapping[NameOfPlan, datetime | None]
) -> None:
    """Store a plan in the schema that is in use, and since when plans have had what it names."""
    await _sql.store_plan(
        administrator,
        number=stored.number,
        digest=stored.digest,
        text=stored.text,
        applied_at=stored.applied_at,
        applied_by=stored.applied_by,
    )
    await _sql.store_names(
        administrator,
        kinds=[kind for kind, _ in named],
        names=[name for _, name in named],
        since=list(named.values()),
    )


async def take(administrator: Connection) -> None:
    """Wait until nobody works under the plan in force; nobody does till the transaction ends."""
    await _sql.take_plan(administrator)


async def use_schema(administrator: Connection, schema: str) -> None:
    """Let statements of this transaction find this service's tables."""
    await _sql.use_schema(administrator, schema=schema)


async def say_followed(connection: Connection, process: UUID, number: int) -> None:
    """Say that a process works under the plan of this number."""
    await _sql.say_followed(connection, process=process, number=number)


async def stop_following(connection: Connection, process: UUID) -> None:
    """The process ends in order."""
    await _sql.stop_following(connection, process=process)


async def followers(connection: Connection) -> dict[int, int]:
    """How many running processes of the service work under which plan, by its number."""
    rows = _sql.followers(connection, within_s=RUNS_IF_HEARD_WITHIN_S)
    return {row["number"]: row["processes"] async for row in rows}


def _plan(row: asyncpg.Record) -> StoredPlan:
    return StoredPlan(**dict(row))
