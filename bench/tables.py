"""Sizes of tables and what autovacuum did about them, as the administrator sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from shared.runtime.database import queries

_sql = queries("tables.sql", __file__)


@dataclass(frozen=True, slots=True)
class Table:
    """One table; its partitions are in it. Sizes are in bytes; `vacuums` counts automatic ones."""

    service: str
    name: str
    rows: int
    table_bytes: int
    index_bytes: int
    dead_rows: int
    vacuums: int
    settings: Sequence[str]

    @property
    def size(self) -> int:
        """Bytes, indexes included."""
        return self.table_bytes + self.index_bytes

    @property
    def about(self) -> Mapping[str, object]:
        """What there is to be read of it."""
        return {
            "rows": self.rows,
            "table_mb": round(self.table_bytes / 1e6, 1),
            "index_mb": round(self.index_bytes / 1e6, 1),
            "dead_rows": self.dead_rows,
            "autovacuums": self.vacuums,
            "settings": list(self.settings),
        }


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables of a database."""

    all: Sequence[Table]

    def named(self, name: str) -> list[Table]:
        """The tables of this name, one for each service."""
        return [table for table in self.all if table.name == name]

    def largest(self, name: str) -> float:
        """Megabytes of the largest of them, indexes included."""
        return max(table.size for table in self.named(name)) / 1e6

    def about(self, name: str) -> dict[str, object]:
        """Each of them by its service, to be read."""
        return {table.service: table.about for table in self.named(name)}

    def grown(self, registrations: int) -> list[Table]:
        """The tables with at least a row for every ten of so many registrations."""
        return [table for table in self.all if table.rows * 10 >= registrations]


async def tables_of(database_url: str) -> Tables:
    """What there is now; `database_url` is the administrator's."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = [row async for row in _sql.tables(connection)]
    finally:
        await connection.close()
    return Tables([_table(row) for row in rows])


def _table(row: asyncpg.Record) -> Table:
    columns = dict(row)
    settings = [setting for setting in columns.pop("settings").split(",") if setting]
    return Table(settings=settings, **columns)
