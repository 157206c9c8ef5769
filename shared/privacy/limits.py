"""Objections (article 21) and restrictions (article 18) as this service has heard of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

from shared.contract.message import Message
from shared.contract.retention import ObjectionRecorded, ProcessingRestricted, RestrictionLifted
from shared.contract.types import SubjectId
from shared.privacy.plan import Plan
from shared.privacy.values import ToOpen
from shared.runtime.database import Connection, queries

Limit: TypeAlias = ObjectionRecorded | ProcessingRestricted | RestrictionLifted

Reason = Literal["objected", "restricted"]

LIMITS: Final = (ObjectionRecorded, ProcessingRestricted, RestrictionLifted)
"""Whoever opens personal data hears these; they never wait behind what has failed."""

EVERY_PURPOSE: Final = ""
"""Stands for the purpose of a restriction: no purpose has this name."""

_sql = queries("queries.sql", __file__)


class _Within(Protocol):
    @property
    def connection(self) -> Connection: ...


async def record_limits(tx: _Within, messages: Sequence[Message[Limit]]) -> None:
    """Keep who objected and whose data is restricted: uses and disclosures refuse from now on."""
    await keep_limits(tx.connection, [message.data for message in messages])


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
) -> dict[SubjectId, Reason]:
    """The reason code of each of these people whose data may not be used for the purpose."""
    found: dict[SubjectId, Reason] = {}
    rows = _sql.limits_of(connection, subject_ids=subject_ids, purpose=purpose)
    async for subject_id, limited in rows:
        reason: Reason = "restricted" if limited == EVERY_PURPOSE else "objected"
        found.setdefault(SubjectId(subject_id), reason)
    return found


async def limits_of_use(
    connection: Connection, plan: Plan, purpose: str, items: Sequence[ToOpen]
) -> dict[SubjectId, Reason]:
    """The same, for the service's own work: what a law demands is done all the same (article 18(2),
    article 21(1) against article 6(1)(c)).
    """
    if not items or plan.purposes[purpose].legal_basis == "legal_obligation":
        return {}
    return await limits_of(connection, list({item.subject_id for item in items}), purpose)
