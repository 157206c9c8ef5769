"""What the consent service said of each person and purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.registration.domain.consents import Consent
from services.registration.store.sql import SQL
from shared.contract.types import SubjectId
from shared.runtime.database import Connection


async def keep_consents(
    connection: Connection, consents: Mapping[tuple[SubjectId, str], Consent]
) -> None:
    """Keep of these answers and those that are known the later one, and the later no."""
    rows = sorted(consents.items(), key=lambda row: row[0])
    await SQL.keep_consents(
        connection,
        subjects=[subject_id for (subject_id, _), _ in rows],
        purposes=[purpose for (_, purpose), _ in rows],
        given=[consent.given for _, consent in rows],
        times=[consent.at for _, consent in rows],
        last_noes=[consent.last_no_at for _, consent in rows],
    )


async def consents_of(
    connection: Connection, subjects: Sequence[SubjectId], purposes: Sequence[str]
) -> dict[tuple[SubjectId, str], Consent]:
    """What each person has said of each purpose; no entry where nothing is known of it."""
    if not subjects:
        return {}
    rows = SQL.consents_of(connection, subject_ids=subjects, purposes=purposes)
    return {
        (row["subject_id"], row["purpose"]): Consent(row["given"], row["at"], row["last_no_at"])
        async for row in rows
    }
