"""Invoices said again: `steward finance republish`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.finance import handlers as module
from services.finance.commands import app
from services.finance.handlers import Handlers, republish_invoices
from services.retention.handlers import Handlers as Schedule
from shared.contract.message import Message
from tests.conftest import SettingsFactory
from tests.finance.test_invoices import cancelled
from tests.support.commands import command
from tests.support.facts import event_state, registered
from tests.support.republished import said_again, said_because
from tests.support.work import NO_KAFKA, Work, service_at_work


@pytest.fixture
async def retention(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "retention") as work:
        yield work


async def all_that_was_said(work: Work, handlers: Handlers) -> list[Message[Any]]:
    """Three invoices, with two classes of tax, and a credit note over one of them."""
    cheaper = registered(event_state(vat_class="reduced"))
    people = [registered(), registered(), cheaper]
    said = await said_because(work, handlers.issue_invoices, people)
    return said + await said_because(work, handlers.credit_invoices, [cancelled(cheaper)])


async def schedule(retention: Work) -> list[asyncpg.Record]:
    return await retention.rows("select * from schedule_item order by item_id, part")


async def test_every_invoice_and_credit_note_is_said_again_as_it_was(
    work: Work, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await all_that_was_said(work, handlers)
    assert len(said) == 4
    monkeypatch.setattr(module, "REPUBLISHED_AT_ONCE", 3)
    again = await said_again(work, republish_invoices)
    assert [one.data for one in again] == [one.data for one in said]
    assert [one.record.key for one in again] == [one.record.key for one in said]


async def test_a_reader_that_lost_invoices_schedules_them_and_one_that_had_them_changes_nothing(
    work: Work, handlers: Handlers, retention: Work
) -> None:
    keep = Schedule(retention.parts.privacy.in_force).schedule_invoices
    said = await all_that_was_said(work, handlers)
    await retention.do(keep, said[:1])
    again = await said_again(work, republish_invoices)
    await retention.do(keep, again)
    mended = await schedule(retention)
    await retention.do(keep, said)
    await retention.do(keep, again[::-1])
    assert await schedule(retention) == mended
    assert len(mended) == 4 * 2, "each is a voucher and a part of the ledger"


async def test_no_number_is_given_and_nobody_is_named(work: Work, handlers: Handlers) -> None:
    await all_that_was_said(work, handlers)
    tables = "select (select count(*) from invoice), (select count(*) from buyer)"
    before = await work.rows(tables)
    await said_again(work, republish_invoices)
    assert await work.rows(tables) == before


async def test_of_nothing_nothing_is_said(work: Work, service_settings: SettingsFactory) -> None:
    settings = service_settings("finance", kafka_bootstrap_servers=NO_KAFKA)
    answered = await command(app, settings, "republish")
    assert answered.code == 0
    assert "0 facts are said again" in answered.out
