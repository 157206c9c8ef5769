"""How long a withdrawal takes to count, while registrations come at a part of full speed.

Timed from before the withdrawal is handed to Kafka's client until this process hears that consent
has committed that the purpose is withdrawn: whoever asks from then on is refused. It is heard from
a trigger of the benchmark's own, for withdrawn rows alone, whose notification Postgres sends at the
commit: nothing is polled, and the services do nothing for it. Registrations come from another
process, so that this one is idle when it is to take the time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaProducer

from bench.figures import percentile
from bench.ground import Ground
from bench.load import Record, announcements, consents, moments, people, registrations, withdrawal
from bench.registry import Measured, benchmark
from bench.stage import Stage
from bench.steward import ROOT
from bench.system import RATE, STAGE, all_services, settled
from services.cli.reckoning import open_books
from shared.runtime.clock import utc_now

HALF = 0.5
A_SECOND = 50
"""Withdrawals; beside hundreds of registrations they are no load of their own."""

SETTLE_S = 3.0
"""The load runs so long before the first withdrawal."""

AFTER_S = 30.0

CHANNEL = "bench_withdrawn"

_TRIGGER = """
create or replace function public.bench_withdrawn() returns trigger
language plpgsql security definer as $$
begin
    perform pg_notify('bench_withdrawn', (extract(epoch from new.at) * 1000000)::bigint::text);
    return null;
end
$$;
grant usage on schema public to public;
grant execute on function public.bench_withdrawn to public;
create or replace trigger bench_withdrawn after insert or update on consent.consent_state
for each row when (new.state = 'withdrawn') execute function public.bench_withdrawn();
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of each withdrawal, and the load that it was measured under."""

    milliseconds: Sequence[float]
    registrations_a_second: float


async def latency(stage: Stage, rate: float, for_s: float) -> Latency:
    """Time withdrawals while registrations come at this rate, on all services."""
    many = int(A_SECOND * for_s)
    async with all_services(stage):
        leavers = await _leavers(stage, many)
        async with _ears(stage) as heard, _load(stage, rate, for_s + SETTLE_S + 2):
            await asyncio.sleep(SETTLE_S)
            sent = await _withdraw(stage, leavers)
            async with asyncio.timeout(AFTER_S):
                while len(heard) < len(sent):  # noqa: ASYNC110 - each has its own time
                    await asyncio.sleep(0.1)
        async with open_books(stage.database_url, stage.cluster) as books:
            await settled(books)
    return Latency([(heard[name] - at) * 1e3 for name, at in sent.items()], rate)


async def _leavers(stage: Stage, many: int) -> Mapping[int, Record]:
    """People who consent, registered; the withdrawal of each, by the moment that it names.

    The moment lies between the consent and the time of sending, so that it is kept as it is and
    can be known again.
    """
    await stage.once("events", lambda: stage.produce(announcements(utc_now())))
    first = stage.next_serials(2 * many)
    await stage.produce(registrations(first, 2 * many, utc_now()))
    async with open_books(stage.database_url, stage.cluster) as books:
        await settled(books)
    leaving = [one for one in people(first, 2 * many) if consents(one[0])]
    return {
        round(at.timestamp() * 1e6): withdrawal(serial, person, at)
        for (serial, person), at in zip(leaving, moments(utc_now(), many), strict=False)
    }


@asynccontextmanager
async def _ears(stage: Stage) -> AsyncIterator[Mapping[int, float]]:
    """When each withdrawal was heard to be committed (`time.perf_counter`)."""
    heard: dict[int, float] = {}

    def hear(_connection: object, _process: int, _channel: str, payload: object) -> None:
        heard.setdefault(int(str(payload)), time.perf_counter())

    connection = await asyncpg.connect(stage.database_url)
    try:
        await connection.execute(_TRIGGER)
        await connection.add_listener(CHANNEL, hear)
        yield heard
    finally:
        await connection.close()


@asynccontextmanager
async def _load(stage: Stage, rate: float, for_s: float) -> AsyncIterator[None]:
    first = stage.next_serials(int(rate * for_s))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.pace", stage.bootstrap_servers),
        *("--rate", str(rate), "--seconds", str(for_s), "--first", str(first)),
        cwd=ROOT,
    )
    try:
        yield
        if await process.wait():
            raise RuntimeError("the load ended early: see what it printed")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _withdraw(stage: Stage, leavers: Mapping[int, Record]) -> dict[int, float]:
    """Publish withdrawals evenly; when each was handed over (`time.perf_counter`)."""
    producer = AIOKafkaProducer(bootstrap_servers=stage.bootstrap_servers)
    await producer.start()
    sent: dict[int, float] = {}
    began = time.perf_counter()
    try:
        for number, (name, (topic, key, value, headers)) in enumerate(leavers.items()):
            await asyncio.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
            sent[name] = time.perf_counter()
            await producer.send(topic, value=value, key=key, headers=headers)
    finally:
        await producer.stop()
    return sent


async def _at_half(ground: Ground) -> Sequence[Latency]:
    """As often as there are rounds, each time with services that have just been started."""
    stage = await ground.stage(STAGE)
    rate = ground.results.value(RATE) * HALF

    async def each_round() -> Sequence[Latency]:
        rounds = range(ground.sizes.rounds)
        return [await latency(stage, rate, ground.sizes.latency_s) for _ in rounds]

    return await stage.once("latency", each_round)


@benchmark("withdrawal-p50", unit="ms", aim=15, better="lower", needs=(RATE,))
async def withdrawal_p50(ground: Ground) -> Measured:
    """Half of the withdrawals count after so long, at half of full load."""
    return _share(await _at_half(ground), 0.5)


@benchmark("withdrawal-p99", unit="ms", aim=50, better="lower", needs=(RATE,))
async def withdrawal_p99(ground: Ground) -> Measured:
    """All but one in a hundred do."""
    return _share(await _at_half(ground), 0.99)


def _share(measured: Sequence[Latency], share: float) -> Measured:
    details = {
        "withdrawals": sum(len(one.milliseconds) for one in measured),
        "registrations_a_second": round(measured[0].registrations_a_second),
    }
    return Measured([percentile(one.milliseconds, share) for one in measured], details)
