"""A search by the id of a data subject answers as `steward audit replay --subject` does."""

from __future__ import annotations

from datetime import timedelta

from services.audit.api.console.access import SIGN_IN
from services.audit.settings import Settings
from services.cli import subjects
from shared.contract.audit import DataAccessed, DataDisclosed
from shared.runtime.settings import ServiceSettings
from tests.audit.console.conftest import ACCESS, EMAIL, TODAY, browser_of, desk_of
from tests.audit.console.test_pages import numbers
from tests.audit.test_commands import append, known_as
from tests.conftest import SettingsFactory
from tests.support.commands import command
from tests.support.entries import make_entry
from tests.support.work import Work

OTHER = "aino.canary.other@example.org"


async def found(work: Work, filters: str) -> list[int]:
    """The entries that a search shows, the newest first."""
    assert isinstance(work.settings, Settings)
    async with browser_of(desk_of(work.settings, work.parts)) as browser:
        await browser.get(SIGN_IN, params={"token": ACCESS.token})
        answer = await browser.get(f"/?{filters}")
    assert answer.status_code == 200
    return numbers(answer.text)


async def test_every_subject_of_the_person_counts(
    work: Work, settings: ServiceSettings, service_settings: SettingsFactory
) -> None:
    first, second = [await known_as(one, service_settings) for one in (EMAIL, OTHER)]
    await append(
        work,
        make_entry(DataDisclosed, subject_id=first),
        make_entry(DataDisclosed),
        make_entry(DataDisclosed, subject_id=second, recipient="hotel"),
    )
    link = ("link", OTHER, "--to", EMAIL, "--reason", "same-person", "--yes")
    assert (await command(subjects.app, settings, *link)).code == 0
    assert await found(work, f"subject={first}") == [2, 0]
    assert await found(work, f"subject={second}") == [2, 0]
    assert await found(work, f"subject={first}&recipient=hotel") == [2]


async def test_readings_are_told_for_their_own_period_and_what_was_disclosed_for_longer(
    work: Work, service_settings: SettingsFactory
) -> None:
    who = await known_as(EMAIL, service_settings)
    await append(
        work,
        make_entry(DataDisclosed, subject_id=who, at=TODAY - timedelta(days=735)),
        make_entry(DataAccessed, subject_id=who, at=TODAY - timedelta(days=735)),
        make_entry(DataAccessed, subject_id=who, at=TODAY - timedelta(days=725)),
    )
    assert await found(work, f"subject={who}") == [2, 0]
    assert await found(work, "") == [2, 1, 0], "the log itself stays whole"
