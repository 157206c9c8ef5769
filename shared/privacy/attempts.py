"""Attempts at categories that are not granted: recorded although the caller rolls back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import asyncpg
import structlog

from shared.runtime.database import Connection, Pool, describe, queries

WITHIN_S: Final = 2.0
"""Recording an attempt keeps its caller, who is refused anyway, no longer than this."""

_sql = queries("queries.sql", __file__)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempts:
    """So many within a minute of one role. Names that the plan does not have are None."""

    role: str
    category: str | None
    purpose: str | None
    minute: datetime
    refused_by: Literal["door", "keyring"]
    count: int


async def record_attempt(pool: Pool, categories: Collection[str], purpose: str) -> None:
    """Count the attempt in a transaction of its own, on another connection than the caller's.

    Never raises: the caller gets nothing in any case, and that is what it must be told.
    """
    try:
        async with pool.acquire(timeout=WITHIN_S) as connection:
            await _sql.record_attempt(connection, categories=sorted(categories), purpose=purpose)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        _log.warning("an attempt to get keys could not be recorded", **describe(error))


async def take_attempts(connection: Connection, before: datetime, most: int) -> list[Attempts]:
    """The attempts of minutes that were over, oldest first; they are recorded here no longer."""
    taken = [
        Attempts(role, category or None, purpose or None, minute, refused_by, count)
        async for role, category, purpose, minute, refused_by, count in _sql.take_attempts(
            connection, before=before, most=most
        )
    ]
    return sorted(taken, key=lambda one: one.minute)
