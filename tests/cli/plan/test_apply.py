"""`steward plan apply`, `show` and `history` on a real database, beside services that work."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.cli.migration import migrate_database
from services.cli.plan import app
from services.cli.plan.applying import apply_plan
from services.cli.schemas import SERVICES
from shared.assembly import Parts, open_parts
from shared.contract.audit import PlanApplied
from shared.contract.types import SubjectId
from shared.privacy import putting_in_force
from shared.privacy.errors import NotGrantedError, OtherPlanError
from shared.privacy.plan import load_with_text
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import Answered, command
from tests.support.messaging import until
from tests.support.plans import PLAN, TEXT, changed, written
from tests.support.waiting import until_somebody_waits
from tests.support.work import NO_KAFKA

Administrator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
OpenParts: TypeAlias = Callable[[str], AbstractAsyncContextManager[Parts]]

FIRST = hashlib.sha256(PLAN.read_bytes()).hexdigest()
OTHER = f"{TEXT}\n# Another digest, and nothing else.\n"
NO_TRANSPORT = changed(
    (
        'event-arrangement = ["contact", "stay", "transport"]',
        'event-arrangement = ["contact", "stay"]',
    )
)

REGISTRATION_OPENS_MARKETING = changed(
    ("[services.registration.grants]", '[services.registration.grants]\nmarketing = ["marketing"]')
)


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
def parts(service_settings: SettingsFactory) -> OpenParts:
    return lambda service: open_parts(
        service_settings(service, kafka_bootstrap_servers=NO_KAFKA), service=service
    )


@pytest.fixture
async def administrator(database: str) -> AsyncIterator[Administrator]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return written(tmp_path, OTHER, "other.toml")


async def apply(settings: ServiceSettings, file: Path, *options: str) -> Answered:
    return await command(app, settings, "apply", str(file), "--yes", *options)


async def digests(administrator: Administrator, schema: str = "audit") -> list[str]:
    rows = await administrator.fetch(f"select digest from {schema}.plan order by number")  # noqa: S608 - a name of ours
    return [row["digest"] for row in rows]


async def entries(administrator: Administrator) -> list[PlanApplied]:
    rows = await administrator.fetch("select headers, value from retention.outbox order by id")
    assert all(orjson.loads(row["headers"])["ce_type"] == "PlanApplied" for row in rows)
    return [PlanApplied.model_validate_json(row["value"]) for row in rows]


async def until_stored(administrator: Administrator, plans: int) -> None:
    async def stored() -> bool:
        return len(await digests(administrator)) == plans

    await until(stored)


async def test_a_plan_is_stored_in_every_schema_and_one_entry_says_who_applied_it(
    settings: ServiceSettings, administrator: Administrator, other: Path
) -> None:
    answered = await apply(settings, other)
    assert (answered.code, "Plan 2 is in force" in answered.out) == (0, True)
    digest = hashlib.sha256(OTHER.encode()).hexdigest()
    for schema in SERVICES:
        assert await digests(administrator, schema) == [FIRST, digest]
    (entry,) = await entries(administrator)
    assert (entry.plan_digest, entry.replaced_digest, entry.number) == (digest, FIRST, 2)
    assert (entry.service, entry.actor.partition(":")[0]) == ("retention", "cli")


async def test_a_plan_that_can_be_read_once_alone_is_stored_as_it_was_checked(
    settings: ServiceSettings, administrator: Administrator, parts: OpenParts
) -> None:
    """A pipe, as of `steward plan apply <(steward plan show DIGEST)`, is empty the second time."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(OTHER.encode())
    try:
        assert (await apply(settings, Path(f"/dev/fd/{reading}"))).code == 0
    finally:
        os.close(reading)
    texts = await administrator.fetch("select text from audit.plan order by number")
    assert [row["text"] for row in texts] == [TEXT.encode(), OTHER.encode()]
    async with parts("registration") as working:
        assert working.privacy.in_force.number == 2


async def test_a_plan_stays_readable_by_its_digest_after_another_one(
    settings: ServiceSettings, other: Path
) -> None:
    await apply(settings, other)
    shown = await command(app, settings, "show", FIRST[:8])
    assert (shown.code, shown.out) == (0, TEXT)
    assert (await command(app, settings, "show", "0" * 8)).code == 1
    assert (await command(app, settings, "show", FIRST[:7])).code == 2
    listed = await command(app, settings, "history", "--json")
    known = [orjson.loads(line) for line in listed.out.splitlines()]
    assert [one["number"] for one in known] == [1, 2]
    assert known[0]["digest"] == FIRST
    last = (await command(app, settings, "history")).out.splitlines()[-1]
    assert last.endswith("in force")


