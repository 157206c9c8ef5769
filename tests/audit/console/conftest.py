"""A log to look at, filled once for all tests of the console, and the console on it."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio

from services.audit.api.console.access import SIGN_IN, Access
from services.audit.api.console.application import console
from services.audit.api.console.desk import Desk
from services.audit.handlers.identity import signing_key
from services.audit.settings import Settings
from services.audit.store.sources import folder_log
from services.consent.settings import Settings as ConsentSettings
from shared.assembly import Parts, open_parts
from shared.contract.audit import (
    DataAccessed,
    DataDisclosed,
    DisclosureDelivered,
    DisclosureFailed,
    DisclosureRefused,
    DisclosureWithheld,
    Entry,
)
from shared.contract.types import SubjectId
from shared.privacy.subjects import Alias
from shared.runtime.secrets import SecretsFolder
from tests.conftest import ROOT
from tests.support.databases import cloned
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.log import appending_to, publish_all
from tests.support.work import NO_KAFKA, at_work

EMAIL: Final = "aino.canary@example.org"
SHARED: Final = "office.canary@example.org"
ACCESS: Final = Access(*(secrets.token_urlsafe(32) for _ in range(2)))
TODAY: Final = datetime(2026, 9, 10, 12, tzinfo=UTC)
ADDRESS: Final = "http://127.0.0.1:8795"


@dataclass(frozen=True)
class Shown:
    """What is in the log: 130 entries, the last of which is not signed yet."""

    settings: Settings
    aino: SubjectId
    event: UUID
    size: int = 130


@pytest.fixture(scope="session")
def shown(
    template_database: str, secrets_folder: SecretsFolder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shown]:
    with cloned(template_database) as url:
        given: dict[str, object] = {
            "database_url": url,
            "secrets": secrets_folder.path,
            "plan": ROOT / "plan.toml",
            "kafka_bootstrap_servers": NO_KAFKA,
        }
        settings = Settings.model_validate(
            {
                **given,
                "audit_folder": tmp_path_factory.mktemp("console") / "published",
                "audit_origin": "example.org/audit",
            }
        )
        yield asyncio.run(fill(settings, ConsentSettings.model_validate(given)))


async def fill(settings: Settings, consent: ConsentSettings) -> Shown:
    """Ten days, on each a disclosure to the caterer of eleven people and one refusal."""
    async with (
        at_work(consent, "consent") as work,
        work.parts.pool.acquire() as connection,
        connection.transaction(),
    ):
        (aino,) = await work.parts.privacy.people.identify(connection, [[Alias("email", EMAIL)]])
        sharers = [[Alias("person_number", n, "website"), Alias("email", SHARED)] for n in "12"]
        await work.parts.privacy.people.identify(connection, sharers)
    event = uuid4()
    entries: list[Entry] = []
    for day in range(9):
        at = NOON + timedelta(days=day)
        entries += a_day(at, event, failed=day == 3, withheld=day == 6)
    entries += about(aino, NOON + timedelta(days=9), event)
    async with at_work(settings, "audit") as work:
        facts = Facts()
        appending = appending_to(work)
        *signed, last = [facts.message(entry) for entry in entries]
        await work.do(appending, signed[:60])
        await publish_all(work)
        await work.do(appending, signed[60:])
        await publish_all(work)
        await work.do(appending, [last])
    return Shown(settings, aino, event, len(entries))


def a_day(at: datetime, event: UUID, *, failed: bool, withheld: bool) -> Iterator[Entry]:
    """Thirteen entries: eleven people, one who was left out, and what became of it. Or ten people,
    of whom one was withheld.
    """
    given: dict[str, Any] = {"at": at, "event_id": event, "disclosure_id": uuid4()}
    subjects = [uuid4() for _ in range(10 if withheld else 11)]
    for subject in subjects:
        yield make_entry(DataDisclosed, subject_id=subject, **given)
    yield make_entry(DisclosureRefused, **given)
    if withheld:
        yield make_entry(
            DisclosureWithheld, subject_id=subjects[0], may_have_reached=False, **given
        )
    outcome = DisclosureFailed if failed else DisclosureDelivered
    yield make_entry(outcome, **{**given, "people": 11, "reason": "recipient-away"})


def about(aino: SubjectId, at: datetime, event: UUID) -> Iterator[Entry]:
    """Thirteen entries about one person, the last two of them readings."""
    for number in range(11):
        given: dict[str, Any] = {"recipient": "hotel", "purpose": "accommodation"}
        if number == 0:
            given = {"recipient": "caterer", "event_id": event}
        yield make_entry(DataDisclosed, at=at, subject_id=aino, disclosure_id=uuid4(), **given)
    for _ in range(2):
        yield make_entry(DataAccessed, at=at, subject_id=aino, purpose="event-arrangement")


def desk_of(settings: Settings, parts: Parts) -> Desk:
    return Desk(
        parts.pool,
        parts.privacy,
        folder_log(settings.published_folder),
        [signing_key(settings).verifier()],
        lambda: TODAY,
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(shown: Shown) -> AsyncIterator[Desk]:
    """Opened once. Tests that ask it say that they run in the session's loop."""
    async with open_parts(shown.settings, service="audit") as parts:
        yield desk_of(shown.settings, parts)


def browser_of(desk: Desk) -> httpx2.AsyncClient:
    """A browser in front of a console."""
    transport = httpx2.ASGITransport(console(desk, ACCESS))
    return httpx2.AsyncClient(transport=transport, base_url=ADDRESS)


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(desk: Desk) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that has shown no token."""
    async with browser_of(desk) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def browser(stranger: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A browser that has."""
    await stranger.get(SIGN_IN, params={"token": ACCESS.token})
    return stranger


def link(page: str, name: str) -> str:
    """Where a link of this name leads."""
    found = re.search(rf'href="([^"]*)">{name}</a>', page)
    assert found is not None, f"there is no link {name}"
    return found[1].replace("&amp;", "&")
