"""What is in the services' tables, opened and without ids and times, so that two runs compare.

Uses the keyring as its administrator and the key-encryption key: a test may, no service can.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.cli.schemas import SERVICES
from shared.contract.types import Sealed
from shared.privacy.sealing import DataKey, KeyWrapper, key_id_of, open_bytes
from shared.runtime.database import Connection
from shared.runtime.secrets import SecretsFolder

# Transport: where a service stands and what it has seen differ from run to run by nature, and at
# which sizes the log was signed, time decides.
_TRANSPORT = re.compile(
    r"^(position|inbox.*|outbox|schema_migrations|parked_key|plan|plan_follower"
    r"|checkpoint|announced)$"
)
# Numbers that are given in the order of coming, which partitions of a topic do not keep.
_ORDER = {
    "finance.invoice": {"number", "position", "reference"},
    "audit.entry": {"sequence", "topic_offset", "body"},
    "*": {"id", "partition", "record_offset", "in_line", "last_in_line"},
}
# What the keyring has, as numbers: who is who stands in the other tables.
_KEYRING = {
    "keyring.subject": "select count(*)::text from keyring.subject",
    "keyring.alias": "select kind || ' ' || count(*) from keyring.alias group by kind",
    "keyring.data_key": "select category || ' ' || count(*) from keyring.data_key"
    " where wrapped is not null group by category",
}
_MOMENT = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")

Row = str
Snapshot = Mapping[str, list[Row]]


@dataclass(frozen=True)
class _Names:
    """What stands for an id in both runs alike."""

    keys: Mapping[bytes, DataKey]
    known: Mapping[UUID, str]

    def plain(self, value: object) -> object:
        """The value without ids and times, and opened where it is sealed."""
        match value:
            case UUID():
                return self.known.get(value, "an id")
            case datetime():
                return "a time"
            case date():
                return str(value)
            case bytes():
                return self._opened(value, "bytes")
            case str():
                return self._text(value)
            case Mapping():
                return {str(self.plain(name)): self.plain(inner) for name, inner in value.items()}
            case list() | tuple():
                return [self.plain(inner) for inner in value]
        return value

    def _text(self, text: str) -> object:
        if _MOMENT.match(text):
            return "a time"
        try:
            return self.plain(UUID(text))
        except ValueError:
            pass
        try:
            return self._opened(base64.b64decode(text, validate=True), text)
        except ValueError:
            return text

    def _opened(self, value: bytes, otherwise: str) -> object:
        try:
            key = self.keys.get(key_id_of(value))
        except Exception:  # noqa: BLE001 - no sealed value, whatever it is
            return otherwise
        return otherwise if key is None else orjson.loads(open_bytes(key, Sealed(value)))


async def snapshot(database_url: str, secrets: SecretsFolder) -> Snapshot:
    """Table to its rows as sorted lines; counts of outcomes are added up over partitions, and the
    keyring is counted.
    """
    connection = await asyncpg.connect(database_url)
    try:
        await connection.set_type_codec(
            "jsonb", encoder=orjson.dumps, decoder=orjson.loads, schema="pg_catalog"
        )
        tables = {name: await _rows(connection, name) for name in await _tables(connection)}
        keyring = {
            place: sorted(row[0] for row in await connection.fetch(query))
            for place, query in _KEYRING.items()
        }
        names = _Names(await data_keys(connection, secrets), {})
        names = _Names(names.keys, _known(tables, names))
    finally:
        await connection.close()
    return {
        name: sorted(_line(name, row, names) for row in rows)
        for name, rows in tables.items()
        if not name.endswith(".outcome_count")
    } | {**keyring, "outcomes": _outcomes(tables)}


async def _tables(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    rows = await connection.fetch(
        "select schemaname, tablename from pg_tables where schemaname = any($1::text[])", SERVICES
    )
    return [
        f"{row['schemaname']}.{row['tablename']}"
        for row in rows
        if not _TRANSPORT.match(row["tablename"])
    ]


async def _rows(
    connection: asyncpg.Connection[asyncpg.Record], table: str
) -> list[Mapping[str, Any]]:
    return [dict(row) for row in await connection.fetch(f"select * from {table}")]  # noqa: S608


async def data_keys(connection: Connection, secrets: SecretsFolder) -> dict[bytes, DataKey]:
    """Every data key that was not destroyed, by its id."""
    wrappers = {(one := KeyWrapper(key)).id: one for key in secrets.key_encryption_keys().values()}
    rows = await connection.fetch(
        "select key_id, generation, category, kek, wrapped from keyring.data_key"
        " where wrapped is not null"
    )
    return {
        row["key_id"].bytes: DataKey(
            row["key_id"].bytes,
            row["generation"],
            row["category"],
            wrappers[row["kek"]].unwrap(row["key_id"].bytes, row["wrapped"]),
        )
        for row in rows
    }


def _known(tables: Mapping[str, Iterable[Mapping[str, Any]]], names: _Names) -> dict[UUID, str]:
    """Subjects by their e-mails and how many have that one, events by their numbers, registrations
    by both.
    """
    known: dict[UUID, str] = {}
    emails: dict[UUID, set[str]] = {}
    for row in tables["registration.event"]:
        known[row["id"]] = f"event {row['number']}"
    for row in tables["registration.registration"]:
        for category in ("contact", "marketing"):
            content = names.plain(row["personal"].get(category, ""))
            if isinstance(content, dict) and "email" in content:
                emails.setdefault(row["subject_id"], set()).add(content["email"])
    for row in tables["consent.contact"]:
        content = names.plain(bytes(row["sealed"]))
        if isinstance(content, dict) and "email" in content:
            emails.setdefault(row["subject_id"], set()).add(content["email"])
    # One person whom a kill has made two of is not the same as one.
    shared = Counter(min(found) for found in emails.values())
    known |= {
        subject: f"person {email}, one of {shared[email]}"
        for subject, email in ((subject, min(found)) for subject, found in emails.items())
    }
    for row in tables["registration.registration"]:
        person = known.get(row["subject_id"], "somebody")
        known[row["id"]] = f"{person} at {known[row['event_id']]}"
    return known


def _line(table: str, row: Mapping[str, Any], names: _Names) -> Row:
    dropped = _ORDER["*"] | _ORDER.get(table, set())
    kept = {name: names.plain(value) for name, value in row.items() if name not in dropped}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode()


def _outcomes(tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Row]:
    """A relay that is killed may say again what it had said: of facts, those that came twice are
    left out, and those that a service ignores, which it does not remember and counts each time.
    """
    total: Counter[str] = Counter()
    for name, rows in tables.items():
        if name.endswith(".outcome_count"):
            for row in rows:
                inbound = row["topic"].startswith("inbound.")
                if inbound or row["outcome"] not in {"duplicate", "ignored"}:
                    total[f"{name} {row['topic']} {row['outcome']}"] += row["messages"]
    return sorted(f"{place} {messages}" for place, messages in total.items() if messages)
