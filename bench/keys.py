"""What a person's keys cost: making and using them, and destroying them in a ring that is full."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from uuid import uuid4

import asyncpg

from bench.filling import KEYS, POSTGRES_SETTINGS, fill
from bench.ground import Ground
from bench.load import consents, people
from bench.registry import Measured, benchmark, ratio
from bench.stage import Stage
from services.registration.settings import Settings
from shared.assembly import Parts, open_parts
from shared.contract.types import SubjectId
from shared.privacy import keyring
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now

STAGE = "key ring"
SEALING = "sealing-cpu"
FULL = "destroy-person"
FEW = "destroy-person-few"

BATCH = 1_000
EVENTS = tuple(f"event:{uuid4()}" for _ in range(5))
ERASED = 200
"""People whose keys are destroyed, one after the other, in each round."""

FEW_IN_FULL = 100
"""The small ring has so many times fewer keys."""


@asynccontextmanager
async def service_with_keys(ground: Ground, service: str) -> AsyncIterator[tuple[Stage, Parts]]:
    """A service with an empty ring at first, shared by all that measures keys."""
    stage = await ground.stage(STAGE, POSTGRES_SETTINGS)
    async with open_parts(stage.settings(Settings), service=service) as parts:
        yield stage, parts


def registrations_to_seal(
    first: int, many: int, events: Sequence[str] = EVENTS
) -> Iterator[list[ToSeal]]:
    """What is sealed of each person: contact data for an event, of half name and e-mail too."""
    for serial, person in people(first, many):
        subject_id = SubjectId(uuid4())
        contact = {
            "name": person.name,
            "email": person.email,
            "phone": person.phone,
            "address": person.address,
            "organisation": person.organisation,
        }
        sealed = [ToSeal(subject_id, "contact", events[serial % len(events)], contact)]
        if consents(serial):
            marketing = {"name": person.name, "email": person.email}
            sealed.append(ToSeal(subject_id, "marketing", "", marketing))
        yield sealed


@benchmark(SEALING, unit="µs CPU/registration", aim=30, better="lower")
async def sealing_cpu(ground: Ground) -> Measured:
    """Processor time of our process alone for sealing a registration whose keys are all new.

    A transaction for each thousand; half of the registrations have two values, half have one.
    """
    runs = []
    batches = max(ground.sizes.crowd // BATCH, 2)
    async with service_with_keys(ground, "registration") as (stage, parts):
        for number in range(ground.sizes.rounds + 1):
            first = stage.next_serials(batches * BATCH)
            load = list(registrations_to_seal(first, batches * BATCH))
            spent = 0.0
            for start in range(0, len(load), BATCH):
                items = [item for one in load[start : start + BATCH] for item in one]
                spent += await _seal(parts, items)
            if number:  # the first one warms up
                runs.append(spent / len(load) * 1e6)
    return Measured(runs, {"batch": BATCH})


async def _seal(parts: Parts, items: list[ToSeal]) -> float:
    """Processor seconds."""
    async with parts.pool.acquire() as connection:
        began = time.process_time()
        async with connection.transaction():
            await parts.privacy.seal(connection, items, at=utc_now())
        return time.process_time() - began


@dataclass(frozen=True, slots=True)
class Destroyed:
    """Milliseconds for one person: the median of each round, and the slowest in a hundred."""

    medians: list[float]
    slowest: list[float]
    keys: int

    def measured(self) -> Measured:
        return Measured(
            self.medians, {"keys": self.keys, "p99_ms": [round(one, 2) for one in self.slowest]}
        )


@benchmark(FEW, unit="ms", better="lower")
async def destroy_person_few(ground: Ground) -> Measured:
    """As `destroy-person`, with a hundredth of the keys in the ring."""
    return (await _in_a_ring_of(ground, ground.sizes.rows // FEW_IN_FULL)).measured()


@benchmark(FULL, unit="ms", aim=10, better="lower", needs=(FEW,))
async def destroy_person(ground: Ground) -> Measured:
    """From asking until all keys of a person are destroyed for good: two commits, on the clock.

    Six keys in each person's name. The cut-off is announced first, as the command does it.
    """
    return (await _in_a_ring_of(ground, ground.sizes.rows)).measured()


ratio("destroy-person-full-to-few", of=FULL, to=FEW, aim=1.5, better="lower")


async def _in_a_ring_of(ground: Ground, keys: int) -> Destroyed:
    async with (
        service_with_keys(ground, "registration") as (stage, intake),
        service_with_keys(ground, "retention") as (_, office),
    ):
        await _people(intake, 1)
        keys = await _fill(ground, stage, keys)
        medians, slowest = [], []
        for _ in range(ground.sizes.rounds):
            took = [await _destroy(office, who) for who in await _people(intake, ERASED)]
            cuts = quantiles(took, n=100)
            medians.append(cuts[49])
            slowest.append(cuts[98])
    return Destroyed(medians, slowest, keys)


async def _fill(ground: Ground, stage: Stage, keys: int) -> int:
    """At least so many in all; how many they are."""
    connection = await asyncpg.connect(stage.database_url)
    try:
        there: int = await connection.fetchval("select count(*) from keyring.data_key")
    finally:
        await connection.close()
    await fill(stage.database_url, max(keys - there, 0), ground.tell, (KEYS,))
    return max(keys, there)


async def _people(intake: Parts, many: int) -> list[SubjectId]:
    """New people, each with three categories at two events."""
    subjects = [SubjectId(uuid4()) for _ in range(many)]
    items = [
        ToSeal(who, category, event, {"text": "x"})
        for who in subjects
        for category in ("contact", "diet", "stay")
        for event in EVENTS[:2]
    ]
    async with intake.pool.acquire() as connection:
        await intake.privacy.seal(connection, items, at=utc_now())
    return subjects


async def _destroy(office: Parts, who: SubjectId) -> float:
    """Milliseconds."""
    names = [(who, None, None)]
    async with office.pool.acquire() as connection:
        began = time.perf_counter()
        cut_off = utc_now()
        await keyring.announce_cut_off(connection, names, cut_off=cut_off)
        gone = await keyring.destroy_keys(connection, names, cut_off=cut_off)
        took = time.perf_counter() - began
    if sum(gone[who].values()) != 6:
        raise RuntimeError(f"{gone} keys were destroyed instead of 6")
    return took * 1e3
