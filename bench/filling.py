"""Tables filled with as many rows as years of work leave, each like a row that a service wrote.

A real row is the pattern: its columns are copied, and only what makes a row another one is new.
Whatever columns a table has, the rows are thus as wide as real ones, and so are their indexes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import asyncpg

from shared.runtime.database import Connection, queries

KEEP_DAYS = 40
DAYS = 10
"""The inbox's rows are of so many days, as at a million messages a day."""

CONNECTIONS = 2
"""That fill tables at once."""

POSTGRES_SETTINGS: Mapping[str, str] = {
    # What is loaded into a table emptied in the same transaction is not written twice.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "maintenance_work_mem": "512MB",
}

_sql = queries("filling.sql", __file__)


@dataclass(frozen=True, slots=True)
class Filling:
    """A table and, for columns that differ from row to row, an expression of `n` = 1, 2, …

    A digest keeps the length that it has in the pattern.
    """

    table: str
    columns: Mapping[str, str]


def _digest(column: str) -> str:
    return f"substring(sha256(int8send(n)) for octet_length(pattern.{column}))"


INBOX = Filling(
    "registration.inbox",
    {"day": f"current_date - (n % {DAYS})::int", "identity": _digest("identity")},
)
REGISTRATIONS = Filling(
    "registration.registration",
    {"id": "uuidv7()", "reference": _digest("reference"), "subject_id": "gen_random_uuid()"},
)
SUBJECTS = Filling("keyring.subject", {"subject_id": "gen_random_uuid()"})
ALIASES = Filling("keyring.alias", {"digest": _digest("digest"), "subject_id": "gen_random_uuid()"})
KEYS = Filling(
    "keyring.data_key",
    {
        "subject_id": "gen_random_uuid()",
        "key_id": "uuidv7()",
        # A hundred people at an event.
        "context": "'event:' || md5((n / 100)::text)::uuid",
    },
)

INTAKE = (INBOX, REGISTRATIONS, SUBJECTS, ALIASES, KEYS)
"""What grows with every registration: inbox, state and keyring of the registration service."""

FACTS = (
    *INTAKE,
    Filling(
        "consent.consent_record",
        {"id": "uuidv7()", "subject_id": "gen_random_uuid()", "origin": _digest("origin")},
    ),
    Filling("consent.consent_state", {"subject_id": "gen_random_uuid()"}),
    Filling("consent.contact", {"subject_id": "gen_random_uuid()"}),
    Filling(
        "finance.invoice",
        {
            "invoice_id": "uuidv7()",
            "number": "'F' || n",
            "position": "n + 1000000000",
            "subject_id": "gen_random_uuid()",
            "registration_id": "gen_random_uuid()",
        },
    ),
    Filling(
        "retention.schedule_item",
        {"item_id": "gen_random_uuid()", "subject_id": "gen_random_uuid()"},
    ),
)
"""The same, and what the services that hear of it keep."""


async def fill(
    database_url: str,
    rows: int,
    tell: Callable[[str], None],
    fillings: Sequence[Filling] = INTAKE,
) -> None:
    """Fill tables, as the administrator, and gather statistics.

    Every table needs a row already: registrations have to have gone through the services.
    """
    connections = [await asyncpg.connect(database_url) for _ in range(CONNECTIONS)]
    left = iter(fillings)
    try:
        await _make_days(connections[0])
        await asyncio.gather(*(_fill_next(one, left, rows, tell) for one in connections))
        tell("vacuum, statistics, checkpoint")
        await connections[0].execute("vacuum (analyze)")
        await connections[0].execute("checkpoint")
    finally:
        for connection in connections:
            await connection.close()


async def _make_days(connection: Connection) -> None:
    """The inbox's days, made as the service makes them."""
    today: date = await connection.fetchval("select current_date")
    await connection.execute("set search_path = registration")
    for back in range(DAYS, -1, -1):
        await _sql.keep_inbox(connection, today=today - timedelta(days=back), keep=KEEP_DAYS)
    await connection.execute("reset search_path")


async def _fill_next(
    connection: Connection, left: Iterator[Filling], rows: int, tell: Callable[[str], None]
) -> None:
    """Fill one table after the other, as long as some are left."""
    for filling in left:
        tell(f"{rows:,} rows into {filling.table}")
        await _fill(connection, filling, rows)


async def _fill(connection: Connection, filling: Filling, rows: int) -> None:
    found = [row async for row in _sql.columns_of(connection, table=filling.table)]
    columns = [row["quoted"] for row in found]
    given = [filling.columns.get(row["name"], f"pattern.{row['quoted']}") for row in found]
    statement = (
        f"insert into {filling.table} ({', '.join(columns)})"  # noqa: S608 - our own names
        f" select {', '.join(given)}"
        f" from (select * from {filling.table} limit 1) as pattern,"
        " generate_series(1, $1::bigint) as n"
    )
    async with connection.transaction(), without_indexes(connection, filling.table):
        await connection.execute(statement, rows)


@asynccontextmanager
async def without_indexes(connection: Connection, table: str) -> AsyncIterator[None]:
    """Take a table's indexes and keys away; make them again when it is filled, a sort for each."""
    found = [row async for row in _sql.indexes_of(connection, table=table)]
    for row in found:
        await connection.execute(row["remove"])
    yield
    for row in found:
        await connection.execute(row["make"])
