"""Invoices of before and of after a plan that keeps buyers in another class."""

from __future__ import annotations

from pathlib import Path

from services.retention.handlers import Handlers
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.retention.conftest import follow
from tests.retention.destroying_due.conftest import (
    LONG_AGO,
    alive,
    destroy,
    invoice,
    listed,
    seal,
    somebody,
)
from tests.support.applied import apply
from tests.support.facts import Facts
from tests.support.plans import TEXT, changed
from tests.support.work import Work

BUYERS_IN_THE_LEDGER = changed(
    ('categories = ["accounting"]\nlaw = "Accounting Act', 'law = "Accounting Act'),
    ('period = "P10Y"\n', 'period = "P10Y"\ncategories = ["accounting"]\n'),
)


async def test_buyers_of_after_the_change_go_as_the_plan_in_force_has_it_and_those_of_before_later(
    work: Work,
    handlers: Handlers,
    intake: Work,
    books: Work,
    settings: ServiceSettings,
    database: str,
    tmp_path: Path,
) -> None:
    before, later = await somebody(intake), await somebody(intake)
    await apply(database, tmp_path, BUYERS_IN_THE_LEDGER)
    await follow(work)
    issued = Facts().message(invoice(before, 2018, LONG_AGO))
    await work.do(handlers.schedule_invoices, [issued])
    await apply(database, tmp_path, TEXT)
    await follow(work)
    issued = Facts().message(invoice(later, 2018, utc_now()))
    await work.do(handlers.schedule_invoices, [issued])
    for who in (before, later):
        await seal(books, who, ("accounting", "year:2018"))
    assert (await destroy(settings)).code == 0
    assert await alive(settings, later) == set()
    assert await alive(settings, before) == {("accounting", "year:2018")}
    assert await listed(settings) == ["voucher"], "of the one whom the ledger keeps"