async def test_the_plan_in_force_applied_again_changes_nothing_and_says_so(
    settings: ServiceSettings, administrator: Administrator
) -> None:
    answered = await apply(settings, PLAN, "--json")
    assert (answered.code, orjson.loads(answered.out)["applied"]) == (0, False)
    assert "in force already" in answered.err
    assert await digests(administrator) == [FIRST]
    assert await entries(administrator) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changed(('legal_basis = "contract"', 'legal_basis = "habit"')), "plan.toml:"),
        ("plan_version = [", "not-toml"),
        (TEXT.encode("latin-1"), "not-utf-8"),
        (changed(("plan_version = 1", "plan_version = 2")), "other-version"),
        (changed(("readings =", 'reading = "P2Y"\nreadings =')), "Did you mean `readings`?"),
        (changed(("[services.audit]", "[services.review]")), "service-without-part"),
    ],
)
async def test_a_plan_that_cannot_be_is_refused_and_services_keep_theirs(
    settings: ServiceSettings,
    administrator: Administrator,
    tmp_path: Path,
    text: str | bytes,
    why: str,
) -> None:
    answered = await apply(settings, written(tmp_path, text), "--json")
    assert (answered.code, orjson.loads(answered.out)["applied"]) == (1, False)
    assert why in answered.err
    assert "services keep the plan they have" in answered.err
    assert await digests(administrator) == [FIRST]


async def test_a_dry_run_tells_what_changes_for_people_and_changes_nothing(
    settings: ServiceSettings, administrator: Administrator, tmp_path: Path
) -> None:
    file = written(tmp_path, changed(('"contact.phone", "stay.nights"', '"stay.nights"')))
    answered = await command(app, settings, "apply", str(file), "--dry-run")
    assert answered.code == 0
    assert "Hotel Example" in answered.out
    assert "dry run" in answered.out
    assert await digests(administrator) == [FIRST]


@pytest.mark.parametrize(("text", "told"), [(REGISTRATION_OPENS_MARKETING, True), (OTHER, False)])
async def test_it_says_where_registration_has_to_hear_what_people_answered_before(
    settings: ServiceSettings, tmp_path: Path, text: str, told: bool
) -> None:
    answered = await command(app, settings, "apply", str(written(tmp_path, text)), "--dry-run")
    assert answered.code == 0, answered.err
    says = "has not heard what people answered to marketing: run `steward consent republish`"
    assert (says in answered.out) is told


async def test_nothing_is_applied_where_nobody_can_be_asked(
    settings: ServiceSettings, administrator: Administrator, other: Path
) -> None:
    answered = await command(app, settings, "apply", str(other), given="y\n")
    assert (answered.code, "--yes" in answered.err) == (2, True)
    assert await digests(administrator) == [FIRST]


async def test_of_two_who_replace_the_same_plan_at_once_one_is_told_to_look_again(
    database: str, administrator: Administrator, tmp_path: Path
) -> None:
    async def replace_first(text: str, name: str) -> object:
        connection = await asyncpg.connect(database)
        try:
            wanted = load_with_text(written(tmp_path, text, name))
            return await apply_plan(connection, wanted, instead_of=FIRST, actor="cli:test")
        finally:
            await connection.close()

    results = await asyncio.gather(
        replace_first(OTHER, "one.toml"),
        replace_first(OTHER + "#\n", "two.toml"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, OtherPlanError) for result in results) == 1
    assert len(await digests(administrator)) == 2
    assert len(await entries(administrator)) == 1


async def test_work_under_the_former_plan_ends_first_and_what_begins_meanwhile_is_under_the_new(
    settings: ServiceSettings, parts: OpenParts, administrator: Administrator, tmp_path: Path
) -> None:
    file = written(tmp_path, NO_TRANSPORT)
    async with parts("registration") as opened:
        privacy, who = opened.privacy, SubjectId(uuid4())
        async with opened.work(now=utc_now()) as tx:
            applying = asyncio.create_task(apply(settings, file))
            await until_somebody_waits(administrator.fetchval)
            to_seal = ToSeal(who, "transport", "event:1", {"pickup": "at the station"})
            (sealed,) = await privacy.seal(tx.connection, [to_seal], at=tx.now)
            assert sealed is not None
            item = ToOpen(who, "transport", sealed)
            assert await privacy.use(tx.connection, "event-arrangement", [item])
            assert privacy.plan.digest == FIRST
        assert (await applying).code == 0
        async with opened.work(now=utc_now()) as tx:
            assert privacy.plan.digest == hashlib.sha256(NO_TRANSPORT.encode()).hexdigest()
            with pytest.raises(NotGrantedError):
                await privacy.use(tx.connection, "event-arrangement", [item])
        granted = await administrator.fetchval(
            "select count(*) from keyring.category_grant where role = 'steward_registration'"
            " and category = 'transport' and purpose = 'event-arrangement'"
        )
    assert granted == 0


