"""The short form: a small day, those commands that touch personal data most, one erasure."""

from __future__ import annotations

import logging
import sys

import pytest

from tests.canary.places import INBOUND, LISTS
from tests.canary.run import run

REGISTRATIONS = 40

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(200),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]


async def test_marks_of_personal_data_are_where_they_may_be_and_nowhere_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # That topics come into being and brokers go at the end is no news.
    caplog.set_level(logging.CRITICAL, logger="aiokafka")
    result = await run(REGISTRATIONS, few=True)
    assert result.failures == []
    found = {place for place, row in result.after_the_day.items() if row.found}
    assert found == {INBOUND, LISTS}, "and they are there, or nothing was proven"
    assert result.values > 10
    assert result.keys > 100
