"""How many registrations a second: without any guarantee, as usually written, and as Steward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import uuid_utils
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from faststream.kafka import KafkaBroker

from bench.ground import Ground
from bench.load import EVENTS, TOPIC, is_registration, registrations
from bench.registry import benchmark
from bench.steward import registration_service
from shared.contract.inbound import RegistrationSubmitted

BARE = "bare-loop"
USUAL = "usual-handler"
STEWARD = "steward-registration"

ENOUGH = 5_000
"""Messages are enough to see what the usual handler does."""

_TABLE = "create table if not exists {} (id uuid primary key, number text, body jsonb)"


async def _filled(ground: Ground) -> None:
    """Events are open and all registrations are in the topic."""

    async def fill() -> int:
        await ground.announce()
        async with ground.watched("registration") as facts, registration_service(ground):
            await facts.until(len(EVENTS))
        return await ground.produce(registrations(0, ground.registrations))

    await ground.once("filled", fill)


@benchmark(BARE, unit="messages/s")
async def bare_loop(ground: Ground) -> float:
    """Take 1,000, validate, COPY, produce each. Whatever breaks, something is lost or doubled."""
    await _filled(ground)
    await ground.make_topic("bench.bare")
    connection = await asyncpg.connect(ground.database_url)
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=ground.bootstrap_servers,
        group_id="bench.bare",
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=ground.bootstrap_servers, acks="all")
    await connection.execute(_TABLE.format("bench_bare"))
    await consumer.start()
    await producer.start()
    try:
        done, began = 0, 0.0
        while done < ground.registrations:
            batches = await consumer.getmany(timeout_ms=50, max_records=1_000)
            began = began or (time.perf_counter() if batches else 0.0)
            for records in batches.values():
                wanted = [record for record in records if is_registration(record.headers)]
                await _take_bare(wanted, connection, producer)
                done += len(wanted)
        return done / (time.perf_counter() - began)
    finally:
        await consumer.stop()
        await producer.stop()
        await connection.close()


async def _take_bare(
    records: Sequence[ConsumerRecord],
    connection: asyncpg.Connection[asyncpg.Record],
    producer: AIOKafkaProducer,
) -> None:
    valid = [RegistrationSubmitted.model_validate_json(record.value) for record in records]
    ids = [uuid_utils.uuid7() for _ in valid]
    await connection.copy_records_to_table(
        "bench_bare",
        records=[
            (str(id_), one.registration_number, record.value.decode())
            for id_, one, record in zip(ids, valid, records, strict=True)
        ],
    )
    sent = [
        await producer.send("bench.bare", value=record.value, key=id_.bytes)
        for id_, record in zip(ids, records, strict=True)
    ]
    await asyncio.gather(*sent)


@benchmark(USUAL, unit="messages/s")
async def usual_handler(ground: Ground) -> float:
    """FastStream as it is mostly written: one message, one transaction, one publish."""
    await _filled(ground)
    await ground.make_topic("bench.usual")
    pool = await asyncpg.create_pool(ground.database_url, min_size=1, max_size=4)
    await pool.execute(_TABLE.format("bench_usual"))
    broker = KafkaBroker(ground.bootstrap_servers, logger=None)
    wanted = min(ENOUGH, ground.registrations)
    began, done = 0.0, 0
    enough = asyncio.Event()

    @broker.subscriber(TOPIC, group_id="bench.usual", auto_offset_reset="earliest")
    async def register(body: dict[str, object]) -> None:
        nonlocal began, done
        if "registration_number" not in body or enough.is_set():
            return
        began = began or time.perf_counter()
        registration = RegistrationSubmitted.model_validate(body)
        id_ = uuid_utils.uuid7()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into bench_usual values ($1, $2, $3)",
                str(id_),
                registration.registration_number,
                registration.model_dump_json(),
            )
            await broker.publish(registration, "bench.usual", key=id_.bytes)
        done += 1
        if done == wanted:
            enough.set()

    async with broker:
        await broker.start()
        await enough.wait()
        took_s = time.perf_counter() - began
    await pool.close()
    return wanted / took_s


@benchmark(STEWARD, unit="messages/s")
async def steward(ground: Ground) -> float:
    """Everything on: up to the last `ParticipantRegistered` that the broker acknowledged."""
    await _filled(ground)
    async with ground.watched("registration") as facts:
        before = await facts.total()
        async with registration_service(ground) as service:
            ended = await facts.until(before + ground.registrations)
        return ground.registrations / (ended - service.began_at)


@benchmark("steward-to-bare-loop", unit="ratio", aim=0.4)
async def to_bare_loop(ground: Ground) -> float:
    """What the guarantees cost."""
    value = ground.results.value
    return await value(STEWARD) / await value(BARE)


@benchmark("steward-to-usual-handler", unit="ratio", aim=15)
async def to_usual_handler(ground: Ground) -> float:
    """What working in batches brings."""
    value = ground.results.value
    return await value(STEWARD) / await value(USUAL)
