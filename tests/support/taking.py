"""What a service's consumer does with what it has read, without Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.contract.codec import decode
from shared.messaging import store
from shared.messaging.planning import Batch, Digests, sort_out
from shared.messaging.processing import Processor, Tools
from shared.messaging.service import Service
from shared.messaging.unit_of_work import Speaker, topics_said_by
from shared.runtime.ids import new_id
from tests.support.records import MadeRecord


def processor_of(service: Service, *, now: datetime) -> Processor:
    """One for which it is always this time."""
    speaker = Speaker(service.name, new_id, topics_said_by(service.name))
    return Processor(service, speaker, Tools(now=lambda: now))


async def take(
    service: Service, processor: Processor, records: Sequence[MadeRecord], *, offset: int
) -> None:
    """One batch of one topic's first partition, from this offset on, in this order."""
    placed = [replace(record, offset=offset + index) for index, record in enumerate(records)]
    known = {one.topic: one for one in service.subscriptions}
    taken = sort_out([decode(record) for record in placed], known, Digests(b"x" * 32))
    begins = {(placed[0].topic, 0): offset}
    async with service.pool.acquire() as connection:
        await store.begin_positions(connection, begins)
    plan = None if service.plan is None else service.plan.number
    await processor.process(Batch(taken, begins, plan), lambda batch: None)
