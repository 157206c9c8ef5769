"""`steward keys destroy-due`: what `steward retention due` lists goes, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.cli import keys
from services.cli.keys import destroying, destroying_due
from services.cli.keys.all_heard import NOT_HEARD, NotNowError
from services.retention import commands
from services.retention.handlers import Handlers
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.finance import InvoiceIssued
from shared.contract.message import Message
from shared.contract.types import EventId, InvoiceId, Money, RegistrationId, Sealed, SubjectId
from shared.privacy.office import PrivacyOffice
from shared.privacy.subjects import Alias
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.retention.conftest import follow
from tests.support.applied import apply
from tests.support.commands import NOWHERE, Answered, command
from tests.support.facts import Facts, event_state, registered
from tests.support.plans import BUYERS_APART, changed
from tests.support.waiting import until_somebody_waits
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


async def a_buyer(work: Work, handlers: Handlers, intake: Work, books: Work) -> SubjectId:
    """Who has an invoice of 2016, and one of 2026."""
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
    return who


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
    assert (diet["retention_class"], diet["due_on"], diet["keys"]) == ("diet", "2026-11-29", 1)
    assert (diet["subject_id"], diet["cut_off"]) == (None, "2026-11-28T22:00:00Z")
    assert (contact["retention_class"], contact["categories"]) == ("event-data", ["contact"])
    done = await destroy(settings)
    assert done.out == "nothing that has keys is due by 2026-11-29\n"
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


async def test_a_key_that_sealed_a_yes_which_is_heard_in_time_stays(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    who = await somebody(intake, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(who, given=False, at=LONG_AGO)])
    await seal(intake, who, ("marketing", ""))
    yes = consents(who, given=True, at=utc_now())
    hearing.in_part.append(lambda: work.do(handlers.schedule_consents, [yes]))
    assert (await destroy(settings)).code == 0
    assert await generations(settings, who) == [(1, True)]
    assert await entries(work) == []


async def test_a_yes_on_its_way_meanwhile_has_a_key_of_its_own_and_its_row_stays_listed(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    who = await somebody(intake, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(who, given=False, at=LONG_AGO)])
    hearing.in_part.append(lambda: seal(intake, who, ("marketing", "")))
    assert (await destroy(settings)).code == 0
    assert await generations(settings, who) == [(1, False), (2, True)]
    assert await listed(settings) == ["marketing"], "it can be read: there is a living key"
    await work.do(handlers.schedule_consents, [consents(who, given=True, at=utc_now())])
    assert await listed(settings) == []


async def test_a_yes_after_the_no_that_comes_late_is_kept(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who = await somebody(intake, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(who, given=False, at=LONG_AGO)])
    assert (await destroy(settings)).code == 0
    for late, sealed in ((timedelta(), False), (timedelta(seconds=1), True)):
        item = ToSeal(who, "marketing", "", {"text": "x"}, at=LONG_AGO + late)
        async with intake.parts.pool.acquire() as connection:
            (value,) = await intake.parts.privacy.seal(connection, [item], at=utc_now())
        assert (value is not None) is sealed


async def test_what_is_corrected_after_its_day_is_listed_until_that_key_goes_too(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    who, over = await at_an_event(work, handlers, intake, LONG_AGO)
    hearing.in_part.append(lambda: seal(intake, who, ("diet", over)))
    assert (await destroy(settings, on="2026-11-28")).code == 0
    assert await alive(settings, who) == {("diet", over)}
    assert await listed(settings) == ["diet", "event-data"]
    assert (await destroy(settings, on="2026-11-29")).code == 0
    assert await alive(settings, who) == set()
    assert await listed(settings) == []


async def test_of_vouchers_those_of_the_year_go_and_what_a_law_still_has_kept_stays(
    work: Work, handlers: Handlers, intake: Work, books: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who = await a_buyer(work, handlers, intake, books)
    assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == {("accounting", "year:2026")}
    assert await listed(settings) == []


@pytest.mark.parametrize(
    ("plan", "narrowed"),
    [
        pytest.param(
            changed(("[retention.voucher]", "[retention.vouchers]")),
            ("--class", "voucher"),
            id="with another name",
        ),
        pytest.param(BUYERS_APART, (), id="that kept its name and not its category"),
    ],
)
async def test_a_class_that_is_another_leaves_no_voucher_behind(
    work: Work,
    handlers: Handlers,
    intake: Work,
    books: Work,
    settings: ServiceSettings,
    database: str,
    tmp_path: Path,
    *,
    plan: str,
    narrowed: tuple[str, ...],
) -> None:
    who = await a_buyer(work, handlers, intake, books)
    await apply(database, tmp_path, plan)
    await follow(work)
    assert await listed(settings) == ["voucher"]
    assert (await destroy(settings, *narrowed)).code == 0
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
    asked = ("destroy-due", "--on", "2026-11-29")
    refused = await command(keys.app, settings, *asked, given="9\n")
    assert (refused.code, refused.err) == (1, f"{destroying.KEPT}\n")
    assert len(await alive(settings, people[4])) == 2
    done = await command(keys.app, settings, *asked, given="10\n")
    assert done.code == 0, done.err
    assert [await alive(settings, who) for who in people] == [set()] * 5
    assert await listed(settings) == []


async def test_keys_that_were_destroyed_before_are_told_as_no_destruction(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who, over = await at_an_event(work, handlers, intake, LONG_AGO)
    by_person = ("destroy", "--subject", str(who), "--class", "diet", "--yes")
    assert (await command(keys.app, settings, *by_person)).code == 0
    assert await alive(settings, who) == {("contact", over)}
    before = await entries(work)
    done = await destroy(settings, "--class", "diet")
    assert (done.code, done.out) == (0, "nothing that has keys is due by 2026-11-29\n")
    assert await entries(work) == before
    assert await listed(settings) == ["event-data"]
    await work.parts.pool.execute("update schedule_item set unreadable_since = null")
    done = await destroy(settings, "--json")
    assert orjson.loads(done.out)["destroyed"] == {"contact": 1}
    (entry,) = (await entries(work))[len(before) :]
    assert (entry["retention_class"], entry["keys"]) == ("event-data", 1)


async def test_who_changes_the_schedule_holds_nobody_up_and_keeps_it_listed(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    async with work.parts.pool.acquire() as changing, changing.transaction():
        await changing.execute("select from schedule_item where part = 'diet' for update")
        assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == set()
    assert await listed(settings) == ["diet"]
    assert (await destroy(settings)).code == 0
    assert await listed(settings) == []


async def test_what_is_moved_while_the_command_runs_is_not_due_any_more(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    event = event_state(ends_at=LONG_AGO, version=1)
    who = await somebody(intake, ("diet", f"event:{event.event_id}"))
    said = registered(
        event, subject_id=who, personal={"diet": Sealed(b"sealed")}, registered_at=LONG_AGO
    )
    await work.do(handlers.schedule_registrations, [said])
    later = event.model_copy(update={"ends_at": utc_now() + timedelta(days=9), "version": 2})
    moved = registered(later, personal={}, registered_at=LONG_AGO)
    hearing.in_part.append(lambda: work.do(handlers.learn_events, [moved]))
    assert (await destroy(settings)).code == 0
    assert len(await alive(settings, who)) == 1


async def test_what_is_moved_while_the_command_waits_for_its_keys_is_not_due_any_more(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.0,) * 3)
    await follow(work)
    event = event_state(ends_at=LONG_AGO, version=1)
    who = await somebody(intake, ("diet", f"event:{event.event_id}"))
    said = registered(
        event, subject_id=who, personal={"diet": Sealed(b"sealed")}, registered_at=LONG_AGO
    )
    await work.do(handlers.schedule_registrations, [said])
    administrator = await asyncpg.connect(settings.database_url)
    using = administrator.transaction()

    async def use() -> None:
        await using.start()
        await administrator.execute("select from keyring.data_key for key share")

    hearing.in_part.append(use)
    destroying_it = asyncio.create_task(destroy(settings))
    await until_somebody_waits(work.parts.pool.fetchval)
    later = event.model_copy(update={"ends_at": utc_now() + timedelta(days=9), "version": 2})
    moved = registered(later, personal={}, registered_at=LONG_AGO)
    await work.do(handlers.learn_events, [moved])
    await using.rollback()
    await administrator.close()
    assert (await destroying_it).code == 0
    assert len(await alive(settings, who)) == 1
    assert await entries(work) == []


async def test_a_key_in_use_is_waited_for_a_moment_and_tried_again(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.0,) * 3)
    await follow(work)
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    administrator = await asyncpg.connect(settings.database_url)
    async with administrator.transaction():
        await administrator.execute("select from keyring.data_key for key share")
        refused = await destroy(settings)
    in_use = f"{destroying_due.IN_USE}; {destroying.KEPT}\n"
    assert (refused.code, refused.err) == (1, in_use)
    assert len(await alive(settings, who)) == 2
    using = administrator.transaction()
    await using.start()
    await administrator.execute("select from keyring.data_key for key share")
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.05,) * 200)
    destroying_it = asyncio.create_task(destroy(settings))
    await until_somebody_waits(work.parts.pool.fetchval)
    await using.rollback()
    await administrator.close()
    assert (await destroying_it).code == 0
    assert await alive(settings, who) == set()


async def test_only_who_gave_way_to_the_last_is_told_that_keys_are_in_use(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.0,) * 3)
    await follow(work)
    await at_an_event(work, handlers, intake, LONG_AGO)
    tries = []

    async def fails_with(error: Exception, *_: object) -> None:
        tries.append(error)
        raise error

    deadlock = partial(fails_with, asyncpg.DeadlockDetectedError())
    monkeypatch.setattr(PrivacyOffice, "close_due", deadlock)
    refused = await destroy(settings)
    assert (refused.code, len(tries)) == (1, 4)
    assert destroying_due.IN_USE in refused.err
    lost = partial(fails_with, asyncpg.ConnectionDoesNotExistError())
    monkeypatch.setattr(PrivacyOffice, "close_due", lost)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await destroy(settings)


async def test_who_is_refused_between_two_parts_is_told_what_went_before(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PEOPLE_AT_ONCE", 1)
    await follow(work)
    people = [(await at_an_event(work, handlers, intake, LONG_AGO))[0] for _ in range(2)]
    hearing.behind_at = 3
    refused = await destroy(settings)
    assert refused.code == 1
    assert "2 keys were destroyed before, and that is recorded: run this again" in refused.err
    assert destroying.KEPT not in refused.err
    assert sorted([len(await alive(settings, who)) for who in people]) == [0, 2]
    hearing.behind_at = None
    assert (await destroy(settings)).code == 0
    assert await listed(settings) == []


def test_whom_a_fault_stops_is_told_what_went_before(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConnectionError), destroying_due.telling_how_far({"diet": 7}):
        raise ConnectionError
    assert "7 keys were destroyed before" in capsys.readouterr().err
    with pytest.raises(ConnectionError), destroying_due.telling_how_far({}):
        raise ConnectionError
    assert capsys.readouterr().err == ""


async def test_nothing_goes_before_the_schedule_follows_the_plan_and_all_is_heard(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
) -> None:
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    refused = await destroy(settings)
    kept = f"{destroying_due.NOT_FOLLOWED}; {destroying.KEPT}\n"
    assert (refused.code, refused.err) == (1, kept)
    await follow(work)
    for looks in (1, 2):
        hearing.looks, hearing.behind_at = 0, looks
        refused = await destroy(settings)
        assert refused.code == 1
        assert "the consent service has not read" in refused.err
        assert destroying.KEPT in refused.err
    assert len(await alive(settings, who)) == 2
    assert await entries(work) == []


async def test_nothing_is_due_before_its_day_has_begun_everywhere(
    work: Work, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follow(work)
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    monkeypatch.setattr(destroying_due, "utc_now", lambda: noon - timedelta(seconds=1))
    assert (await destroy(settings, on="2026-11-30")).code == 2
    assert (await destroy(settings, on="2026-11-29")).code == 0
    monkeypatch.setattr(destroying_due, "utc_now", lambda: noon)
    assert (await destroy(settings, on="2026-11-30")).code == 0


async def test_wrong_arguments_exit_with_2(settings: ServiceSettings) -> None:
    for on, told in (("tomorrow", "expected a day"), ("2999-01-01", "not begun everywhere")):
        done = await destroy(settings, on=on)
        assert (done.code, told in done.err) == (2, True)
    done = await destroy(settings, "--class", "canary")
    assert (done.code, "canary" in done.err, "voucher" in done.err) == (2, False, True)
    asked = await command(keys.app, NOWHERE, "destroy-due", "--on", "2026-11-30")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    helped = await command(keys.app, NOWHERE, "destroy-due", "--help")
    assert (helped.code, "Example" in helped.out) == (0, True)
