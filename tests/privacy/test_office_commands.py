"""`steward subjects` and `steward keys destroy` as people and programs meet them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.cli import keys, subjects
from services.cli.keys import destroying
from services.cli.subjects import people
from shared.contract.types import EventId, Sealed, SubjectId
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect
from tests.support.commands import NOWHERE, Answered, command
from tests.support.work import NO_KAFKA, Work, at_work

OLD, NEW = "canary-old@example.org", "canary-new@example.org"
EVENT = EventId(UUID("6f1c9c1e-4a43-4a55-9f5c-0a3f4d1f2b11"))
CONTEXT = f"event:{EVENT}"


@pytest.fixture(autouse=True)
def _empty(connect: Connect) -> None:
    """Each test begins with empty tables."""


@pytest.fixture
async def intake(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "registration") as work:
        yield work


@pytest.fixture
async def log(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "retention") as work:
        yield work


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


async def subject(intake: Work, address: str) -> SubjectId:
    async with intake.parts.pool.acquire() as connection:
        (found,) = await intake.parts.privacy.people.identify(
            connection, [[Alias("email", address)]]
        )
    return found


async def seal(intake: Work, who: SubjectId, context: str = CONTEXT) -> dict[str, Sealed | None]:
    names = ("contact", "diet")
    items = [ToSeal(who, name, context, {"text": "x"}) for name in names]
    async with intake.parts.pool.acquire() as connection:
        sealed = await intake.parts.privacy.seal(connection, items, at=utc_now())
    return dict(zip(names, sealed, strict=True))


async def readable(intake: Work, who: SubjectId, sealed: dict[str, Sealed | None]) -> set[str]:
    async with intake.parts.pool.acquire() as connection:
        opened = {
            name: await intake.parts.privacy.use(
                connection, "dietary-needs", [ToOpen(who, name, value)]
            )
            for name, value in sealed.items()
            if value is not None
        }
    return {name for name, (one,) in opened.items() if one is not None}


async def said(log: Work) -> list[dict[str, object]]:
    rows = await log.rows("select headers ->> 'ce_type' as type, value from outbox order by id")
    return [{"type": row["type"], **orjson.loads(row["value"])} for row in rows]


def silent(done: Answered) -> bool:
    """No address in what it printed."""
    return "canary" not in (done.out + done.err).lower()


async def test_a_changed_address_leads_to_the_person_and_is_recorded(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    who = await subject(intake, OLD)
    done = await command(
        subjects.app,
        settings,
        *("link", "-", "--to", "-", "--reason", "changed-address"),
        given=f"{NEW}\n{OLD}\n",
    )
    assert (done.code, silent(done)) == (0, True), done.err
    assert await subject(intake, NEW) == who
    (entry,) = await said(log)
    assert entry["type"] == "SubjectLinked"
    assert entry["reason"] == "changed-address"
    assert str(entry["actor"]).startswith("cli:")
    shown = await command(subjects.app, settings, "show", NEW, "--json")
    (document,) = orjson.loads(shown.out)["subjects"]
    assert UUID(document["subject_id"]) == who
    assert [one["kind"] for one in document["known_by"]] == ["email", "email"]
    table = await command(subjects.app, settings, "show", "-", given=f"{OLD}\n")
    assert str(who) in table.out
    assert table.out.count("e-mail") == 2
    assert silent(shown)
    assert silent(table)


async def test_another_persons_address_is_taken_only_where_both_are_one(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    who, other = await subject(intake, OLD), await subject(intake, NEW)
    link = ("link", NEW, "--to", OLD, "--reason")
    taken = await command(subjects.app, settings, *link, "changed-address")
    assert (taken.code, "same-person" in taken.err) == (1, True)
    nobody = await command(subjects.app, settings, *link, "same-person")
    assert (nobody.code, "--yes" in nobody.err) == (2, True)
    assert await said(log) == []
    done = await command(subjects.app, settings, *link, "same-person", "--yes")
    assert done.code == 0
    shown = await command(subjects.app, settings, "show", NEW)
    assert shown.out.index(str(who)) < shown.out.index(str(other))
    assert "the same person" in shown.out


async def test_an_address_that_is_unlinked_leads_nowhere(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    await subject(intake, OLD)
    unlink = ("unlink", "-", "--reason", "address-given-up")
    done = await command(subjects.app, settings, *unlink, given=f"{OLD}\n")
    assert (done.code, silent(done)) == (0, True)
    again = await command(subjects.app, settings, *unlink, given=f"{OLD}\n")
    assert (again.code, silent(again)) == (1, True)
    shown = await command(subjects.app, settings, "show", OLD)
    assert (shown.code, shown.err) == (1, "nobody is known by this address\n")
    assert [entry["type"] for entry in await said(log)] == ["SubjectUnlinked"]


async def test_of_two_who_share_an_address_one_can_be_unlinked(
    intake: Work, settings: ServiceSettings
) -> None:
    first = await subject(intake, OLD)
    await subject(intake, NEW)
    await command(subjects.app, settings, "link", OLD, "--to", NEW, "--reason", "shared-address")
    shown = await command(subjects.app, settings, "show", NEW)
    assert "shared" in shown.out
    done = await command(
        subjects.app, settings, "unlink", OLD, "--of", NEW, "--reason", "linked-by-mistake"
    )
    assert done.code == 0
    assert await subject(intake, OLD) == first
    shown = await command(subjects.app, settings, "show", NEW)
    assert "shared" not in shown.out


async def test_addresses_of_the_long_erased_are_forgotten(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    await subject(intake, OLD)
    await command(keys.app, settings, "destroy", "--email", OLD, "--yes")
    kept = await command(subjects.app, settings, "forget", "--yes")
    assert kept.out == "0 addresses and numbers are forgotten\n"
    asked = await command(subjects.app, settings, "forget")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    administrator = await asyncpg.connect(settings.database_url)
    await administrator.execute(
        "update keyring.subject set erased_at = now() - interval '4 years'"
        " where erased_at is not null"
    )
    await administrator.close()
    done = await command(subjects.app, settings, "forget", "--yes")
    assert done.out == "1 addresses and numbers are forgotten\n"
    assert [entry["type"] for entry in await said(log)] == ["KeysDestroyed", "AliasesForgotten"]


async def test_a_new_pepper_stands_beside_the_older_one(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path / "secrets")
    folder.create()
    before = folder.peppers()
    settings = NOWHERE.model_copy(update={"secrets": folder.path})
    done = await command(subjects.app, settings, "pepper", "new")
    assert (done.code, done.out.startswith("pepper-2 is made")) == (0, True)
    assert folder.peppers()[1:] == before
    assert len(set(folder.peppers())) == 2


async def test_a_persons_keys_are_destroyed_and_late_facts_add_nothing(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    who, stays = await subject(intake, OLD), await subject(intake, NEW)
    sealed, others = await seal(intake, who), await seal(intake, stays)
    done = await command(
        keys.app, settings, "destroy", "--email", "-", "--yes", "--json", given=f"{OLD}\n"
    )
    assert (done.code, silent(done)) == (0, True), done.err
    assert orjson.loads(done.out)["destroyed"] == {"contact": 1, "diet": 1}
    assert await readable(intake, who, sealed) == set()
    assert await readable(intake, stays, others) == {"contact", "diet"}
    cut_off = orjson.loads(done.out)["cut_off"]
    (entry,) = await said(log)
    assert entry["type"] == "KeysDestroyed"
    assert (entry["subject_id"], entry["keys"]) == (str(who), 2)
    assert str(entry["cut_off"])[:19] == cut_off[:19]
    late = ToSeal(who, "contact", "event:b", {}, at=utc_now() - timedelta(minutes=1))
    async with intake.parts.pool.acquire() as connection:
        assert await intake.parts.privacy.seal(connection, [late], at=utc_now()) == [None]
    again = await command(keys.app, settings, "destroy", "--email", OLD, "--yes")
    assert again.err == f"{destroying.NOBODY}\n"


@pytest.fixture
async def books(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("finance", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "finance") as work:
        yield work


async def test_what_a_law_has_kept_goes_only_where_that_is_said(
    intake: Work, books: Work, log: Work, settings: ServiceSettings
) -> None:
    who = await subject(intake, OLD)
    sealed = await seal(intake, who)
    buyer = ToSeal(who, "accounting", "financial_year:2026", {"name": "Canary Oy"})
    async with books.parts.pool.acquire() as connection:
        await books.parts.privacy.seal(connection, [buyer], at=utc_now())
    destroy = ("destroy", "--email", OLD, "--yes")
    asked = await command(keys.app, settings, *destroy)
    assert asked.code == 2
    assert "accounting" in asked.err
    assert "kept by Accounting Act 1336/1997, chapter 2, section 10" in asked.err
    assert asked.err.endswith(f"{destroying.BY_LAW}\n")
    assert await readable(intake, who, sealed) == {"contact", "diet"}
    assert await said(log) == []
    but_that = await command(keys.app, settings, *destroy, "--kept-by-law", "keep", "--json")
    assert orjson.loads(but_that.out)["destroyed"] == {"contact": 1, "diet": 1}
    assert orjson.loads(but_that.out)["kept"] == {"accounting": 1}
    assert orjson.loads(but_that.out)["came_back"] is False
    assert "kept by" in but_that.err
    again = await command(keys.app, settings, *destroy, "--kept-by-law", "keep")
    assert again.out.endswith(f"recorded\n{destroying.NOT_ERASED_YET}\n")
    entry, _ = await said(log)
    assert (entry["categories"], entry["keys"]) == (["contact", "diet"], 2)
    late = ToSeal(who, "billing", CONTEXT, {}, at=utc_now() - timedelta(minutes=1))
    async with intake.parts.pool.acquire() as connection:
        assert await intake.parts.privacy.seal(connection, [late], at=utc_now()) == [None]
    all_of_it = await command(keys.app, settings, *destroy, "--kept-by-law", "destroy", "--json")
    assert orjson.loads(all_of_it.out)["destroyed"] == {"accounting": 1}
    again = await command(keys.app, settings, *destroy)
    assert again.err == f"{destroying.NOBODY}\n"


async def test_what_a_law_has_kept_is_kept_also_where_it_comes_a_moment_later(
    intake: Work, books: Work, settings: ServiceSettings
) -> None:
    who = await subject(intake, OLD)
    await seal(intake, who)
    destroy = ("destroy", "--email", OLD, "--yes", "--kept-by-law", "keep")
    done = await command(keys.app, settings, *destroy)
    assert (done.code, "kept by" in done.err) == (0, False)
    assert destroying.NOT_ERASED_YET not in done.out
    assert (await command(subjects.app, settings, "show", OLD)).err == f"{people.NOBODY}\n"
    invoiced_before = utc_now() - timedelta(minutes=1)
    buyer = ToSeal(who, "accounting", "financial_year:2026", {"name": "x"}, at=invoiced_before)
    async with books.parts.pool.acquire() as connection:
        (sealed,) = await books.parts.privacy.seal(connection, [buyer], at=utc_now())
    assert sealed is not None


async def test_a_class_and_what_a_law_has_kept_are_not_both_named() -> None:
    asked = ("destroy", "--class", "voucher", "--kept-by-law", "keep", "--yes")
    done = await command(keys.app, NOWHERE, *asked)
    assert (done.code, "leave out one of the two" in done.err.replace("\n", " ")) == (2, True)


async def test_who_names_the_class_means_what_a_law_has_kept(
    intake: Work, books: Work, settings: ServiceSettings
) -> None:
    buyer = ToSeal(await subject(intake, OLD), "accounting", "financial_year:2026", {"name": "x"})
    async with books.parts.pool.acquire() as connection:
        await books.parts.privacy.seal(connection, [buyer], at=utc_now())
    destroy = ("destroy", "--email", OLD, "--class", "voucher", "--yes", "--json")
    done = await command(keys.app, settings, *destroy)
    assert orjson.loads(done.out)["destroyed"] == {"accounting": 1}


def number(value: str) -> Alias:
    return Alias("person_number", value, "website")


async def sharing(intake: Work, many: int) -> list[SubjectId]:
    """People with one address and numbers of their own; it leads to the first of them."""
    office = Alias("email", OLD)
    async with intake.parts.pool.acquire() as connection:
        return await intake.parts.privacy.people.identify(
            connection, [[number(str(one)), office] for one in range(1, many + 1)]
        )


async def two_at_one_address(intake: Work) -> list[SubjectId]:
    """The address leads to the first of them."""
    return await sharing(intake, 2)


async def test_of_several_who_have_an_address_none_is_erased_before_one_is_named(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    first, second = await two_at_one_address(intake)
    sealed = {who: await seal(intake, who) for who in (first, second)}
    destroy = ("destroy", "--email", OLD, "--yes")
    refused = await command(keys.app, settings, *destroy)
    assert (refused.code, silent(refused)) == (2, True)
    assert {str(first), str(second)} <= set(refused.err.split())
    assert "person number" in refused.err
    assert refused.err.endswith(f"{destroying.SEVERAL}\n")
    assert await said(log) == []
    strange = await command(keys.app, settings, *destroy, "--subject", str(EVENT))
    assert (strange.code, strange.err) == (1, f"{destroying.NOBODY}\n")
    done = await command(keys.app, settings, *destroy, "--subject", str(second))
    assert done.code == 0, done.err
    assert await readable(intake, second, sealed[second]) == set()
    assert await readable(intake, first, sealed[first]) == {"contact", "diet"}
    assert [entry["subject_id"] for entry in await said(log)] == [str(second)]
    # Who is left is the only one who has it.
    done = await command(keys.app, settings, *destroy)
    assert done.code == 0, done.err
    assert await readable(intake, first, sealed[first]) == set()


async def test_of_several_who_have_an_address_none_is_unlinked_before_one_is_named(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    first, second = await two_at_one_address(intake)
    unlink = ("unlink", OLD, "--reason", "linked-by-mistake")
    for named in ((), ("--of", OLD)):
        refused = await command(subjects.app, settings, *unlink, *named)
        assert (refused.code, silent(refused)) == (2, True)
        assert {str(first), str(second)} <= set(refused.err.split())
        assert refused.err.endswith(f"{people.SEVERAL_LINKED}\n")
    strange = await command(subjects.app, settings, *unlink, "--of", str(EVENT))
    assert strange.code == 1
    assert await said(log) == []
    done = await command(subjects.app, settings, *unlink, "--of", str(second))
    assert done.code == 0, done.err
    assert await subject(intake, OLD) == first
    assert [entry["subject_id"] for entry in await said(log)] == [str(second)]
    # Who is left is the only one who has it.
    done = await command(subjects.app, settings, *unlink)
    assert done.code == 0, done.err
    assert await subject(intake, OLD) not in {first, second}


async def test_a_subject_is_erased_by_its_id_with_who_is_the_same_person(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    who, other = await subject(intake, OLD), await subject(intake, NEW)
    sealed = {one: await seal(intake, one) for one in (who, other)}
    linked = ("link", NEW, "--to", OLD, "--reason", "same-person", "--yes")
    assert (await command(subjects.app, settings, *linked)).code == 0
    destroy = ("destroy", "--yes", "--json", "--subject")
    nobody = await command(keys.app, settings, *destroy, str(EVENT))
    assert (nobody.code, nobody.err) == (1, f"{destroying.NOBODY}\n")
    done = await command(keys.app, settings, *destroy, str(other))
    assert done.code == 0, done.err
    assert set(orjson.loads(done.out)["subjects"]) == {str(who), str(other)}
    for one in (who, other):
        assert await readable(intake, one, sealed[one]) == set()


async def test_whom_no_address_leads_to_any_more_can_be_erased_by_the_id(
    intake: Work, settings: ServiceSettings
) -> None:
    who = await subject(intake, OLD)
    sealed = await seal(intake, who)
    await command(subjects.app, settings, "unlink", OLD, "--reason", "address-given-up")
    done = await command(keys.app, settings, "destroy", "--subject", str(who), "--yes")
    assert done.code == 0, done.err
    assert await readable(intake, who, sealed) == set()


async def test_who_shares_an_address_is_shown_with_the_others(
    intake: Work, settings: ServiceSettings
) -> None:
    first, second = await two_at_one_address(intake)
    shown = await command(subjects.app, settings, "show", OLD)
    assert shown.out.index(f"Data subject {first}") < shown.out.index(f"Data subject {second}")
    assert "the same person" not in shown.out
    assert shown.out.count("e-mail (shared)") == 2
    document = orjson.loads((await command(subjects.app, settings, "show", OLD, "--json")).out)
    told = {
        one["subject_id"]: {known["kind"]: known["shared_with"] for known in one["known_by"]}
        for one in document["subjects"]
    }
    assert told == {
        str(first): {"email": [str(second)], "person_number": []},
        str(second): {"email": [str(first)], "person_number": []},
    }
    assert [one["same_person_as"] for one in document["subjects"]] == [None, None]


async def test_of_several_who_have_an_address_none_is_linked_before_one_is_named(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    first, second = await two_at_one_address(intake)
    third = await subject(intake, NEW)
    link = ("link", NEW, "--reason", "same-person", "--yes", "--to")
    refused = await command(subjects.app, settings, *link, OLD)
    assert (refused.code, refused.err) == (2, f"{people.SEVERAL}\n")
    nobody = await command(subjects.app, settings, *link, str(EVENT))
    assert nobody.code == 1
    assert await said(log) == []
    done = await command(subjects.app, settings, *link, str(second))
    assert done.code == 0, done.err
    assert await subject(intake, NEW) == second
    # By the older id too, the person is whom the addresses lead to.
    again = await command(subjects.app, settings, *link, str(third))
    assert (again.code, "already" in again.out) == (0, True)
    both = ("link", OLD, "--reason", "same-person", "--yes", "--to", str(second))
    assert (await command(subjects.app, settings, *both)).code == 0
    document = orjson.loads((await command(subjects.app, settings, "show", OLD, "--json")).out)
    told = [one["subject_id"] for one in document["subjects"]]
    assert told == [str(second), *sorted(map(str, (first, third)))]


async def people_at(settings: ServiceSettings, address: str) -> list[tuple[str, str | None]]:
    """The subjects that are shown, and the same person as whom each is."""
    shown = await command(subjects.app, settings, "show", address, "--json")
    return [
        (one["subject_id"], one["same_person_as"]) for one in orjson.loads(shown.out)["subjects"]
    ]


async def test_of_several_who_have_an_address_none_becomes_another_before_one_is_named(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    first, second, third = await sharing(intake, 3)
    link = ("link", OLD, "--to", str(third), "--reason", "same-person", "--yes")
    refused = await command(subjects.app, settings, *link)
    assert (refused.code, silent(refused)) == (2, True)
    assert {str(first), str(second)} <= set(refused.err.split())
    assert refused.err.endswith(f"{people.SEVERAL_MEANT}\n")
    strange = await command(subjects.app, settings, *link, "--of", str(EVENT))
    assert (strange.code, strange.err) == (1, f"{people.NOT_OF_THEM}\n")
    assert await said(log) == []
    done = await command(subjects.app, settings, *link, "--of", str(second))
    assert done.code == 0, done.err
    assert await people_at(settings, OLD) == [
        (str(first), None),
        (str(third), None),
        (str(second), str(third)),
    ]
    (entry,) = await said(log)
    assert (entry["subject_id"], entry["led_to"]) == (str(third), str(second))
    # Who is left is the only one who is meant.
    done = await command(subjects.app, settings, *link)
    assert done.code == 0, done.err
    told = await people_at(settings, OLD)
    assert told[0] == (str(third), None)
    assert set(told[1:]) == {(str(one), str(third)) for one in (first, second)}


async def test_who_shares_an_address_becomes_the_person_whom_it_leads_to(
    intake: Work, settings: ServiceSettings
) -> None:
    first, second = await two_at_one_address(intake)
    link = ("link", OLD, "--to", str(first), "--reason", "same-person", "--yes")
    done = await command(subjects.app, settings, *link)
    assert (done.code, done.out) == (0, "it is linked, and that is recorded\n")
    assert await people_at(settings, OLD) == [(str(first), None), (str(second), str(first))]


async def test_who_is_asked_sees_both_that_become_one(
    intake: Work, log: Work, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, other = await subject(intake, OLD), await subject(intake, NEW)
    monkeypatch.setattr(people, "see_that_somebody_is_asked", lambda **_: None)
    link = ("link", NEW, "--to", OLD, "--reason", "same-person")
    refused = await command(subjects.app, settings, *link, given="n\n")
    assert refused.code == 1
    assert f"{other} becomes the same person as {who}" in refused.out
    assert await said(log) == []
    done = await command(subjects.app, settings, *link, given="y\n")
    assert done.code == 0, done.err
    assert await people_at(settings, NEW) == [(str(who), None), (str(other), str(who))]


async def test_only_of_a_same_person_one_of_several_is_named() -> None:
    link = ("link", NEW, "--to", OLD, "--reason", "changed-address", "--of", str(EVENT))
    done = await command(subjects.app, NOWHERE, *link)
    assert (done.code, "--of" in done.err) == (2, True)


async def test_no_address_of_the_living_is_linked_to_who_is_erased(
    intake: Work, log: Work, settings: ServiceSettings
) -> None:
    gone, lives = await subject(intake, OLD), await subject(intake, NEW)
    await seal(intake, lives)
    await command(keys.app, settings, "destroy", "--subject", str(gone), "--yes")
    link = ("link", NEW, "--to", str(gone), "--reason", "same-person", "--yes")
    done = await command(subjects.app, settings, *link)
    assert (done.code, done.err) == (1, f"{people.ERASED}\n")
    assert await people_at(settings, NEW) == [(str(lives), None)]
    assert [entry["type"] for entry in await said(log)] == ["KeysDestroyed"]


async def test_who_links_somebody_with_whom_a_law_has_something_kept_is_told_what_is_to_be_done(
    intake: Work, books: Work, settings: ServiceSettings
) -> None:
    who, other = await subject(intake, OLD), await subject(intake, NEW)
    sealed = await seal(intake, other)
    buyer = ToSeal(who, "accounting", "financial_year:2026", {"name": "x"})
    async with books.parts.pool.acquire() as connection:
        await books.parts.privacy.seal(connection, [buyer], at=utc_now())
    destroy = ("destroy", "--email", OLD, "--kept-by-law", "keep", "--yes")
    await command(keys.app, settings, *destroy)
    link = ("link", NEW, "--to", OLD, "--reason", "same-person", "--yes")
    done = await command(subjects.app, settings, *link)
    assert (done.code, done.out) == (0, f"{people.LINKED_TO_BE_ERASED}\n")
    await command(keys.app, settings, *destroy)
    assert await readable(intake, other, sealed) == set()


async def test_options_narrow_it_down(intake: Work, log: Work, settings: ServiceSettings) -> None:
    who, stays = await subject(intake, OLD), await subject(intake, NEW)
    sealed, others = await seal(intake, who), await seal(intake, stays)
    elsewhere = await seal(intake, who, "event:b")
    destroy = ("destroy", "--event", str(EVENT), "--class", "diet", "--yes")
    done = await command(keys.app, settings, *destroy, "--email", OLD)
    assert "1 keys are destroyed" in done.out
    assert await readable(intake, who, sealed) == {"contact"}
    done = await command(keys.app, settings, *destroy)
    assert "diet" in done.out
    assert await readable(intake, stays, others) == {"contact"}
    assert await readable(intake, who, elsewhere) == {"contact", "diet"}
    done = await command(keys.app, settings, "destroy", "--event", str(EVENT), "--yes")
    assert await readable(intake, stays, others) == set()
    assert [entry["event_id"] for entry in await said(log)] == [str(EVENT)] * 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--class"),
        (("--event", str(EVENT)), "--yes"),
        (("--email", "nobody", "--yes"), "no e-mail address"),
        (("--event", "nothing", "--yes"), "--event"),
    ],
)
async def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...], told: str) -> None:
    done = await command(keys.app, NOWHERE, "destroy", *arguments)
    assert done.code == 2
    assert told in done.err


async def test_a_class_that_the_plan_does_not_have_exits_with_2(settings: ServiceSettings) -> None:
    done = await command(keys.app, settings, "destroy", "--class", "canary", "--yes")
    assert (done.code, silent(done)) == (2, True)
    assert "event-data" in done.err


@pytest.mark.parametrize("name", ["voucher", "marketing", "diet"])
async def test_a_class_alone_would_be_more_than_is_due_and_is_refused(
    intake: Work, log: Work, settings: ServiceSettings, name: str
) -> None:
    """Of all years, of everybody whose consent stands, of events to come."""
    who = await subject(intake, OLD)
    sealed = await seal(intake, who)
    done = await command(keys.app, settings, "destroy", "--class", name, "--yes")
    assert (done.code, "not due yet" in told(done)) == (2, True)
    assert await readable(intake, who, sealed) == {"contact", "diet"}
    assert await said(log) == []


@pytest.mark.parametrize("whose", [(), ("--email", OLD)])
async def test_a_class_whose_keys_are_of_no_event_is_not_destroyed_by_event(
    intake: Work, log: Work, settings: ServiceSettings, whose: tuple[str, ...]
) -> None:
    """It would destroy none, and say so as if it were done."""
    await subject(intake, OLD)
    destroy = ("destroy", *whose, "--event", str(EVENT), "--class", "voucher", "--yes")
    done = await command(keys.app, settings, *destroy)
    assert (done.code, "belong to no event" in told(done)) == (2, True)
    assert await said(log) == []


def told(done: Answered) -> str:
    """What it said on standard error, without the box around it."""
    return " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize(("typed", "gone"), [("2", True), ("3", False), ("", False)])
async def test_the_number_of_keys_has_to_be_typed_back(
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    gone: bool,
) -> None:
    who = await subject(intake, OLD)
    sealed = await seal(intake, who)
    monkeypatch.setattr(destroying, "see_that_somebody_is_asked", lambda **_: None)
    done = await command(keys.app, settings, "destroy", "--email", OLD, given=f"{typed}\n")
    assert "contact" in done.out
    assert done.code == (0 if gone else 1)
    assert await readable(intake, who, sealed) == (set() if gone else {"contact", "diet"})


async def test_help_has_examples() -> None:
    for app, name in ((keys.app, "destroy"), (subjects.app, "link"), (subjects.app, "show")):
        done = await command(app, NOWHERE, name, "--help")
        assert (done.code, "Example" in done.out) == (0, True)
