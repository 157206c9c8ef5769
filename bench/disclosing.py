"""What it costs to disclose the contact data of many people at once, each with an audit entry."""

from __future__ import annotations

import time
from typing import Final
from uuid import uuid4

from bench.ground import Ground
from bench.keys import registrations_to_seal, service_with_keys
from bench.registry import Measured, benchmark
from shared.assembly import Parts
from shared.contract.types import EventId
from shared.privacy.disclosure import DisclosureRequest, PersonToDisclose
from shared.runtime.clock import utc_now
from shared.runtime.log_ends import LogEnds

PEOPLE: Final = 10_000
EVENT: Final = EventId(uuid4())
HEARD: Final[LogEnds] = {"inbound.registrations": {}, "retention": {}}


@benchmark("disclose-10000", unit="s", aim=1.0, better="lower")
async def disclose(ground: Ground) -> Measured:
    """From the beginning of a transaction until name and telephone of 10,000 people at one event
    are opened, and their entries and the sealed handover are committed.
    """
    runs = []
    async with service_with_keys(ground, "registration") as (stage, parts):
        for number in range(ground.sizes.rounds + 1):
            people = await _sealed(parts, stage.next_serials(PEOPLE))
            took = await _disclose(parts, people)
            if number:  # the first one warms up
                runs.append(took)
    return Measured(runs, {"people": PEOPLE})


async def _sealed(parts: Parts, first: int) -> list[PersonToDisclose]:
    items = [items[0] for items in registrations_to_seal(first, PEOPLE, (f"event:{EVENT}",))]
    async with parts.pool.acquire() as connection, connection.transaction():
        sealed = await parts.privacy.seal(connection, items, at=utc_now())
    return [
        PersonToDisclose(item.subject_id, {item.category: value}, collected_at=utc_now())
        for item, value in zip(items, sealed, strict=True)
        if value is not None
    ]


async def _disclose(parts: Parts, people: list[PersonToDisclose]) -> float:
    """Seconds."""
    request = DisclosureRequest(
        recipient="hotel",
        purpose="accommodation",
        fields=("contact.name", "contact.phone"),
        people=people,
        actor="cli:operator",
        event_id=EVENT,
        event_recipients=frozenset({"hotel"}),
        log_ends=HEARD,
    )
    began = time.perf_counter()
    async with parts.work(now=utc_now()) as tx:
        disclosure = await parts.privacy.disclose(tx, request)
    took = time.perf_counter() - began
    if len(disclosure.released) != PEOPLE:
        raise RuntimeError(f"{len(disclosure.released)} people were disclosed, not {PEOPLE}")
    return took
