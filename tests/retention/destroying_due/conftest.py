"""`steward keys destroy-due` at work, and who meets it with something due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.cli import keys
from services.cli.keys import destroying_due
from services.cli.keys.all_heard import NOT_HEARD, NotNowError
from services.retention import commands
from services.retention.handlers import Handlers
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.finance import InvoiceIssued
from shared.contract.message import Message
from shared.contract.registration import EventState
from shared.contract.types import EventId, InvoiceId, Money, RegistrationId, Sealed, SubjectId
from shared.privacy.subjects import Alias
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import Answered, command
from tests.support.facts import Facts, event_state, registered
from tests.support.work import NO_KAFKA, Work, service_at_work

LONG_AGO = datetime(2016, 10, 1, 14, tzinfo=UTC)
"""What was kept since then is due, whatever the day on which tests run."""


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
async def intake(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "registration") as work:
        yield work


@pytest.fixture
async def books(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "finance") as work:
        yield work


@dataclass
class Hearing:
    """What is heard while the command waits for it, without Kafka. It looks once before anything is
    shown or closed, and once in each part.
    """

    loop: asyncio.AbstractEventLoop
    looks: int = 0
    in_part: list[Callable[[], Coroutine[Any, Any, object]]] = field(default_factory=list)
    behind_at: int | None = None

    async def see(self, _: object) -> None:
        self.looks += 1
        if self.looks == self.behind_at:
            raise NotNowError(NOT_HEARD.format(service="consent"))
        while self.looks > 1 and self.in_part:
            # The command has a loop of its own.
            doing = asyncio.run_coroutine_threadsafe(self.in_part.pop(0)(), self.loop)
            await asyncio.wrap_future(doing)


@pytest.fixture(autouse=True)
async def hearing(monkeypatch: pytest.MonkeyPatch) -> Hearing:
    made = Hearing(asyncio.get_running_loop())
    monkeypatch.setattr(destroying_due, "see_all_heard", made.see)
    return made


async def somebody(intake: Work, *sealed: tuple[str, str]) -> SubjectId:
    """A person with a key for each category and context."""
    async with intake.parts.pool.acquire() as connection:
        (found,) = await intake.parts.privacy.people.identify(
            connection, [[Alias("email", f"{uuid4()}@example.org")]]
        )
    await seal(intake, found, *sealed)
    return found


async def seal(work: Work, who: SubjectId, *sealed: tuple[str, str]) -> None:
    items = [ToSeal(who, category, context, {"text": "x"}) for category, context in sealed]
    async with work.parts.pool.acquire() as connection:
        assert None not in await work.parts.privacy.seal(connection, items, at=utc_now())


async def alive(settings: ServiceSettings, who: SubjectId) -> set[tuple[str, str]]:
    administrator = await asyncpg.connect(settings.database_url)
    rows = await administrator.fetch(
        "select category, context from keyring.data_key"
        " where subject_id = $1 and wrapped is not null",
        who,
    )
    await administrator.close()
    return {(row["category"], row["context"]) for row in rows}


async def generations(settings: ServiceSettings, who: SubjectId) -> list[tuple[int, bool]]:
    """Of the one name of the person, each key and whether it is alive."""
    administrator = await asyncpg.connect(settings.database_url)
    rows = await administrator.fetch(
        "select generation, wrapped is not null as alive from keyring.data_key"
        " where subject_id = $1 order by generation",
        who,
    )
    await administrator.close()
    return [(row["generation"], row["alive"]) for row in rows]


async def destroy(settings: ServiceSettings, *narrowed: str, on: str = "2026-11-29") -> Answered:
    return await command(keys.app, settings, "destroy-due", "--on", on, *narrowed, "--yes")


async def listed(settings: ServiceSettings) -> list[str]:
    told = await command(commands.app, settings, "due", "--on", "2026-11-30", "--json")
    return [group["retention_class"] for group in orjson.loads(told.out)["due"]]


async def entries(work: Work) -> list[dict[str, object]]:
    rows = await work.rows("select value from outbox order by id")
    return [orjson.loads(row["value"]) for row in rows]


async def at_an_event(
    work: Work, handlers: Handlers, intake: Work, ends_at: datetime
) -> tuple[SubjectId, str]:
    """Who gave a diet for an event that ends then, and the context of its keys."""
    event = event_state(ends_at=ends_at)
    context = f"event:{event.event_id}"
    who = await somebody(intake, ("contact", context), ("diet", context))
    personal = {"contact": Sealed(b"sealed"), "diet": Sealed(b"sealed")}
    message = registered(event, subject_id=who, personal=personal, registered_at=LONG_AGO)
    await work.do(handlers.schedule_registrations, [message])
    return who, context


async def with_a_diet(work: Work, handlers: Handlers, intake: Work, event: EventState) -> SubjectId:
    """Who gave nothing but a diet for this event."""
    who = await somebody(intake, ("diet", f"event:{event.event_id}"))
    personal = {"diet": Sealed(b"sealed")}
    said = registered(event, subject_id=who, personal=personal, registered_at=LONG_AGO)
    await work.do(handlers.schedule_registrations, [said])
    return who


def moved(event: EventState) -> EventState:
    """It ends in some days, and nothing of it is due."""
    later = {"ends_at": utc_now() + timedelta(days=9), "version": event.version + 1}
    return event.model_copy(update=later)


@asynccontextmanager
async def using_keys(
    settings: ServiceSettings, who: SubjectId | None = None
) -> AsyncIterator[None]:
    """Somebody uses the keys of this person, or everybody's: who is to destroy them waits."""
    administrator = await asyncpg.connect(settings.database_url)
    try:
        async with administrator.transaction():
            await administrator.execute(
                "select from keyring.data_key where $1::uuid is null or subject_id = $1"
                " for key share",
                who,
            )
            yield
    finally:
        await administrator.close()


async def a_buyer(work: Work, handlers: Handlers, intake: Work, books: Work) -> SubjectId:
    """Who has an invoice of 2016, and one of 2026."""
    who = await somebody(intake)
    await seal(books, who, ("accounting", "year:2016"), ("accounting", "year:2026"))
    for year in (2016, 2026):
        await work.do(handlers.schedule_invoices, [Facts().message(invoice(who, year, LONG_AGO))])
    return who


def invoice(who: SubjectId, year: int, issued_at: datetime) -> InvoiceIssued:
    """One of a financial year that is the calendar's."""
    return InvoiceIssued(
        invoice_id=InvoiceId(uuid4()),
        number=f"{year}000001",
        kind="invoice",
        subject_id=who,
        registration_id=RegistrationId(uuid4()),
        event_id=EventId(uuid4()),
        net=Money(minor_units=10_000, currency="EUR"),
        vat=Money(minor_units=2_550, currency="EUR"),
        vat_class="standard",
        vat_percent="25.5",
        financial_year_ends=date(year, 12, 31),
        issued_at=issued_at,
    )


def consents(who: SubjectId, *, given: bool, at: datetime) -> Message[Any]:
    said = {"subject_id": who, "purpose": "marketing", "at": at, "plan_digest": "00"}
    if not given:
        return Facts().message(ConsentWithdrawn.model_validate(said))
    how = {"wording": "w", "language": "fi", "collected_by": "contact", "source": "website"}
    return Facts().message(ConsentGiven.model_validate({**said, **how}))
