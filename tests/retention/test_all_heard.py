"""Whether all was heard that may put off that something is due: on real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal

import pytest

from services.cli.keys import all_heard
from services.cli.keys.all_heard import Hearer, NotNowError, open_hearers, see_all_heard
from services.cli.office import Office
from shared.contract.inbound import (
    EventAnnounced,
    EventCancellationRequested,
    RegistrationSubmitted,
)
from shared.contract.registry import MessageData
from shared.contract.topics import TOPICS, topic
from shared.contract.types import Sealed
from shared.messaging import store
from shared.messaging.hearing import log_ends
from shared.messaging.store import DeadLetter
from shared.privacy.office import PrivacyOffice
from shared.runtime.topics import create_topics
from tests.conftest import SettingsFactory
from tests.support.facts import NOON
from tests.support.work import at_work


@pytest.fixture
async def hearers(
    service_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sequence[Hearer]]:
    """Services that have read all there is."""
    monkeypatch.setattr(all_heard, "settings_of", service_settings)
    monkeypatch.setattr(all_heard, "WAITS_S", 0.1)
    settings = service_settings("retention")
    await create_topics(settings.cluster, TOPICS)
    async with at_work(settings, "retention") as work:
        office = Office(work.parts, PrivacyOffice(work.parts.privacy, "cli:test"))
        async with open_hearers(office) as found:
            for hearer in found:
                places = [(n, part) for n in hearer.topics for part in range(topic(n).partitions)]
                ends = await log_ends(hearer.pool, hearer.cluster, places, within_s=0)
                async with hearer.pool.acquire() as connection:
                    await store.begin_positions(
                        connection, {(n, part): ends[n][part] for n, part in places}
                    )
            yield found


async def change(hearers: Sequence[Hearer], service: str, statement: str) -> None:
    (hearer,) = (one for one in hearers if one.service == service)
    async with hearer.pool.acquire() as connection:
        await connection.execute(statement)


async def lay(
    hearers: Sequence[Hearer],
    service: str,
    name: str,
    status: Literal["dead", "parked"] = "parked",
    message: type[MessageData] | None = None,
) -> None:
    letter = DeadLetter(
        topic=name,
        partition=0,
        record_offset=1,
        status=status,
        holds_key=False,
        type=None if message is None else message.message_type,
        type_reference=None,
        key_reference=None,
        reason="waits",
        detail="",
        sealed=Sealed(b"sealed"),
        taken_at=NOON,
    )
    (hearer,) = (one for one in hearers if one.service == service)
    async with hearer.pool.acquire() as connection:
        await store.bury(connection, [letter], NOON)


async def missing(hearers: Sequence[Hearer]) -> str:
    with pytest.raises(NotNowError) as refused:
        await see_all_heard(hearers)
    return str(refused.value)


@pytest.mark.parametrize("message", [None, RegistrationSubmitted])
async def test_all_is_heard_that_was_said(
    hearers: Sequence[Hearer], message: type[MessageData] | None
) -> None:
    await lay(hearers, "registration", "inbound.registrations", message=message)
    await see_all_heard(hearers)


@pytest.mark.parametrize("service", ["registration", "consent", "retention"])
async def test_who_is_behind_is_named(hearers: Sequence[Hearer], service: str) -> None:
    await change(hearers, service, "update position set next_offset = next_offset + 1")
    assert f"the {service} service" in await missing(hearers), "they read another log"


async def test_an_answer_of_upstream_that_nobody_has_read_is_not_heard(
    hearers: Sequence[Hearer],
) -> None:
    contacts = "update position set next_offset = next_offset + 1 where topic = 'inbound.contacts'"
    await change(hearers, "consent", contacts)
    assert "the consent service" in await missing(hearers)


@pytest.mark.parametrize("service", ["registration", "consent"])
async def test_what_waits_in_an_outbox_is_not_heard(
    hearers: Sequence[Hearer], service: str
) -> None:
    said = "insert into outbox (topic, headers, value, said_at) values ('{}', '{{}}', '', now())"
    await change(hearers, service, said.format("audit"))
    await see_all_heard(hearers)
    await change(hearers, service, said.format(service))
    assert f"the {service} service" in await missing(hearers)


@pytest.mark.parametrize(
    ("service", "name"), [("consent", "registration"), ("retention", "consent")]
)
async def test_what_lies_as_a_dead_letter_is_not_heard(
    hearers: Sequence[Hearer], service: str, name: str
) -> None:
    await lay(hearers, service, name)
    assert f"the {service} service" in await missing(hearers)


@pytest.mark.parametrize("status", ["dead", "parked"])
@pytest.mark.parametrize("message", [EventAnnounced, EventCancellationRequested])
async def test_what_upstream_said_of_an_event_is_not_heard_while_it_lies_as_a_dead_letter(
    hearers: Sequence[Hearer], status: Literal["dead", "parked"], message: type[MessageData]
) -> None:
    await lay(hearers, "registration", "inbound.registrations", status, message)
    told = await missing(hearers)
    assert "the registration service" in told
    assert "inbound.registrations" in told
