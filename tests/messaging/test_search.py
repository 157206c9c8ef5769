"""The search for messages at fault, against a handler that fails as it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.message import Envelope, Message
from shared.messaging.kept_records import KeptRecord
from shared.messaging.planning import Group, Taken
from shared.messaging.processing import MOST_SAVEPOINTS, Search, TooManySavepointsError
from shared.messaging.round import Round
from shared.messaging.subscription import Handler, Permanent
from shared.messaging.unit_of_work import Speaker, Transaction
from tests.support.messaging import Types

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TYPES = Types.on("inbound", "facts")


class Tables:
    """A connection with one table and savepoints."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.savepoints = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self.savepoints += 1
        before = len(self.rows)
        try:
            yield
        except Exception:
            del self.rows[before:]
            raise


async def searched(count: int, failing: set[int], marked: set[int]) -> tuple[Tables, Round]:
    """What a search through one group leaves, with a handler that says a fact for each message."""
    tables = Tables()
    speaker = Speaker("tests", lambda: UUID(int=1), {"facts"})
    round_ = Round(Transaction(tables, now=NOW, speaker=speaker))  # type: ignore[arg-type]

    async def handle(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        for message in messages:
            number = message.data.number
            if number in marked:
                tx.dead_letter(message, "marked", "told to")
                continue
            tables.rows.append(number)
            tx.say(TYPES.written(number=number, key=""), key=None)
            if number in failing:
                raise Permanent("failed", "told to")

    await Search(round_).through(Group(handle, [_taken(n, handle) for n in range(count)]))
    return tables, round_


def _taken(number: int, handler: Handler) -> Taken:
    record = KeptRecord("inbound", 0, number, 0, str(number).encode(), b"", ())
    data = TYPES.told.model_validate({"number": number})
    message = Message(record, Envelope(str(number), "s", "Told", 1), data)
    return Taken(
        record, message.envelope, message, "Told", None, handler, True, NOW.date(), b"", b""
    )


@given(st.data())
async def test_the_search_finds_exactly_what_is_at_fault(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 64))
    numbers = st.sets(st.integers(0, count - 1), max_size=3)
    failing, marked = data.draw(numbers), data.draw(numbers)
    tables, round_ = await searched(count, failing, marked)
    at_fault = failing | marked
    good = [number for number in range(count) if number not in at_fault]
    assert tables.rows == good
    assert [one.taken.record.offset for one in round_.buried] == sorted(at_fault)
    assert round_.parked == {("inbound", str(number).encode()) for number in at_fault}
    assert len(round_.transaction.said) == len(good), "what was rolled back is not said"


async def test_without_a_fault_one_savepoint_is_enough() -> None:
    tables, round_ = await searched(1000, set(), {3, 500})
    assert tables.savepoints == 1
    assert len(round_.buried) == 2


async def test_a_search_gives_up_before_a_transaction_has_too_many_savepoints() -> None:
    with pytest.raises(TooManySavepointsError):
        await searched(1000, set(range(0, 1000, 10)), set())
    tables, _ = await searched(32, set(range(32)), set())
    assert tables.savepoints == 63 <= MOST_SAVEPOINTS
