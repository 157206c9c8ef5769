"""Everything that Postgres gives of its tables when a superuser asks, decompressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from shared.runtime.database import Connection
from tests.canary.stack import CATALOGS
from tests.canary.survey import Survey

_TABLES = """
    select c.oid::regclass::text as name, n.nspname <> all($1::text[]) as ours
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and n.nspname <> 'pg_toast'
    order by 2 desc, 1"""


async def search_tables(connection: Connection, survey: Survey, place: str) -> None:
    """Every column of every row of every table, the server's own ones too (statistics of columns
    hold values of them).
    """
    for row in await connection.fetch(_TABLES, list(CATALOGS)):
        # In the binary format bytes are as they are. Some types of the catalogs have none.
        form: Literal["binary", "text"] = "binary" if row["ours"] else "text"
        parts: list[bytes] = []

        async def take(part: bytes, parts: list[bytes] = parts) -> None:
            parts.append(part)

        await connection.copy_from_query(f"select * from {row['name']}", output=take, format=form)  # noqa: S608
        survey.look(place, row["name"], parts)


async def search_sessions(connection: Connection, survey: Survey, place: str) -> None:
    """What the server shows of its sessions: their latest statements."""
    rows = await connection.fetch("select pid, query from pg_stat_activity")
    for row in rows:
        survey.look(place, "pg_stat_activity.query", _one(row["query"]))


def _one(text: str | None) -> Iterator[bytes]:
    yield (text or "").encode()
