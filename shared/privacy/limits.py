"""Objections (article 21) and restrictions (article 18) as this service has heard of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from shared.contract.retention import ObjectionRecorded, ProcessingRestricted, RestrictionLifted
from shared.contract.types import SubjectId
from shared.runtime.database import Connection, queries

Limit: TypeAlias = ObjectionRecorded | ProcessingRestricted | RestrictionLifted

EVERY_PURPOSE: Final = ""
"""Stands for the purpose of a restriction: no purpose has this name."""

_sql = queries("queries.sql", __file__)


async def keep_limits(connection: Connection, facts: Sequence[Limit]) -> None:
    """Keep the latest of each person and purpose, in whatever order they come.

    Of two at one time the one that limits: nobody's data is used by a coincidence.
    """
    latest: dict[tuple[SubjectId, str], Limit] = {}
    for fact in facts:
        name = (fact.subject_id, _purpose(fact))
        kept = latest.get(name)
        if kept is None or (kept.at, _limits(kept)) <= (fact.at, _limits(fact)):
            latest[name] = fact
    rows = sorted(latest.items(), key=lambda row: row[0])
    await _sql.keep_limits(
        connection,
        subject_ids=[subject_id for (subject_id, _), _ in rows],
        purposes=[purpose for (_, purpose), _ in rows],
        in_force=[_limits(fact) for _, fact in rows],
        times=[fact.at for _, fact in rows],
    )


def _purpose(fact: Limit) -> str:
    return fact.purpose if isinstance(fact, ObjectionRecorded) else EVERY_PURPOSE


def _limits(fact: Limit) -> bool:
    return not isinstance(fact, RestrictionLifted)


async def limits_of(
    connection: Connection, subject_ids: Sequence[SubjectId], purpose: str
) -> dict[SubjectId, str]:
    """The reason code of each of these people whose data may not be used for the purpose."""
    found: dict[SubjectId, str] = {}
    rows = _sql.limits_of(connection, subject_ids=subject_ids, purpose=purpose)
    async for subject_id, limited in rows:
        reason = "restricted" if limited == EVERY_PURPOSE else "objected"
        found.setdefault(SubjectId(subject_id), reason)
    return found