async def test_work_that_does_not_end_keeps_the_former_plan_in_force(
    settings: ServiceSettings,
    parts: OpenParts,
    administrator: Administrator,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(putting_in_force, "LONGEST_WAIT_S", 0.2)
    async with parts("registration") as opened, opened.work(now=utc_now()):
        answered = await apply(settings, other)
    assert (answered.code, "does not come to its end" in answered.err) == (1, True)
    assert await digests(administrator) == [FIRST]
    assert await entries(administrator) == []


async def test_a_service_that_was_down_starts_under_the_new_plan(
    settings: ServiceSettings, parts: OpenParts, other: Path
) -> None:
    await apply(settings, other)
    async with parts("finance") as opened:
        assert opened.privacy.plan.digest == hashlib.sha256(OTHER.encode()).hexdigest()
        assert opened.privacy.in_force.number == 2


async def test_it_waits_until_a_running_process_says_that_it_works_under_the_plan(
    settings: ServiceSettings, parts: OpenParts, administrator: Administrator, other: Path
) -> None:
    async with parts("consent") as opened:
        await opened.follower.look()
        applying = asyncio.create_task(apply(settings, other, "--json"))
        await until_stored(administrator, 2)
        assert not applying.done()
        await opened.follower.look()
        answered = await applying
    assert answered.code == 0
    document = answered.out[answered.out.index("{\n") :]  # after what the follower logs here
    assert orjson.loads(document)["services"] == {"consent": {"running": 1, "under_this_plan": 1}}


@pytest.mark.parametrize("seconds", ["0", "0.5"])
async def test_a_process_that_does_not_say_so_in_time_is_named(
    settings: ServiceSettings, parts: OpenParts, other: Path, seconds: str
) -> None:
    async with parts("consent") as opened:
        await opened.follower.look()
        answered = await apply(settings, other, "--wait", seconds)
    assert answered.code == 3
    assert "Not all of consent" in answered.out


async def test_where_no_service_runs_nothing_is_waited_for(
    settings: ServiceSettings, other: Path
) -> None:
    answered = await apply(settings, other, "--wait", "0")
    assert answered.code == 0
    assert "no service runs" in answered.out


async def test_migrating_again_keeps_the_plan_in_force_whatever_the_file_says(
    database: str,
    secrets_folder: SecretsFolder,
    settings: ServiceSettings,
    administrator: Administrator,
    tmp_path: Path,
) -> None:
    await apply(settings, written(tmp_path, NO_TRANSPORT))
    grants = "select role, category, purpose from keyring.category_grant order by 1, 2, 3"
    before = await administrator.fetch(grants)
    await administrator.execute("truncate finance.plan, finance.plan_name")  # as a new service's
    await migrate_database(database, secrets_folder, PLAN)
    assert await administrator.fetch(grants) == before
    assert await digests(administrator, "finance") == await digests(administrator, "audit")


async def test_what_a_later_plan_adds_begins_with_it_unless_the_plan_says_on_what_ground(
    settings: ServiceSettings, parts: OpenParts, tmp_path: Path
) -> None:
    began = datetime.now(UTC)
    coach = TEXT[TEXT.index("[recipients.bus-company]") : TEXT.index("[recipients.participants]")]
    named = coach.replace("bus-company", "taxi")
    grounded = named.replace("taxi", "ferry") + 'covers_earlier_data = "article 6(4): …"\n'
    grounded = grounded.replace("designated_by_event = true\n\n", "designated_by_event = true\n")
    grounded = grounded.replace("country", "since = 2026-01-01\ncountry")
    new = changed(("[recipients.participants]", f"{named}{grounded}\n[recipients.participants]"))
    answered = await apply(settings, written(tmp_path, new))
    assert answered.code == 0, answered.err
    async with parts("registration") as opened:
        begins = opened.privacy.in_force.beginnings
    assert begins.purposes == {}
    assert list(begins.recipients) == ["taxi"]
    assert began < begins.recipients["taxi"] < datetime.now(UTC)
