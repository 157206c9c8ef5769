"""What somebody says counts also where the source's clock was never set."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.consent.handlers import Handlers
from tests.consent.answering import states, submitted, withdrawal
from tests.support.work import Work


@pytest.mark.parametrize("year", [1, 1970])
async def test_a_withdrawal_of_no_time_takes_back_a_yes_that_came_before_it(
    work: Work, handlers: Handlers, year: int
) -> None:
    await work.do(handlers.record_contacts, [submitted()])
    never_set = withdrawal("marketing", at=datetime(year, 1, 1, tzinfo=UTC))
    await work.do(handlers.record_contacts, [never_set])
    assert await states(work) == {"marketing": "withdrawn"}
    assert not await work.rows("select from contact")
