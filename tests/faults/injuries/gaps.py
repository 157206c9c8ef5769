"""A log loses what a service has not read; commands mend it, as an operator would."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import orjson

from services.registration.commands.counter import NotDeliveredError
from services.registration.settings import Settings
from shared.contract.consent import TOPIC as CONSENT
from shared.contract.inbound import CONTACTS
from shared.contract.registration import TOPIC as REGISTRATION
from shared.contract.topics import TOPICS, topic
from shared.messaging.kafka import KafkaTransport
from shared.messaging.offsets import bounds_of, open_reader
from shared.messaging.places import Partition
from shared.runtime.cluster import Cluster
from shared.runtime.topics import create_topics
from tests.faults.load import Upstream
from tests.faults.operator import steward, until_nothing
from tests.faults.registry import injury
from tests.faults.replicas import Replica
from tests.faults.world import World

READERS = ("consent", "finance", "retention")
"""Processes that hear what the registration service says."""

URGENT = ("consent-urgent",)
"""The one that hears what people say outside of events."""

MANY = 200
Row = dict[str, object]
"""A line of `steward positions list --json`."""


@dataclass(frozen=True)
class Said:
    """A topic that a service says facts to, and the processes that hear it."""

    topic: str
    readers: tuple[str, ...]
    moves: Callable[[World], Sequence[Upstream]]
    """Messages because of which much is said to it."""


SAID: Final = (
    Said(REGISTRATION, READERS, lambda world: world.load.newcomers(MANY)),
    Said(CONSENT, ("registration", "retention"), lambda world: world.load.contacts(MANY)),
)


@injury("gap", long=3, short=1, quiet=True)
async def gap(world: World, times: int) -> None:
    """The log start is moved past a position; retention deletes what was not read.

    That partition stands still and its service says so, the others go on; `republish` and then
    `positions resume`, or upstream that sends again, mend it.
    """
    registrations, consents = (partial(_log_start_is_moved, said=one) for one in SAID)
    kinds = (registrations, _retention_deletes, consents)
    for number in range(times):
        await kinds[number % len(kinds)](world)
        await world.recovered()
        await world.settle()


async def _log_start_is_moved(world: World, said: Said) -> None:
    await _stop(world, said.readers)
    await world.send(said.moves(world))
    await _said(world, said.topic)
    await world.witness.remember(said.topic)
    # The partition where most is unread, and all but the last of that.
    unread = await _listed(world, said.readers[0], said.topic)
    most = max(unread, key=lambda row: int(str(row["lag"])))
    place: Partition = (said.topic, int(str(most["partition"])))
    before = int(str(most["end"])) - 1
    await KafkaTransport(Settings.load(world.ground.environ)).delete_before({place: before})
    world.note(f"{place} begins at {before}, and was read up to {most['position']}")
    for service in said.readers:
        world.add_replica(service)
    await _stand_still(world, said.readers, {place})
    await world.send(world.load.newcomers(MANY))
    await _others_go_on(world, said.readers, said.topic)
    if "registration" in said.readers:
        await _nothing_leaves(world)
    again = await steward(world, said.topic, "republish")
    world.note(again.out.strip())
    for service in said.readers:
        await _resume(world, service, {place})


async def _nothing_leaves(world: World) -> None:
    """Nobody gets a list from who may have missed a no."""
    try:
        await world.hand_over()
    except NotDeliveredError:
        return
    raise AssertionError("a list was handed over though its service stands still")


async def _retention_deletes(world: World) -> None:
    await _stop(world, URGENT)
    contacts = world.load.contacts(MANY)
    await world.send(contacts)
    places = await _outlive(world, CONTACTS)
    for name in URGENT:
        world.add_replica(name)
    await _stand_still(world, URGENT, places)
    await world.send(world.load.newcomers(MANY))
    await _others_go_on(world, URGENT, REGISTRATION)
    lost = [row["lost"] for row in await _listed(world, "consent", CONTACTS)]
    world.deleted[CONTACTS] += sum(int(str(one)) for one in lost)
    assert world.deleted[CONTACTS] == MANY, f"{lost} are lost of {MANY}"
    await _resume(world, "consent", places)
    world.note("upstream sends again")
    await world.send(contacts)


async def _stop(world: World, names: Sequence[str]) -> None:
    await world.settle()
    for name in names:
        (replica,) = world.replicas[name]
        await world.remove_replica(replica)


async def _said(world: World, service: str) -> None:
    """Wait until the service has taken all and said all."""

    async def settled() -> str:
        progress = await world.progress(service)
        return "" if progress.settled else str(progress)

    await until_nothing(settled)


async def _outlive(world: World, name: str) -> set[Partition]:
    """Have the broker delete all that the topic has; the partitions that had anything new."""
    places = [(name, number) for number in range(topic(name).partitions)]
    short = replace(topic(name), settings={**topic(name).settings, "retention.ms": "1000"})
    unread = {(name, int(str(row["partition"]))) for row in await _behind(world, "consent", name)}
    servers = world.ground.bootstrap_servers
    await create_topics(Cluster(servers), [short])
    world.note(f"what is older than a second is deleted from {name}")
    async with open_reader(Cluster(servers)) as reader:

        async def left() -> str:
            bounds = await bounds_of(reader, places)
            return ", ".join(str(one) for one, has in bounds.items() if has.start < has.end)

        await until_nothing(left)
    await create_topics(Cluster(servers), TOPICS)
    return unread


async def _stand_still(world: World, names: Sequence[str], places: Collection[Partition]) -> None:
    """Each process says of these partitions that they stand still, and of no others."""
    standing = {f"{topic}[{number}]" for topic, number in places}
    for name in names:
        (replica,) = world.replicas[name]

        async def untold(replica: Replica = replica) -> str:
            missing = str(await replica.missing())
            left = [place for place in standing if f"{place}: stands still" not in missing]
            return f"{replica.name} says {missing}, not {left}" if left else ""

        await until_nothing(untold)
        rows = await _listed(world, replica.spec.service)
        gaps = {(row["topic"], row["partition"]) for row in rows if row["gap"]}
        assert gaps == set(places), f"{name} stands still at {gaps}, not at {places}"
    world.note(f"of {', '.join(names)} stand still: {', '.join(sorted(standing))}")


async def _others_go_on(world: World, names: Sequence[str], speaker: str) -> None:
    """What comes meanwhile is taken, but in the partitions that stand still."""
    await _said(world, speaker)
    for name in names:
        service = world.replicas[name][0].spec.service

        async def behind(service: str = service) -> str:
            rows = [row for row in await _behind(world, service) if not row["gap"]]
            return f"not taken: {rows}" if rows else ""

        await until_nothing(behind)


async def _resume(world: World, service: str, places: Collection[Partition]) -> None:
    for name, number in sorted(places):
        asked = ("--service", service, "--topic", name, "--partition", str(number), "--yes")
        answered = await steward(world, "positions", "resume", *asked)
        world.note(answered.out.strip())


async def _behind(world: World, service: str, name: str | None = None) -> list[Row]:
    return [row for row in await _listed(world, service, name) if row["lag"] or row["gap"]]


async def _listed(world: World, service: str, name: str | None = None) -> list[Row]:
    asked = ("--topic", name) if name else ()
    answered = await steward(
        world, "positions", "list", "--json", "--service", service, *asked, codes=(0, 1)
    )
    return [orjson.loads(line) for line in answered.out.splitlines()]
