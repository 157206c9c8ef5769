"""What a service says, and says again, as its readers get it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from shared.contract.codec import Encoded, decode
from shared.contract.message import Message
from shared.messaging.republishing import After, SayNext, say_again
from shared.messaging.subscription import Handler
from shared.messaging.unit_of_work import Transaction
from tests.support.facts import NOON
from tests.support.records import MadeRecord, header_bytes
from tests.support.work import Work

LATER = NOON + timedelta(days=40)
"""When facts are said again, and when Kafka has whatever was said."""


async def said_because(
    work: Work, handler: Handler, messages: Sequence[Message[Any]]
) -> list[Message[Any]]:
    """What the service says to its own topic when it handles these."""
    async with work.parts.work(now=NOON) as tx:
        await handler(tx, messages)
    return [_read(one) for one in tx.said if one.topic == work.service]


async def said_again(work: Work, say_next: SayNext[After]) -> list[Message[Any]]:
    """All that it says again; each is told to be a repetition, under an id of its own."""
    said: list[Encoded] = []

    @asynccontextmanager
    async def begin() -> AsyncIterator[Transaction]:
        async with work.parts.work(now=LATER) as tx:
            yield tx
            said.extend(tx.said)

    facts = await say_again(begin, say_next)
    messages = [_read(one) for one in said]
    assert facts == len(messages) == len({one.envelope.id for one in messages})
    assert all(one.envelope.snapshot for one in messages)
    return messages


def _read(encoded: Encoded) -> Message[Any]:
    record = MadeRecord(
        encoded.value,
        header_bytes(encoded),
        encoded.key,
        encoded.topic,
        timestamp=int(LATER.timestamp() * 1000),
    )
    message = decode(record)
    assert isinstance(message, Message), message
    return message
