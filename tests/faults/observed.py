"""What a system answers: its tables, read as the administrator, and its topics, as a reader would.

Uses the keyring as its administrator and the key-encryption key: a test may, no service can.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.cli.schemas import SERVICES
from services.registration.handlers.desk import Desk
from shared.contract import headers
from shared.contract.topics import topic as topic_spec
from shared.privacy.disclosure import BEHIND
from shared.privacy.privacy import Privacy
from shared.privacy.sealing import DataKey, key_id_of, open_bytes
from shared.privacy.subjects import Alias
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.database import Connection
from shared.runtime.secrets import SecretsFolder
from tests.faults.answers import Answers
from tests.faults.load import OFFERS
from tests.faults.model import Model, canonical, without_diet
from tests.support.opened import data_keys
from tests.support.people import whom_it_leads_to
from tests.support.published import faults_of
from tests.support.topics import read_topic

FACTS = ("registration", "consent", "finance", "retention", "audit")
ONCE = frozenset({"consent.consent_record", "finance.invoice"})
"""Tables in which nothing that came in leaves two equal rows."""

AGAIN = frozenset({"ParticipantUpdated", "RegistrationRejected", "EventChanged", "ConsentRecorded"})
"""Facts that may be said again of the same."""


class Stranger(str):
    """Stands for an id that the model knows nothing of."""

    __slots__ = ()


@dataclass
class Names:
    """What ids stand for."""

    keys: Mapping[bytes, DataKey] = field(default_factory=dict)
    people: dict[UUID, str] = field(default_factory=dict)
    registrations: dict[UUID, str] = field(default_factory=dict)
    events: dict[UUID, str] = field(default_factory=dict)
    invoices: dict[UUID, str] = field(default_factory=dict)
    origins: dict[tuple[str, str, datetime], str] = field(default_factory=dict)
    """Which statement was made by a person about a purpose at a moment."""

    def person(self, subject: UUID | str | None) -> str | None:
        return None if subject is None else self.people.get(UUID(str(subject)), Stranger(subject))

    def registration(self, registration: UUID | str) -> str:
        return self.registrations.get(UUID(str(registration)), Stranger(registration))

    def event(self, event: UUID | str) -> str:
        return self.events.get(UUID(str(event)), Stranger(event))

    def invoice(self, invoice: UUID) -> str:
        return self.invoices.get(invoice, Stranger(invoice))

    def opened(self, sealed: bytes) -> Any:  # noqa: ANN401 - whatever was sealed
        if key_id_of(sealed) not in self.keys:
            return Stranger("sealed with a key that is gone")
        return orjson.loads(open_bytes(self.keys[key_id_of(sealed)], sealed))


class Witness:
    """Looks at one system, at rest."""

    def __init__(
        self, database_url: str, bootstrap_servers: str, secrets: SecretsFolder, model: Model
    ) -> None:
        self._database_url = database_url
        self._servers = bootstrap_servers
        self._secrets = secrets
        self._model = model
        self._numbers_of_events = {offer.number for offer in OFFERS}
        self._remembered: dict[str, list[Any]] = {}
        self.overlooks_strangers = False
        """Whether rows and facts about what the model does not know are as they should be, if they
        are not there twice.
        """

    async def remember(self, topic: str) -> None:
        """Read what the topic has before some of it is deleted."""
        self._remembered[topic] = await self._read(topic)

    async def disclosures(self) -> dict[str, str]:
        """The state of each disclosure, as the registration service has it."""
        async with self._connected() as connection:
            rows = await connection.fetch("select disclosure_id, state from registration.handover")
        return {str(row["disclosure_id"]): row["state"] for row in rows}

    async def answers(self) -> Answers:
        """All tables and topics of all services."""
        found = Answers()
        async with self._connected() as connection:
            names = await self._names(connection)
            await _registration(connection, names, found)
            await _consent(connection, names, found)
            await _finance(connection, names, found)
            await _retention(connection, names, found)
            await _audit(connection, names, found)
            await _unhandled(connection, found)
            for row in await connection.fetch("select subject_id from keyring.subject"):
                found.row("keyring.subject", names.person(row["subject_id"]))
            await _published(connection, self._secrets.path.parent / "audit", found)
        for topic in FACTS:
            _facts(topic, await self._read(topic), names, found)
        return without_strangers(found) if self.overlooks_strangers else found

    async def _read(self, topic: str) -> list[Any]:
        """What the topic has, behind what it had."""
        there = await read_topic(self._servers, topic, topic_spec(topic).partitions)
        return self._remembered.get(topic, []) + there

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await asyncpg.connect(self._database_url)
        try:
            await connection.set_type_codec(
                "jsonb", encoder=orjson.dumps, decoder=orjson.loads, schema="pg_catalog"
            )
            yield connection
        finally:
            await connection.close()

    async def _names(self, connection: Connection) -> Names:
        names = Names(await data_keys(connection, self._secrets))
        emails = sorted(self._model.emails)
        privacy = Privacy.open(
            self._model.plan,
            self._secrets,
            service="registration",
            wrappers=KeyWrappers.of(self._secrets.key_encryption_keys().values()),
        )
        found = await whom_it_leads_to(
            privacy.people, connection, [Alias("email", email) for email in emails]
        )
        names.people = {
            subject: email for subject, email in zip(found, emails, strict=True) if subject
        }
        desk = Desk(privacy)
        numbers = {
            desk.registration_reference(
                desk.plan.source_name(row.offer.system.uri) or "", row.number
            ): row.number
            for row in self._model.registrations.values()
        }
        for row in await connection.fetch("select id, reference from registration.registration"):
            names.registrations[row["id"]] = numbers.get(row["reference"], Stranger(row["id"]))
        for row in await connection.fetch("select id, number from registration.event"):
            known = row["number"] in self._numbers_of_events
            names.events[row["id"]] = row["number"] if known else Stranger(row["number"])
        for row in await connection.fetch(
            "select invoice_id, registration_id from finance.invoice"
        ):
            names.invoices[row["invoice_id"]] = names.registration(row["registration_id"])
        names.origins = {
            (said.email, said.purpose, said.at): said.origin for said in self._model.said
        }
        return names


def without_strangers(found: Answers) -> Answers:
    """What the model knows; of strangers only what is there again though it is to be there once."""
    known = Answers()
    for table, rows in found.rows.items():
        for row, many in rows.items():
            if not _strange(row):
                known.rows[table][row] = many
            elif table in ONCE and many > 1:
                known.rows[table][row] = many - 1
    for chain, facts in found.facts.items():
        if not _strange(chain):
            known.facts[chain] = facts
        elif again := _again(facts):
            known.facts[chain] = again
    return known


def _again(facts: Sequence[Hashable]) -> list[Hashable]:
    said = Counter(fact for fact in facts if isinstance(fact, tuple) and fact[0] not in AGAIN)
    return list((said - Counter(set(said))).elements())


def _strange(value: object) -> bool:
    if isinstance(value, tuple):
        return any(_strange(one) for one in value)
    return isinstance(value, Stranger)


async def _registration(connection: Connection, names: Names, found: Answers) -> None:
    for row in await connection.fetch("select * from registration.registration"):
        found.row(
            "registration.registration",
            names.registration(row["id"]),
            names.person(row["subject_id"]),
            names.event(row["event_id"]),
            row["status"],
            canonical(_opened(row["personal"], names)),
        )
    for row in await connection.fetch("select * from registration.event"):
        counts = (row["places_taken"], row["waitlisted"])
        found.row("registration.event", names.events[row["id"]], row["status"], *counts)
    for row in await connection.fetch("select * from registration.consent"):
        person = names.person(row["subject_id"])
        found.row("registration.consent", person, row["purpose"], row["given"], row["at"])
    for table in ("declined", "waiting_message"):
        for _ in range(await connection.fetchval(f"select count(*) from registration.{table}")):  # noqa: S608
            found.row(f"registration.{table}", Stranger("a row"))


async def _consent(connection: Connection, names: Names, found: Answers) -> None:
    for row in await connection.fetch("select * from consent.consent_record"):
        record = (row["purpose"], row["state"], row["at"], row["collected_by"])
        found.row("consent.consent_record", names.person(row["subject_id"]), *record)
    for row in await connection.fetch("select * from consent.consent_state"):
        state = (row["purpose"], row["state"], row["at"])
        found.row("consent.consent_state", names.person(row["subject_id"]), *state)
    for row in await connection.fetch("select * from consent.contact"):
        content = canonical(names.opened(row["sealed"]))
        found.row("consent.contact", names.person(row["subject_id"]), content)


async def _finance(connection: Connection, names: Names, found: Answers) -> None:
    for row in await connection.fetch("select * from finance.invoice"):
        number, person = names.registration(row["registration_id"]), row["subject_id"]
        amounts = (row["kind"], row["net"], row["vat"])
        found.row("finance.invoice", number, names.person(person), *amounts)
    # Numbers of invoices leave no gap.
    last = await connection.fetchval("select coalesce(max(position), 0) from finance.invoice")
    for _ in range(last - await connection.fetchval("select count(*) from finance.invoice")):
        found.row("finance.invoice", "a number was left out")
    for row in await connection.fetch("select * from finance.buyer"):
        content = canonical(names.opened(row["sealed"]))
        found.row("finance.buyer", names.invoice(row["invoice_id"]), content)


async def _retention(connection: Connection, names: Names, found: Answers) -> None:
    for row in await connection.fetch("select * from retention.event_anchor"):
        found.row("retention.event_anchor", names.event(row["event_id"]), row["ends_on"])
    of_kind: dict[str, Callable[[UUID], str | None]] = {
        "registration": names.registration,
        "category": names.registration,
        "invoice": names.invoice,
        "consent": names.person,
    }
    for row in await connection.fetch("select * from retention.schedule_item"):
        about = of_kind[row["kind"]](row["item_id"])
        due = (row["part"], row["due_on"])
        found.row("retention.schedule_item", row["kind"], about, *due)


async def _audit(connection: Connection, names: Names, found: Answers) -> None:
    """Also its order: entries stand in the log as they stood in the topic."""
    last = -1
    for row in await connection.fetch("select * from audit.entry order by sequence"):
        person = names.person(row["subject_id"])
        about = str(row["disclosure_id"] or row["purpose"])
        if not _is_untimely(row["type"], orjson.loads(row["body"])["data"]):
            found.row("audit.entry", about, row["type"], person)
        if row["topic_offset"] <= last:
            found.row("audit.entry order", row["sequence"])
        last = row["topic_offset"]


async def _unhandled(connection: Connection, found: Answers) -> None:
    """Nothing is left that could not be handled, nor kept back: whatever is, is of strangers."""
    for service in SERVICES:
        for row in await connection.fetch(
            f"select status, topic, type, reason from {service}.dead_letter"  # noqa: S608
        ):
            found.row(f"{service}.dead_letter", *(Stranger(value) for value in row.values()))
        for row in await connection.fetch(f"select * from {service}.processing_limit"):  # noqa: S608
            found.row(f"{service}.processing_limit", Stranger(row))


def _is_untimely(kind: str, data: Mapping[str, Any]) -> bool:
    """Who asks while the service has not heard all is refused: how often, time decides."""
    return kind == "DisclosureRefused" and data["reason"] == BEHIND


async def _published(connection: Connection, folder: Path, found: Answers) -> None:
    """Whatever is published is of the log as it is; how far that is, time decides."""
    bodies = await connection.fetch("select body from audit.entry order by sequence")
    signed = await connection.fetch("select size from audit.checkpoint order by size")
    faults = faults_of(folder, [row["body"] for row in bodies], [row["size"] for row in signed])
    for fault in faults:
        found.row("audit published", fault)


def _facts(topic: str, records: Iterable[Any], names: Names, found: Answers) -> None:
    """Facts as a reader takes them: of what the relay sent twice, the first copy alone; not what is
    said again for those who missed it.
    """
    seen: set[bytes] = set()
    for record in records:
        attributes = dict(record.headers)
        if attributes[headers.ID] not in seen and headers.SNAPSHOT not in attributes:
            seen.add(attributes[headers.ID])
            kind, data = attributes[headers.TYPE].decode(), orjson.loads(record.value)
            if _is_untimely(kind, data):
                continue
            about, values = _LABELS[topic](kind, data, names)
            found.fact(topic, about, kind if topic != "finance" else data["kind"], *values)


Label = tuple[Hashable, tuple[Hashable, ...]]


def _registration_fact(kind: str, data: Mapping[str, Any], names: Names) -> Label:
    if kind == "EventOpened":
        return names.event(data["event"]["event_id"]), ()
    if data.get("registration_id") is None:
        return Stranger(kind), ()  # an event that is no one's of ours, or a request about nothing
    number = names.registration(data["registration_id"])
    told = {"RegistrationWaitlisted": "position", "RegistrationRejected": "reason"}
    values: tuple[Hashable, ...] = (data[told[kind]],) if kind in told else ()
    if "personal" in data:
        values += (canonical(without_diet(_opened(data["personal"], names))),)
    return number, values


def _opened(personal: Mapping[str, str], names: Names) -> dict[str, Any]:
    """Content by category."""
    return {
        category: names.opened(base64.b64decode(sealed)) for category, sealed in personal.items()
    }


def _consent_fact(kind: str, data: Mapping[str, Any], names: Names) -> Label:
    person, at = names.person(data["subject_id"]) or "", datetime.fromisoformat(data["at"])
    origin = names.origins.get((person, data["purpose"], at), Stranger(person))
    return (origin, data["purpose"]), (at,)


def _finance_fact(kind: str, data: Mapping[str, Any], names: Names) -> Label:
    amounts = (data["net"]["minor_units"], data["vat"]["minor_units"])
    return names.registration(data["registration_id"]), amounts


def _retention_fact(kind: str, data: Mapping[str, Any], names: Names) -> Label:
    """Of those whom the model knows nothing comes due, and nobody objects."""
    event = data.get("event_id")
    return (names.person(data.get("subject_id")), names.event(event) if event else None), ()


def _audit_fact(kind: str, data: Mapping[str, Any], names: Names) -> Label:
    if kind == "ConsentRecorded":
        return (names.person(data["subject_id"]), data["purpose"], data["state"]), ()
    return data["disclosure_id"], ()


_LABELS = {
    "registration": _registration_fact,
    "consent": _consent_fact,
    "finance": _finance_fact,
    "retention": _retention_fact,
    "audit": _audit_fact,
}
