"""What a recipient was handed in a span, counted by the database."""

from __future__ import annotations

from datetime import datetime

from services.audit.domain.arrival import UNSURE_REASONS
from services.audit.domain.breach import Lost, alike
from services.audit.domain.entries import HANDED_OVER
from services.audit.store.sql import SQL, reading_bodies
from shared.runtime.database import Connection


async def lost_by(connection: Connection, recipient: str, since: datetime, until: datetime) -> Lost:
    """Of `since <= at < until`. A million records take some seconds. Raises SpoiledEntryError."""
    with reading_bodies():
        row = await SQL.lost_by(
            connection,
            recipient=recipient,
            since=since,
            until=until,
            handed_over=HANDED_OVER,
            unsure_reasons=UNSURE_REASONS,
        )
    return Lost(
        disclosures=row["disclosures"],
        unconfirmed=row["unconfirmed"],
        undelivered=row["undelivered"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        of_set={
            _set(one): records for one, records in zip(row["sets"], row["set_records"], strict=True)
        },
        alike=alike(
            (frozenset().union(*map(_set, sets.split("|"))), subjects)
            for sets, subjects in zip(row["alike_sets"], row["alike_subjects"], strict=True)
        ),
    )


def _set(written: str) -> frozenset[str]:
    return frozenset(written.split())


async def has_recipient(connection: Connection, recipient: str) -> bool:
    """Whether the log has an entry of this recipient."""
    found: bool = await SQL.has_recipient(connection, recipient=recipient)
    return found
