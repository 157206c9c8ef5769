"""The network between services and servers is cut, half open, slow, or breaks in mid-sentence."""

from __future__ import annotations

import asyncio

from tests.faults.registry import injury
from tests.faults.world import World
from tests.support.proxy import Proxy

BETWEEN_S = 1.0
CUT_S = (0.5, 3.0)
SLOW_S = 0.5
SLOW_FOR_S = 3.0
PRODUCED_BYTES = 1_500
"""A request of so many bytes to Kafka is one that produces: others are small."""

PRODUCES_WITHIN_S = 20.0


@injury("network", long=50, short=4, proxied=True)
async def network(world: World, times: int) -> None:
    """Cut, half open, 500 ms more each way, reset in the middle of a produce; Kafka or Postgres."""
    kinds = (_cut, _half_open, _slow, _reset_in_produce)
    for number in range(times):
        await asyncio.sleep(BETWEEN_S)
        kind = kinds[number % len(kinds)]
        name = world.random.choice(("kafka", "postgres"))
        await kind(world, name)
        took = await world.recovered()
        world.note(f"all went on after {took:.1f} s")


async def _cut(world: World, name: str) -> None:
    proxy = world.ground.proxies[name]
    seconds = world.random.uniform(*CUT_S)
    world.note(f"{name} is cut off for {seconds:.1f} s")
    proxy.cut = True
    proxy.reset_all()
    await asyncio.sleep(seconds)
    proxy.cut = False


async def _half_open(world: World, name: str) -> None:
    """Connections that were there are dead and nobody says so; new ones work."""
    world.note(f"connections to {name} are half open")
    world.ground.proxies[name].swallow_all()
    await asyncio.sleep(world.options.session_ms / 1000 * 1.5)


async def _slow(world: World, name: str) -> None:
    proxy = world.ground.proxies[name]
    world.note(f"{name} answers {SLOW_S * 2:.1f} s later")
    proxy.delay_s = SLOW_S
    await asyncio.sleep(SLOW_FOR_S)
    proxy.delay_s = 0.0


async def _reset_in_produce(world: World, _: str) -> None:
    proxy: Proxy = world.ground.proxies["kafka"]
    broken = asyncio.Event()
    proxy.on_reset = broken.set
    proxy.reset_at_bytes = PRODUCED_BYTES
    async with asyncio.timeout(PRODUCES_WITHIN_S):
        await broken.wait()
    world.note("kafka was reset in the middle of a produce")
