"""`steward subjects` as people and programs meet it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.cli import keys, subjects
from services.cli.subjects import people
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.privacy.office_commands.conftest import (
    EVENT,
    NEW,
    OLD,
    readable,
    said,
    seal,
    sharing,
    silent,
    subject,
    two_at_one_address,
)
from tests.support.commands import NOWHERE, command
from tests.support.work import Work


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
