"""What the consent service said last of each person and purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.registration.store.sql import SQL
from shared.contract.types import SubjectId
from shared.runtime.database import Connection


async def keep_consents(
    connection: Connection, answers: Mapping[tuple[SubjectId, str], tuple[bool, datetime]]
) -> None:
    """Keep these answers where none is later: whether consent is given, and since when."""
    rows = sorted(answers.items())
    await SQL.keep_consents(
        connection,
        subjects=[subject_id for (subject_id, _), _ in rows],
        purposes=[purpose for (_, purpose), _ in rows],
        given=[given for _, (given, _) in rows],
        times=[at for _, (_, at) in rows],
    )


async def consents_of(
    connection: Connection, subjects: Sequence[SubjectId], purposes: Sequence[str]
) -> dict[tuple[SubjectId, str], bool]:
    """Whether each person consents to each purpose; no entry where nothing is known of it."""
    if not subjects:
        return {}
    rows = SQL.consents_of(connection, subject_ids=subjects, purposes=purposes)
    return {(row["subject_id"], row["purpose"]): row["given"] async for row in rows}
