"""`steward registration disclose` and `steward disclosures` as people and programs meet them."""

from __future__ import annotations

import asyncio
import csv
import sys
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import orjson
import pytest

from services.cli import disclosures
from services.registration import commands
from services.registration.handlers.desk import SERVICE
from shared.contract.audit import DataDisclosedToAuthority, DisclosureDelivered
from tests.conftest import SettingsFactory
from tests.registration.conftest import Front
from tests.registration.handing import Given, say_consent, three_people
from tests.support.commands import Answered, command, environment_of
from tests.support.terminal import Terminal
from tests.support.work import NO_KAFKA


class Run(Protocol):
    """`await run("disclosures", "list")`."""

    async def __call__(self, group: str, *arguments: str, given: str | None = None) -> Answered: ...


@pytest.fixture
async def given(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_is_heard: None
) -> Given:
    monkeypatch.setenv("STEWARD_OUTGOING_FOLDER", str(tmp_path / "outgoing"))
    made = await three_people(front, tmp_path / "outgoing")
    await say_consent(made)
    return made


@pytest.fixture
def run(service_settings: SettingsFactory) -> Run:
    settings = service_settings(SERVICE, kafka_bootstrap_servers=NO_KAFKA)

    async def steward(group: str, *arguments: str, given: str | None = None) -> Answered:
        app = commands.app if group == "registration" else disclosures.app
        return await command(app, settings, *arguments, given=given)

    return steward


async def test_what_failed_is_listed_until_somebody_resumes_it(
    given: Given, run: Run, tmp_path: Path
) -> None:
    nowhere, path = tmp_path / "no" / "list.csv", tmp_path / "list.csv"
    failed = await run(
        "registration", "disclose", "E-1", "caterer", "--yes", "--output", str(nowhere)
    )
    assert failed.code == 1
    assert "It is not delivered (No such file or directory), and that is recorded" in failed.err
    listed = await run("disclosures", "list", "--failed", "--json")
    one = orjson.loads(listed.out)
    assert listed.code == 1
    shown = {name: one[name] for name in ("recipient", "people", "state", "reason", "way", "tries")}
    assert shown == {
        "recipient": "caterer",
        "people": 2,
        "state": "failed",
        "reason": "not-written",
        "way": "hand",
        "tries": 1,
    }
    drawn = await run("disclosures", "list")
    assert "failed (not-written): resume it by hand" in drawn.out
    assert (await run("disclosures", "list", "--pending")).out == "none is pending\n"
    without = await run("disclosures", "resume", one["id"])
    assert (without.code, "say where it goes" in without.err) == (2, True)
    done = await run("disclosures", "resume", one["id"], "--output", str(path))
    assert (done.code, done.out) == (0, f"Delivered: {path}.\n")
    assert path.read_text("utf-8").count(one["id"]) == 2
    listed = await run("disclosures", "list")
    assert (listed.code, listed.out) == (0, "nothing waits for its delivery\n")
    again = await run("disclosures", "resume", one["id"], "--output", str(path))
    assert (again.code, "nothing of this id waits" in again.err) == (2, True)


async def test_what_cannot_be_put_into_the_folder_is_tried_again_by_itself(
    given: Given, run: Run
) -> None:
    given.folder.write_text("in the way")
    failed = await run("registration", "disclose", "E-1", "caterer", "--yes")
    assert (failed.code, "is tried again by itself" in failed.err) == (1, True)
    listed = await run("disclosures", "list")
    assert (listed.code, "(not-written)" in listed.out) == (0, True)
    given.folder.unlink()
    one = orjson.loads((await run("disclosures", "list", "--json")).out)
    done = await run("disclosures", "resume", one["id"], "--json")
    (path,) = given.lists()
    assert orjson.loads(done.out) == {
        "delivery": one["id"],
        "state": "delivered",
        "reason": None,
        "output": str(path),
        "disclosures": [{"id": one["id"], "people": 2, "withheld": 0}],
    }
    assert len(await given.front.said(DisclosureDelivered)) == 1


async def test_what_nobody_wants_any_more_is_given_up(
    given: Given, run: Run, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "no" / "list.csv")
    await run("registration", "disclose", "E-1", "caterer", "--yes", "--output", nowhere)
    one = orjson.loads((await run("disclosures", "list", "--json")).out)
    unasked = await run("disclosures", "discard", one["id"])
    assert (unasked.code, "add --yes" in unasked.err) == (2, True)
    done = await run("disclosures", "discard", one["id"], "--yes")
    assert (done.code, done.out) == (0, "given up; entries in the audit log: 2\n")
    assert (await run("disclosures", "list")).code == 0


@pytest.mark.parametrize("wrong", ["list", str(uuid4())], ids=["no id", "an id of nothing"])
async def test_an_id_that_nothing_has_is_a_wrong_argument(run: Run, wrong: str) -> None:
    assert (await run("disclosures", "resume", wrong)).code == 2


@pytest.fixture
def at_a_terminal(
    given: Given, service_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is there and says yes, while standard output is a program's."""
    settings = service_settings(SERVICE, kafka_bootstrap_servers=NO_KAFKA)
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))


@pytest.mark.usefixtures("at_a_terminal")
async def test_who_is_asked_at_a_terminal_finds_the_list_alone_in_the_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["disclose", "E-1", "caterer", "--output", "-"]
    await asyncio.to_thread(commands.app, line, standalone_mode=False)
    told = capsys.readouterr()
    assert "Hand the list to caterer?" in told.err
    rows = list(csv.reader(told.out.splitlines()))
    assert rows[0] == ["contact.name", "diet.text", "disclosure"]
    assert [row[0] for row in rows[1:]] == ["'=HYPERLINK(1)", "Person 2"]


@pytest.mark.usefixtures("at_a_terminal")
async def test_who_is_asked_at_a_terminal_finds_the_summary_alone_in_the_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["disclose", "E-1", "caterer", "--json"]
    await asyncio.to_thread(commands.app, line, standalone_mode=False)
    told = capsys.readouterr()
    assert "Hand the list to caterer?" in told.err
    assert (told.out[0], orjson.loads(told.out)["disclosures"][0]["people"]) == ("{", 2)


async def test_an_authority_is_answered_about_one_person(given: Given, run: Run) -> None:
    line = ("registration", "disclose-to-authority", "E-1", "police", "-", "--yes", "--output", "-")
    done = await run(*line, "--reference", "5650/R/1234/26", given="p2@example.org\n")
    assert done.code == 0
    assert "Person 2,p2@example.org," in done.out
    (entry,) = await given.front.said(DataDisclosedToAuthority)
    assert entry.request_reference == "5650/R/1234/26"
    wrong = await run(*line, "--reference", "about maija@example.org", given="p2@example.org\n")
    assert (wrong.code, "maija" in wrong.err) == (2, False)


async def test_an_authority_that_asks_about_no_address_is_told_before_anybody_is_asked(
    given: Given, run: Run
) -> None:
    line = ("registration", "disclose-to-authority", "E-1", "police", "nobody")
    done = await run(*line, "--reference", "1/26")
    assert (done.code, "this is no e-mail address" in done.err) == (2, True)
    assert await given.front.facts() == []
