"""How many registrations a second: without any guarantee, as usually written, and as Steward.

All take the registrations of a round from one topic, on the same Kafka and Postgres, in turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import uuid_utils
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from faststream.kafka import KafkaBroker

from bench.contest import Backlog, backlog, group_at
from bench.ground import Ground
from bench.load import TOPIC, is_registration
from bench.registry import benchmark, ratio
from bench.steward import facts_per_second
from shared.contract.inbound import RegistrationSubmitted

BARE = "bare-loop"
USUAL = "usual-handler"
STEWARD = "steward-registration"

_TABLE = "create table if not exists {} (id uuid primary key, number text, body jsonb)"


@benchmark(BARE, unit="messages/s", repeated=True)
async def bare_loop(ground: Ground) -> float:
    """Take 1,000, validate, COPY, produce each. Whatever breaks, something is lost or doubled."""
    return await bare_rate(await backlog(ground), batch=1_000)


async def bare_rate(waiting: Backlog, *, batch: int) -> float:
    """The same with batches of this size."""
    stage = waiting.stage
    await stage.make_topic("bench.bare")
    connection = await asyncpg.connect(stage.database_url)
    await connection.execute(_TABLE.format("bench_bare"))
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=stage.bootstrap_servers,
        group_id=await group_at(waiting, f"bench.bare.{batch}"),
    )
    producer = AIOKafkaProducer(bootstrap_servers=stage.bootstrap_servers, acks="all")
    await consumer.start()
    await producer.start()
    try:
        done, began = 0, 0.0
        while done < waiting.registrations:
            batches = await consumer.getmany(timeout_ms=50, max_records=batch)
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


@benchmark(USUAL, unit="messages/s", repeated=True)
async def usual_handler(ground: Ground) -> float:
    """FastStream as it is mostly written: one message, one transaction, one publish."""
    waiting = await backlog(ground)
    stage, wanted = waiting.stage, min(ground.sizes.peers, waiting.registrations)
    await stage.make_topic("bench.usual")
    pool = await asyncpg.create_pool(stage.database_url, min_size=1, max_size=4)
    await pool.execute(_TABLE.format("bench_usual"))
    broker = KafkaBroker(stage.bootstrap_servers, logger=None)
    began, done = 0.0, 0
    enough = asyncio.Event()

    @broker.subscriber(TOPIC, group_id=await group_at(waiting, "bench.usual"))
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


@benchmark(STEWARD, unit="messages/s", repeated=True)
async def steward(ground: Ground) -> float:
    """Everything on: up to the last `ParticipantRegistered` that the broker acknowledged."""
    waiting = await backlog(ground)
    return await facts_per_second(waiting.stage, waiting.registrations)


# What the guarantees cost, and what working in batches brings.
ratio("steward-to-bare-loop", of=STEWARD, to=BARE, aim=0.6)
ratio("steward-to-usual-handler", of=STEWARD, to=USUAL, aim=25)
