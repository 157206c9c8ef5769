"""The office's commands at work: services that people are known to, and the log's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import orjson
import pytest

from shared.contract.types import EventId, Sealed, SubjectId
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect
from tests.support.commands import Answered
from tests.support.work import NO_KAFKA, Work, service_at_work

OLD, NEW = "canary-old@example.org", "canary-new@example.org"
EVENT = EventId(UUID("6f1c9c1e-4a43-4a55-9f5c-0a3f4d1f2b11"))
CONTEXT = f"event:{EVENT}"


@pytest.fixture(autouse=True)
def _empty(connect: Connect) -> None:
    """Each test begins with empty tables."""


@pytest.fixture
async def intake(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "registration") as work:
        yield work


@pytest.fixture
async def log(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "retention") as work:
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


@pytest.fixture
async def books(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "finance") as work:
        yield work


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
