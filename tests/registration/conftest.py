"""The registration service on a real Postgres, its messages taken as its consumer takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TypeVar

import asyncpg
import orjson
import pytest
from pydantic import JsonValue

from services.registration.handlers import delivering
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.handlers.periodic import expire_waiting
from services.registration.subscribers import subscriptions
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.contract.registry import MessageData
from shared.contract.types import Sealed, SubjectId
from shared.messaging.processing import Processor, Tools
from shared.messaging.service import Service
from shared.messaging.unit_of_work import Speaker, Transaction, topics_said_by, unit_of_work
from shared.privacy.plan import load_plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.database import Pool, open_pool
from shared.runtime.ids import new_id
from shared.runtime.log_ends import LogEnds
from shared.runtime.secrets import SecretsFolder
from tests.conftest import SettingsFactory
from tests.support.records import MadeRecord, binary
from tests.support.taking import take

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
FORMS = "https://forms.example.org/steward"
WEBSITE = "https://www.example.org/steward"

HEARD: dict[str, dict[int, int]] = {"inbound.registrations": {}, "consent": {}, "retention": {}}
"""Nothing was said to these topics that this service could have missed."""

D = TypeVar("D", bound=MessageData)


def consent(purpose: str, *, given: bool = True) -> dict[str, object]:
    return {"purpose": purpose, "given": given, "wording": f"{purpose}-2026", "language": "en"}


def form_field(name: str, field: str, purpose: str, **more: object) -> dict[str, object]:
    return {"name": name, "field": field, "purpose": purpose, **more}


FORM = [
    form_field("name", "contact.name", "event-arrangement", required=True),
    form_field("email", "contact.email", "event-arrangement", type="email", required=True),
    form_field("phone", "contact.phone", "event-arrangement", type="phone"),
    form_field("diet", "diet.text", "dietary-needs"),
]

EVENT = {
    "event_number": "E-1",
    "sequence": 1,
    "title": {"en": "A day about events"},
    "unit": "events",
    "starts_at": "2026-10-01T06:00:00Z",
    "ends_at": "2026-10-01T14:00:00Z",
    "time_zone": "Europe/Helsinki",
    "recipients": ["caterer", "participants"],
    "form": FORM,
}


@dataclass
class Front:
    """Takes messages, and knows what was said and what is kept."""

    pool: Pool
    service: Service
    processor: Processor
    desk: Desk
    administrator: asyncpg.Connection[asyncpg.Record]
    now: datetime
    numbers: count[int]
    offset: int = 0

    def message(
        self, kind: str, data: object, *, key: str | None = None, source: str = FORMS, **more: str
    ) -> MadeRecord:
        """A message with a name of its own, as upstream sends it and the broker takes it now."""
        record = binary(kind, data, source=source, **{"id": f"m-{next(self.numbers)}", **more})
        taken_at = int(self.now.timestamp() * 1000)
        return replace(record, key=None if key is None else key.encode(), timestamp=taken_at)

    def event(self, **over: object) -> MadeRecord:
        data = {**EVENT, **over}
        return self.message("EventAnnounced", data, key=str(data["event_number"]))

    def submitted(
        self,
        number: object,
        *,
        answers: Mapping[str, object] | None = None,
        source: str = FORMS,
        time: str | None = None,
        **over: object,
    ) -> MadeRecord:
        """A registration of a person who is named after its number."""
        attributes = {} if time is None else {"time": time}
        person = {"name": f"Person {number}", "email": f"p{number}@example.org"}
        data = {
            "registration_number": str(number),
            "event_number": "E-1",
            "answers": {**person, **(answers or {})},
            **over,
        }
        return self.message(
            "RegistrationSubmitted", data, key=str(number), source=source, **attributes
        )

    def changed(self, number: object, answers: dict[str, object], **more: str) -> MadeRecord:
        data = {"registration_number": str(number), "answers": answers}
        return self.message("RegistrationChanged", data, key=str(number), **more)

    def taken_back(self, number: object, **more: str) -> MadeRecord:
        data = {"registration_number": str(number)}
        return self.message("CancellationRequested", data, key=str(number), **more)

    def event_cancelled(self, number: str = "E-1", **more: str) -> MadeRecord:
        data = {"event_number": number}
        return self.message("EventCancellationRequested", data, key=number, **more)

    async def take(self, *records: MadeRecord) -> None:
        """One batch, in this order."""
        await take(self.service, self.processor, records, offset=self.offset)
        self.offset += len(records)

    async def work(self, work: Callable[[Desk, Transaction], Awaitable[int]]) -> int:
        """One round of something periodic."""
        async with unit_of_work(self.pool, service=SERVICE, now=self.now, ids=new_id) as tx:
            return await work(self.desk, tx)

    async def expire(self, *, unread: int = 0) -> int:
        """Decline what has waited in vain, while so many messages of the log are not taken yet."""
        ends = {"inbound.registrations": {0: self.offset + unread}}
        async with self.transaction() as tx:
            return await expire_waiting(tx, ends)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return unit_of_work(self.pool, service=SERVICE, now=self.now, ids=new_id)

    async def facts(self) -> list[MessageData]:
        """What was said since the last look, in order."""
        rows = await self.administrator.fetch(
            "delete from registration.outbox returning id, topic, headers::text, value"
        )
        return [_fact(row) for row in sorted(rows, key=lambda row: row["id"])]

    async def said(self, kind: type[D]) -> list[D]:
        """Those of the facts that are of a type; the others are forgotten."""
        return [fact for fact in await self.facts() if isinstance(fact, kind)]

    async def outcomes(self) -> dict[str, int]:
        rows = await self.administrator.fetch(
            "select outcome, sum(messages)::int as messages from registration.outcome_count"
            " group by outcome having sum(messages) <> 0"
        )
        return {row["outcome"]: row["messages"] for row in rows}

    async def dead_letters(self) -> list[tuple[str, str]]:
        rows = await self.administrator.fetch(
            "select reason, detail from registration.dead_letter order by id"
        )
        return [(row["reason"], row["detail"]) for row in rows]

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await self.administrator.fetch(statement, *arguments)

    async def opened(
        self, subject_id: SubjectId, category: str, sealed: Sealed
    ) -> dict[str, JsonValue]:
        """One sealed value, in clear."""
        purposes = {
            "contact": "event-arrangement",
            "diet": "dietary-needs",
            "networking": "networking",
        }
        async with self.pool.acquire() as connection, connection.transaction():
            found = await self.desk.privacy.use(
                connection, purposes[category], [ToOpen(subject_id, category, sealed)]
            )
        assert found[0] is not None
        return dict(found[0].reveal())


def _fact(row: asyncpg.Record) -> MessageData:

    headers = tuple((name, value.encode()) for name, value in orjson.loads(row["headers"]).items())
    message = decode(MadeRecord(row["value"], headers, topic=row["topic"]))
    assert isinstance(message, Message)
    return message.data


@pytest.fixture
def all_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find that nothing was said to the topics that decide about disclosures."""

    async def ends(*_: object) -> LogEnds:
        return HEARD

    monkeypatch.setattr(delivering, "ends_of_what_decides", ends)


