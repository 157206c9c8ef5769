"""What contenders of a round have in common: the same registrations, and a place to begin at."""

from __future__ import annotations

from dataclasses import dataclass

from bench.ground import Ground
from bench.load import EVENTS, TOPIC, announcements, registrations
from bench.stage import Offsets, Stage
from bench.steward import registration_service
from shared.runtime.clock import utc_now

STAGE = "throughput"


@dataclass(frozen=True, slots=True)
class Backlog:
    """So many registrations wait in the topic, from these offsets on."""

    stage: Stage
    begins: Offsets
    registrations: int


async def backlog(ground: Ground) -> Backlog:
    """The registrations of this round, published by the first who asks; the events are open."""
    stage = await ground.stage(STAGE)
    await stage.once("events", lambda: open_events(stage))
    many = ground.sizes.registrations

    async def publish() -> Backlog:
        begins = await stage.ends(TOPIC)
        await stage.produce(registrations(stage.next_serials(many), many, utc_now()))
        return Backlog(stage, begins, many)

    return await stage.once(f"backlog {ground.round}", publish)


async def open_events(stage: Stage) -> None:
    """Announce the events and let the registration service open them."""
    await stage.produce(announcements(utc_now()))
    async with stage.watched("registration") as facts, registration_service(stage):
        await facts.until(len(EVENTS))


async def group_at(waiting: Backlog, name: str) -> str:
    """A consumer group that begins where this round's registrations do."""
    group = f"{name}.{min(waiting.begins.values())}.{sum(waiting.begins.values())}"
    await waiting.stage.begin_group(group, waiting.begins)
    return group
