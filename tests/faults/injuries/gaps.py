"""A log loses what a service has not read; commands mend it, as an operator would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

import orjson

from services.cli.root import app
from services.registration.settings import Settings
from shared.contract.inbound import CONTACTS
from shared.contract.registration import TOPIC as REGISTRATION
from shared.contract.topics import TOPICS, topic
from shared.messaging.kafka import KafkaTransport
from shared.messaging.offsets import bounds_of, open_reader
from shared.messaging.places import Partition
from shared.runtime.topics import create_topics
from tests.faults.registry import injury
from tests.faults.replicas import Replica
from tests.faults.world import World
from tests.support.commands import Answered, command

READERS = ("consent", "finance", "retention")
"""Services that hear what the registration service says."""

MANY = 200
WITHIN_S = 60.0
"""The broker looks for what is too old half a minute after its start for the first time."""

LOOK_EVERY_S = 0.2

Row = dict[str, object]
"""A line of `steward positions list --json`."""


@injury("gap", long=2, short=1, quiet=True)
async def gap(world: World, times: int) -> None:
    """The log start is moved past a position; retention deletes what was not read.

    That partition stands still and its service says so, the others go on; `positions resume` and
    `registration republish`, or upstream that sends again, mend it.
    """
    kinds = (_log_start_is_moved, _retention_deletes)
    for number in range(times):
        await kinds[number % len(kinds)](world)
        await world.recovered()
        await world.settle()


async def _log_start_is_moved(world: World) -> None:
    await _stop(world, READERS)
    await world.send(world.load.newcomers(MANY))
    await _said(world)
    await world.witness.remember(REGISTRATION)
    # The partition where most is unread, and half of that.
    most = max(await _listed(world, "finance"), key=lambda row: int(str(row["lag"])))
    place: Partition = (REGISTRATION, int(str(most["partition"])))
    before = int(str(most["position"])) + int(str(most["lag"])) // 2 + 1
    await KafkaTransport(_settings(world)).delete_before({place: before})
    world.note(f"{place} begins at {before}, and was read up to {most['position']}")
    for service in READERS:
        world.add_replica(service)
    await _stand_still(world, READERS, {place})
    await world.send(world.load.newcomers(MANY))
    await _others_go_on(world, READERS)
    for service in READERS:
        await _resume(world, service, {place})
    said = await _steward(world, "registration", "republish")
    world.note(said.out.strip())


async def _retention_deletes(world: World) -> None:
    await _stop(world, ("consent",))
    contacts = world.load.contacts(MANY)
    await world.send(contacts)
    places = await _outlive(world, CONTACTS)
    world.add_replica("consent")
    await _stand_still(world, ("consent",), places)
    await world.send(world.load.newcomers(MANY))
    await _others_go_on(world, ("consent",))
    lost = [row["lost"] for row in await _listed(world, "consent", CONTACTS)]
    world.deleted[CONTACTS] += sum(int(str(one)) for one in lost)
    assert world.deleted[CONTACTS] == MANY, f"{lost} are lost of {MANY}"
    await _resume(world, "consent", places)
    world.note("upstream sends again")
    await world.send(contacts)


async def _stop(world: World, services: Sequence[str]) -> None:
    await world.settle()
    for service in services:
        (replica,) = world.replicas[service]
        await world.remove_replica(replica)


async def _said(world: World) -> None:
    """Wait until the registration service has taken all and said all."""

    async def settled() -> str:
        progress = await world.progress("registration")
        return "" if progress.settled else str(progress)

    await _until(settled)


async def _outlive(world: World, name: str) -> set[Partition]:
    """Have the broker delete all that the topic has; the partitions that had anything new."""
    places = [(name, number) for number in range(topic(name).partitions)]
    short = replace(topic(name), settings={**topic(name).settings, "retention.ms": "1000"})
    unread = {(name, int(str(row["partition"]))) for row in await _behind(world, "consent", name)}
    servers = world.ground.bootstrap_servers
    await create_topics(servers, [short])
    world.note(f"what is older than a second is deleted from {name}")
    async with open_reader(servers) as reader:

        async def left() -> str:
            bounds = await bounds_of(reader, places)
            return ", ".join(str(one) for one, has in bounds.items() if has.start < has.end)

        await _until(left)
    await create_topics(servers, TOPICS)
    return unread


async def _stand_still(
    world: World, services: Sequence[str], places: Collection[Partition]
) -> None:
    """Each service says of these partitions that they stand still, and of no others."""
    names = {f"{name}[{number}]" for name, number in places}
    for service in services:
        (replica,) = world.replicas[service]

        async def untold(replica: Replica = replica) -> str:
            missing = str(await replica.missing())
            left = [name for name in names if f"{name}: stands still" not in missing]
            return f"{replica.service} says {missing}, not {left}" if left else ""

        await _until(untold)
        rows = await _listed(world, service)
        gaps = {(row["topic"], row["partition"]) for row in rows if row["gap"]}
        assert gaps == set(places), f"{service} stands still at {gaps}, not at {places}"
    world.note(f"of {', '.join(services)} stand still: {', '.join(sorted(names))}")


async def _others_go_on(world: World, services: Sequence[str]) -> None:
    """What comes meanwhile is taken, but in the partitions that stand still."""
    await _said(world)
    for service in services:

        async def behind(service: str = service) -> str:
            rows = [row for row in await _behind(world, service) if not row["gap"]]
            return f"not taken: {rows}" if rows else ""

        await _until(behind)


async def _until(left: Callable[[], Awaitable[str]]) -> None:
    """Wait until nothing is left. Raises AssertionError with what is."""
    text = "nobody looked"
    try:
        async with asyncio.timeout(WITHIN_S):
            while text := await left():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"after {WITHIN_S:.0f} s: {text}") from None


async def _resume(world: World, service: str, places: Collection[Partition]) -> None:
    for name, number in sorted(places):
        asked = ("--service", service, "--topic", name, "--partition", str(number), "--yes")
        answered = await _steward(world, "positions", "resume", *asked)
        world.note(answered.out.strip())


async def _behind(world: World, service: str, name: str | None = None) -> list[Row]:
    return [row for row in await _listed(world, service, name) if row["lag"] or row["gap"]]


async def _listed(world: World, service: str, name: str | None = None) -> list[Row]:
    asked = ("--topic", name) if name else ()
    answered = await _steward(
        world, "positions", "list", "--json", "--service", service, *asked, codes=(0, 1)
    )
    return [orjson.loads(line) for line in answered.out.splitlines()]


async def _steward(world: World, *arguments: str, codes: Collection[int] = (0,)) -> Answered:
    answered = await command(app, _settings(world), *arguments)
    assert answered.code in codes, f"steward {' '.join(arguments)}: {answered}"
    return answered


def _settings(world: World) -> Settings:
    return Settings.load(world.ground.environ)
