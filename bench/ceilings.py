"""What each step could do if it were alone: no service that takes this step goes faster."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from itertools import islice

import asyncpg
import uuid_utils
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.contest import backlog, group_at
from bench.ground import Ground
from bench.load import TOPIC, registrations
from bench.registry import benchmark
from shared.contract.inbound import RegistrationSubmitted
from shared.runtime.clock import utc_now

BATCH = 1_000
SEALED_BYTES = 150
"""About as long as what is sealed of a person."""


@benchmark("ceiling-take", unit="messages/s")
async def take(ground: Ground) -> float:
    """The consumer's `getmany`, and nothing done with what it gives."""
    waiting = await backlog(ground)
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=waiting.stage.bootstrap_servers,
        group_id=await group_at(waiting, "bench.ceiling"),
    )
    await consumer.start()
    try:
        done, began = 0, 0.0
        while done < waiting.registrations:
            batches = await consumer.getmany(timeout_ms=50, max_records=BATCH)
            began = began or (time.perf_counter() if batches else 0.0)
            done += sum(map(len, batches.values()))
        return done / (time.perf_counter() - began)
    finally:
        await consumer.stop()


@benchmark("ceiling-send", unit="messages/s")
async def send(ground: Ground) -> float:
    """The producer's `send`, a thousand gathered at a time, each acknowledged."""
    waiting = await backlog(ground)
    await waiting.stage.make_topic("bench.ceiling")
    many = ground.sizes.crowd
    records = registrations(0, many, utc_now())
    producer = AIOKafkaProducer(
        bootstrap_servers=waiting.stage.bootstrap_servers, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        prepared = list(records)
        began = time.perf_counter()
        left = iter(prepared)
        while batch := list(islice(left, BATCH)):
            await asyncio.gather(
                *[
                    await producer.send("bench.ceiling", value=value, key=key, headers=headers)
                    for _, key, value, headers in batch
                ]
            )
        return many / (time.perf_counter() - began)
    finally:
        await producer.stop()


@benchmark("ceiling-copy", unit="rows/s")
async def copy(ground: Ground) -> float:
    """COPY of a thousand rows in a transaction, one index."""
    waiting = await backlog(ground)
    many = ground.sizes.crowd
    rows = [
        (str(uuid_utils.uuid7()), (key or b"").decode(), value.decode())
        for _, key, value, _ in registrations(0, many, utc_now())
    ]
    connection = await asyncpg.connect(waiting.stage.database_url)
    try:
        await connection.execute(
            "create table if not exists bench_copy (id uuid primary key, number text, body jsonb)"
        )
        began = time.perf_counter()
        for first in range(0, many, BATCH):
            await connection.copy_records_to_table(
                "bench_copy", records=rows[first : first + BATCH]
            )
        return many / (time.perf_counter() - began)
    finally:
        await connection.close()


@benchmark("ceiling-validate", unit="messages/s")
async def validate(ground: Ground) -> float:
    """pydantic, from JSON text."""
    values = [value for _, _, value, _ in registrations(0, ground.sizes.crowd, utc_now())]
    return _rate(
        len(values), lambda: [RegistrationSubmitted.model_validate_json(v) for v in values]
    )


@benchmark("ceiling-seal", unit="values/s")
async def seal(ground: Ground) -> float:
    """AES-256-GCM, a new key for each value as each person has."""
    many = ground.sizes.crowd
    keys, nonce, value = [os.urandom(32) for _ in range(many)], bytes(12), bytes(SEALED_BYTES)
    return _rate(many, lambda: [AESGCM(key).encrypt(nonce, value, b"") for key in keys])


def _rate(many: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return many / (time.perf_counter() - began)
