"""`steward keys destroy` as people and programs meet it."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from services.cli import keys, subjects
from services.cli.keys import destroying
from services.cli.subjects import people
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.privacy.office_commands.conftest import (
    CONTEXT,
    EVENT,
    NEW,
    OLD,
    readable,
    said,
    seal,
    silent,
    subject,
    two_at_one_address,
)
from tests.support.commands import NOWHERE, Answered, command
from tests.support.work import Work


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
