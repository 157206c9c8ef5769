"""What people agreed to, said again for readers who missed it."""

from __future__ import annotations

from typing import Final, TypeAlias

from services.consent import store
from services.consent.domain import fact_of
from shared.contract.types import SubjectId
from shared.messaging.unit_of_work import Transaction

MOST_AT_ONCE: Final = 1_000

Standing: TypeAlias = tuple[SubjectId, str]
"""A person and a purpose that the person has said something of."""


async def republish_consents(
    tx: Transaction, after: Standing | None
) -> tuple[int, Standing | None]:
    """Say what holds of some people and purposes, from `after` on; how many facts, and the last
    one.

    Before a yes, the last no: whoever missed both would else use what was collected before the no.
    Nobody is locked, so that no withdrawal waits. What is said meanwhile may stand before what is
    said here: readers keep what has the latest time, in whatever order it comes. Nothing is a proof
    anew, so the audit log hears nothing.
    """
    standing = await store.standing_after(tx.connection, after, MOST_AT_ONCE)
    for statement, plan_digest in standing:
        about = statement.subject_id
        tx.say(fact_of(statement, plan_digest), key=about, subject=about, snapshot=True)
    if not standing:
        return 0, None
    last, _ = standing[-1]
    return len(standing), (last.subject_id, last.purpose)
