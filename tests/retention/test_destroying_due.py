"""`steward keys destroy-due`: what `steward retention due` lists goes, and only that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.cli import keys
from services.cli.keys import destroying, destroying_due
from services.retention import commands
from services.retention.handlers import Handlers
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.finance import InvoiceIssued
from shared.contract.message import Message
from shared.contract.types import EventId, InvoiceId, Money, RegistrationId, Sealed, SubjectId
from shared.messaging.hearing import LogEnds
from shared.privacy.subjects import Alias
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.retention.conftest import follow
from tests.support.commands import NOWHERE, Answered, command
from tests.support.facts import Facts, event_state, registered
from tests.support.work import NO_KAFKA, Work, at_work

LONG_AGO = datetime(2016, 10, 1, 14, tzinfo=UTC)
"""What was kept since then is due, whatever the day on which tests run."""


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
async def intake(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "registration") as work:
        yield work


@pytest.fixture
async def books(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("finance", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "finance") as work:
        yield work


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[int, int]]:
    """Where the logs end, without Kafka."""
    told: dict[str, dict[int, int]] = {}

    async def heard(_: object) -> LogEnds:
        return told

    monkeypatch.setattr(destroying_due, "heard", heard)
    return told


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


async def destroy(settings: ServiceSettings, *narrowed: str, on: str = "2026-11-30") -> Answered:
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


def consents(who: SubjectId, *, given: bool, at: datetime) -> Message[Any]:
    said = {"subject_id": who, "purpose": "marketing", "at": at, "plan_digest": "00"}
    if not given:
        return Facts().message(ConsentWithdrawn.model_validate(said))
    how = {"wording": "w", "language": "fi", "collected_by": "contact", "source": "website"}
    return Facts().message(ConsentGiven.model_validate({**said, **how}))


async def test_what_is_due_goes_what_is_not_stays_and_it_is_listed_no_more(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who, over = await at_an_event(work, handlers, intake, LONG_AGO)
    other, to_come = await at_an_event(work, handlers, intake, utc_now() + timedelta(days=9))
    assert await listed(settings) == ["diet", "event-data"]
    done = await destroy(settings, "--class", "diet")
    assert (done.code, done.out.splitlines()[-1]) == (
        0,
        "1 keys are destroyed, and that is recorded",
    )
    assert await alive(settings, who) == {("contact", over)}
    assert await listed(settings) == ["event-data"]
    assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == set()
    assert await alive(settings, other) == {("contact", to_come), ("diet", to_come)}
    assert await listed(settings) == []
    diet, contact = await entries(work)
    assert (diet["retention_class"], diet["due_on"], diet["keys"]) == ("diet", "2026-11-30", 1)
    assert (diet["subject_id"], diet["cut_off"]) == (None, "2026-11-29T22:00:00Z")
    assert (contact["retention_class"], contact["categories"]) == ("event-data", ["contact"])
    assert "0 keys" in (await destroy(settings)).out
    assert len(await entries(work)) == 2, "nothing was left to do"


async def test_of_marketing_those_go_who_withdrew(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    gone, stays, back = [await somebody(intake, ("marketing", "")) for _ in range(3)]
    given = [consents(who, given=True, at=LONG_AGO) for who in (gone, stays, back)]
    later = LONG_AGO + timedelta(days=1)
    await work.do(handlers.schedule_consents, given)
    await work.do(
        handlers.schedule_consents, [consents(who, given=False, at=later) for who in (gone, back)]
    )
    await work.do(
        handlers.schedule_consents, [consents(back, given=True, at=later + timedelta(days=1))]
    )
    assert (await destroy(settings, "--class", "marketing")).code == 0
    assert await alive(settings, gone) == set()
    assert await alive(settings, stays) == await alive(settings, back) == {("marketing", "")}
    again = consents(gone, given=False, at=later)
    await work.do(handlers.schedule_consents, [again])
    assert await listed(settings) == [], "it was said before"
    await seal(intake, gone, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(gone, given=True, at=utc_now())])
    await destroy(settings)
    assert await alive(settings, gone) == {("marketing", "")}, "they consented again"


async def test_of_vouchers_those_of_the_year_go_and_what_a_law_still_has_kept_stays(
    work: Work, handlers: Handlers, intake: Work, books: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who = await somebody(intake)
    await seal(books, who, ("accounting", "year:2016"), ("accounting", "year:2026"))
    for year in (2016, 2026):
        invoice = InvoiceIssued(
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
            issued_at=LONG_AGO,
        )
        await work.do(handlers.schedule_invoices, [Facts().message(invoice)])
    assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == {("accounting", "year:2026")}
    assert await listed(settings) == []


async def test_many_people_are_served_part_by_part(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PEOPLE_AT_ONCE", 2)
    monkeypatch.setattr(destroying_due, "see_that_somebody_is_asked", lambda **_: None)
    await follow(work)
    people = [(await at_an_event(work, handlers, intake, LONG_AGO))[0] for _ in range(5)]
    asked = ("destroy-due", "--on", "2026-11-30")
    refused = await command(keys.app, settings, *asked, given="9\n")
    assert (refused.code, refused.err) == (1, f"{destroying.KEPT}\n")
    assert len(await alive(settings, people[4])) == 2
    done = await command(keys.app, settings, *asked, given="10\n")
    assert done.code == 0, done.err
    assert [await alive(settings, who) for who in people] == [set()] * 5
    assert await listed(settings) == []


async def test_nothing_goes_before_the_schedule_follows_the_plan_and_all_is_heard(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    ends: dict[str, dict[int, int]],
) -> None:
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    refused = await destroy(settings)
    assert (refused.code, refused.err) == (1, f"{destroying_due.NOT_FOLLOWED}\n")
    await follow(work)
    ends["registration"] = {0: 1}
    refused = await destroy(settings)
    assert (refused.code, refused.err) == (1, f"{destroying_due.NOT_HEARD}\n")
    assert len(await alive(settings, who)) == 2
    assert await entries(work) == []


async def test_wrong_arguments_exit_with_2(settings: ServiceSettings) -> None:
    for on, told in (("tomorrow", "expected a day"), ("2999-01-01", "before its day")):
        done = await destroy(settings, on=on)
        assert (done.code, told in done.err) == (2, True)
    done = await destroy(settings, "--class", "canary")
    assert (done.code, "canary" in done.err, "voucher" in done.err) == (2, False, True)
    asked = await command(keys.app, NOWHERE, "destroy-due", "--on", "2026-11-30")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    helped = await command(keys.app, NOWHERE, "destroy-due", "--help")
    assert (helped.code, "Example" in helped.out) == (0, True)
