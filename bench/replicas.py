"""Two replicas of a service against one, each a process: what a second one brings here."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from aiokafka.admin import AIOKafkaAdminClient

from bench.contest import open_events
from bench.ground import Ground
from bench.load import registrations
from bench.registry import Measured, benchmark
from bench.stage import PARTITIONS, Stage
from bench.steward import service_process
from shared.runtime.clock import utc_now

STAGE = "replicas"
GROUP = "steward.registration"
SESSION_MS = 60_000
"""Replicas are stopped while the registrations are published: their partitions stay theirs."""

JOINED_WITHIN_S = 60.0


@benchmark("two-replicas-to-one", unit="ratio")
async def two_replicas(ground: Ground) -> Measured:
    """The rate of two processes of the registration service, with half of the partitions each."""
    stage = await ground.stage(STAGE)
    await stage.once("events", lambda: open_events(stage))
    runs, rates = [], []
    for number in range(ground.sizes.rounds):
        ground.tell(f"one and two replicas ({number + 1} of {ground.sizes.rounds})")
        one = await _rate(stage, 1, ground.sizes.crowd)
        two = await _rate(stage, 2, ground.sizes.crowd)
        runs.append(two / one)
        rates.append({"one": round(one), "two": round(two)})
    return Measured(runs, {"partitions": PARTITIONS, "messages_a_second": rates})


async def _rate(stage: Stage, replicas: int, many: int) -> float:
    """Facts a second, from the moment at which all replicas begin to the last fact."""
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                service_process(stage, "registration", STEWARD_SESSION_TIMEOUT_MS=str(SESSION_MS))
            )
            for _ in range(replicas)
        ]
        await _joined(stage, replicas)
        facts = await stack.enter_async_context(stage.watched("registration"))
        before = await facts.total()
        for process in processes:
            process.suspend()
        try:
            await stage.produce(registrations(stage.next_serials(many), many, utc_now()))
        finally:
            for process in processes:
                process.resume()
        began = time.perf_counter()
        return many / (await facts.until(before + many) - began)


async def _joined(stage: Stage, replicas: int) -> None:
    """Wait until so many have partitions and nobody else has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap_servers)
    await admin.start()
    try:
        async with asyncio.timeout(JOINED_WITHIN_S):
            while await _members(admin) != ("Stable", replicas):  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def _members(admin: AIOKafkaAdminClient) -> tuple[str, int]:
    (answer,) = await admin.describe_consumer_groups([GROUP])
    _, _, state, _, _, members, *_ = answer.groups[0]
    return state, len(members)
