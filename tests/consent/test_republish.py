"""Consents said again, as they stand: `steward consent republish`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from services.consent.commands import app
from services.consent.handlers import Handlers, republish
from services.consent.handlers.republish import republish_consents
from services.registration.handlers.consents import keep_consents
from services.retention.handlers import Handlers as Schedule
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.message import Message
from tests.conftest import SettingsFactory
from tests.consent.answering import HOUR, consent, submitted, withdrawal
from tests.support.commands import command
from tests.support.facts import NOON
from tests.support.republished import said_again, said_because
from tests.support.work import NO_KAFKA, Work, at_work

PEOPLE = ("y", "n", "yn", "yny", "nyny", "nnyy")
"""What each has said of marketing, hour by hour."""


class Readers:
    """Registration and retention, as they keep what the consent service says."""

    def __init__(self, registration: Work, retention: Work) -> None:
        self._registration = registration
        self._retention = retention
        self._schedule = Schedule(retention.parts.privacy.in_force)

    async def hear(self, messages: Sequence[Message[Any]]) -> None:
        await self._registration.do(keep_consents, messages)
        await self._retention.do(self._schedule.schedule_consents, messages)

    async def kept(self) -> list[list[asyncpg.Record]]:
        return [
            await self._registration.rows("select * from consent order by subject_id, purpose"),
            await self._retention.rows("select * from schedule_item order by subject_id, part"),
        ]


@pytest.fixture
async def readers(service_settings: SettingsFactory) -> AsyncIterator[Readers]:
    registration = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    retention = service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)
    async with (
        at_work(registration, "registration") as one,
        at_work(retention, "retention") as other,
    ):
        yield Readers(one, other)


async def all_that_was_said(work: Work, handlers: Handlers) -> list[Message[Any]]:
    said = []
    for number, answers in enumerate(PEOPLE):
        email = f"p{number}@example.org"
        for hour, answer in enumerate(answers):
            at = NOON + hour * HOUR
            if answer == "y":
                message = submitted(consent(), consent("networking"), at=at, email=email)
            else:
                message = withdrawal("marketing", at=at, email=email)
            said += await said_because(work, handlers.record_contacts, [message])
    return said


async def test_a_reader_that_lost_everything_keeps_what_it_would_have_kept(
    work: Work, handlers: Handlers, readers: Readers, administrator: asyncpg.Connection[Any]
) -> None:
    await readers.hear(await all_that_was_said(work, handlers))
    right = await readers.kept()
    assert all(right), "both have something to lose"
    await administrator.execute(
        "delete from registration.consent; delete from retention.schedule_item"
    )
    await readers.hear(await said_again(work, republish_consents))
    assert await readers.kept() == right


async def test_a_reader_that_lost_a_no_between_two_yeses_learns_of_it(
    work: Work, handlers: Handlers, readers: Readers
) -> None:
    said = await all_that_was_said(work, handlers)
    heard = [one for one in said if not isinstance(one.data, ConsentWithdrawn)]
    await readers.hear(heard)
    await readers.hear(await said_again(work, republish_consents))
    mended = await readers.kept()
    await readers.hear(said)
    assert await readers.kept() == mended, "there was nothing left to learn"


async def test_a_reader_that_heard_all_of_it_changes_nothing(
    work: Work, handlers: Handlers, readers: Readers
) -> None:
    await readers.hear(await all_that_was_said(work, handlers))
    before = await readers.kept()
    again = await said_again(work, republish_consents)
    await readers.hear(again)
    await readers.hear(again[::-1])
    assert await readers.kept() == before


async def test_what_is_said_meanwhile_counts_whatever_stands_behind_it(
    work: Work, handlers: Handlers, readers: Readers
) -> None:
    yes = await said_because(work, handlers.record_contacts, [submitted()])
    again = await said_again(work, republish_consents)
    no = await said_because(work, handlers.record_contacts, [withdrawal(at=NOON + HOUR)])
    await readers.hear([*yes, *no])
    before = await readers.kept()
    await readers.hear(again)
    assert await readers.kept() == before


async def test_of_each_person_and_purpose_the_last_answer_is_said_and_the_last_no_before_it(
    work: Work, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await all_that_was_said(work, handlers)
    monkeypatch.setattr(republish, "MOST_AT_ONCE", 2)
    again = await said_again(work, republish_consents)
    marketing = [one.data for one in again if one.data.purpose == "marketing"]
    # One of those who have said one thing alone; both of those whose last answer, yes, undid a no.
    assert len(marketing) == sum(2 if "n" in one and one[-1] == "y" else 1 for one in PEOPLE)
    assert [one for one in marketing if one not in [was.data for was in said]] == []
    whose = [(one.subject_id, one.at, isinstance(one, ConsentGiven)) for one in marketing]
    assert whose == sorted(whose)


async def test_nothing_is_said_to_the_audit_log_again(work: Work, handlers: Handlers) -> None:
    await all_that_was_said(work, handlers)
    entries = "select count(*) from outbox where topic = 'audit'"
    before = await work.value(entries)
    await said_again(work, republish_consents)
    assert await work.value(entries) == before


@pytest.mark.parametrize(
    ("waiting", "code", "told"),
    [(0, 0, "1 facts are said again, and Kafka has them"), (1, 1, "1 wait in the outbox")],
)
async def test_the_command_ends_once_kafka_has_what_it_said(
    work: Work,
    handlers: Handlers,
    service_settings: SettingsFactory,
    monkeypatch: pytest.MonkeyPatch,
    waiting: int,
    code: int,
    told: str,
) -> None:
    await work.do(handlers.record_contacts, [submitted()])

    async def published(*_: object) -> int:
        return waiting

    monkeypatch.setattr("shared.messaging.republishing.published", published)
    settings = service_settings("consent", kafka_bootstrap_servers=NO_KAFKA)
    answered = await command(app, settings, "republish")
    assert answered.code == code
    assert told in (answered.err if waiting else answered.out)