@pytest.fixture
async def pool(service_settings: SettingsFactory) -> AsyncIterator[Pool]:
    settings = service_settings(SERVICE, kafka_bootstrap_servers="127.0.0.1:1")
    opened = await open_pool(settings, service=SERVICE)
    yield opened
    await opened.close()


@pytest.fixture
def desk(secrets_folder: SecretsFolder) -> Desk:
    return Desk(
        Privacy.open(
            load_plan(ROOT / "plan.toml"),
            secrets_folder,
            service=SERVICE,
            wrappers=KeyWrappers.of(secrets_folder.key_encryption_keys().values()),
        )
    )


@pytest.fixture
async def front(
    pool: Pool, desk: Desk, database: str, service_settings: SettingsFactory
) -> AsyncIterator[Front]:
    settings = service_settings(SERVICE, kafka_bootstrap_servers="127.0.0.1:1")
    service = Service(SERVICE, settings, pool, desk.privacy, subscriptions(desk))
    administrator = await asyncpg.connect(database)
    speaker = Speaker(SERVICE, new_id, topics_said_by(SERVICE))
    tools = Tools(now=lambda: made.now)
    processor = Processor(service, speaker, tools)
    made = Front(pool, service, processor, desk, administrator, NOW, count(1))
    yield made
    await administrator.close()
