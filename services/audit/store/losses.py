"""What a recipient was handed in a span, counted by the database."""

from __future__ import annotations

from datetime import datetime

from services.audit.domain.breach import Alike, Lost, LostCategory
from services.audit.store.sql import SQL
from shared.runtime.database import Connection


async def lost_by(connection: Connection, recipient: str, since: datetime, until: datetime) -> Lost:
    """Of `since <= at < until`."""
    row = await SQL.lost_by(connection, recipient=recipient, since=since, until=until)
    counted = zip(row["categories"], row["category_people"], row["category_records"], strict=True)
    alike = zip(row["alike_categories"], row["alike_subjects"], strict=True)
    return Lost(
        people=row["people"],
        records=row["records"],
        disclosures=row["disclosures"],
        unconfirmed=row["unconfirmed"],
        undelivered=row["undelivered"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        categories=tuple(LostCategory(*one) for one in counted),
        alike=tuple(Alike(tuple(names.split(" ")), subjects) for names, subjects in alike),
    )


async def has_recipient(connection: Connection, recipient: str) -> bool:
    """Whether the log has an entry of this recipient."""
    found: bool = await SQL.has_recipient(connection, recipient=recipient)
    return found
