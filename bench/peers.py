"""The same work with libraries that promise something like it, used as their guides show.

faststream-outbox keeps what is to be published in a table and relays it; procrastinate runs jobs
that lie in a table. Neither recognises what was sent twice, keeps order per key, or seals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import procrastinate
import sqlalchemy as sa
import uuid_utils
from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaBroker
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from bench.contest import Backlog, backlog, group_at
from bench.ground import Ground
from bench.load import TOPIC, is_registration
from bench.registry import benchmark, ratio
from bench.stage import Stage
from bench.throughput import STEWARD
from shared.contract.inbound import RegistrationSubmitted

OUTBOX = "faststream-outbox"
JOBS = "procrastinate-jobs"

_metadata = sa.MetaData()
_outbox = make_outbox_table(_metadata, table_name="bench_outbox")
_registration = sa.Table(
    "bench_outbox_registration",
    _metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.Text),
    sa.Column("body", sa.JSON),
)

# The levers that its guide names for many messages; without them the relay deletes one by one.
_WORKERS, _FETCHED, _DELETED = 4, 100, 100

CONCURRENCY = 30
"""Jobs at once in a worker: the number in procrastinate's own guide."""


@benchmark(OUTBOX, unit="messages/s", repeated=True)
async def faststream_outbox(ground: Ground) -> float:
    """A handler writes a row and an outbox row in one transaction; a relay publishes."""
    waiting = await backlog(ground)
    wanted = min(ground.sizes.peers, waiting.registrations)
    await waiting.stage.make_topic("bench.outbox")
    async with _engine(waiting.stage) as engine:
        return await _through_outbox(waiting, engine, wanted)


@asynccontextmanager
async def _engine(stage: Stage) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        stage.database_url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=10
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


async def _through_outbox(waiting: Backlog, engine: AsyncEngine, wanted: int) -> float:
    kafka = KafkaBroker(waiting.stage.bootstrap_servers, logger=None)
    outbox = OutboxBroker(engine, outbox_table=_outbox, logger=None)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    began, done = 0.0, 0

    @kafka.subscriber(TOPIC, group_id=await group_at(waiting, "bench.outbox"))
    async def register(body: dict[str, object]) -> None:
        nonlocal began, done
        if "registration_number" not in body or done == wanted:
            return
        began = began or time.perf_counter()
        registration = RegistrationSubmitted.model_validate(body)
        number, content = registration.registration_number, registration.model_dump(mode="json")
        async with sessions() as session, session.begin():
            await session.execute(
                _registration.insert().values(
                    id=str(uuid_utils.uuid7()), number=number, body=content
                )
            )
            await outbox.publish(content, queue="registrations", session=session)
        done += 1

    @kafka.publisher("bench.outbox")
    @outbox.subscriber(
        "registrations",
        max_workers=_WORKERS,
        fetch_batch_size=_FETCHED,
        terminal_flush_batch_size=_DELETED,
    )
    async def relay(body: dict[str, object]) -> dict[str, object]:
        return body

    async with waiting.stage.watched("bench.outbox") as facts, kafka, outbox:
        before = await facts.total()
        await outbox.start()
        await kafka.start()
        ended = await facts.until(before + wanted)
    return wanted / (ended - began)


@benchmark(JOBS, unit="messages/s", repeated=True)
async def procrastinate_jobs(ground: Ground) -> float:
    """A job for each registration, deferred many at once; the job writes a row and publishes."""
    waiting = await backlog(ground)
    wanted = min(ground.sizes.peers, waiting.registrations)
    stage = waiting.stage
    await stage.make_topic("bench.jobs")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=stage.database_url))
    pool = await asyncpg.create_pool(stage.database_url, min_size=1, max_size=4)
    try:
        await pool.execute(
            "create table if not exists bench_job (id uuid primary key, number text, body jsonb)"
        )
        async with app.open_async():
            if await pool.fetchval("select to_regclass('procrastinate_jobs')") is None:
                await app.schema_manager.apply_schema_async()
            return await _through_jobs(waiting, app, pool, wanted)
    finally:
        await pool.close()


async def _through_jobs(
    waiting: Backlog,
    app: procrastinate.App,
    pool: asyncpg.Pool[asyncpg.Record],
    wanted: int,
) -> float:
    broker = KafkaBroker(waiting.stage.bootstrap_servers, logger=None)

    @app.task(name="register")
    async def register(body: str) -> None:
        registration = RegistrationSubmitted.model_validate_json(body)
        id_ = uuid_utils.uuid7()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into bench_job values ($1, $2, $3)",
                str(id_),
                registration.registration_number,
                registration.model_dump_json(),
            )
            await broker.publish(registration, "bench.jobs", key=id_.bytes)

    async with waiting.stage.watched("bench.jobs") as facts, broker:
        before = await facts.total()
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY, delete_jobs="always", install_signal_handlers=False
            )
        )
        try:
            began = await _defer(waiting, register, wanted)
            ended = await facts.until(before + wanted)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
    return wanted / (ended - began)


async def _defer(
    waiting: Backlog,
    task: procrastinate.tasks.Task[[str], Coroutine[Any, Any, None], [str]],
    wanted: int,
) -> float:
    """Make a job of each registration; when the first was taken."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=waiting.stage.bootstrap_servers,
        group_id=await group_at(waiting, "bench.jobs"),
    )
    await consumer.start()
    done, began = 0, 0.0
    try:
        while done < wanted:
            batches = await consumer.getmany(timeout_ms=50, max_records=min(1_000, wanted - done))
            began = began or (time.perf_counter() if batches else 0.0)
            payloads = [
                {"body": record.value.decode()}
                for records in batches.values()
                for record in records
                if is_registration(record.headers)
            ]
            if payloads:
                await task.batch_defer_async(*payloads)
            done += len(payloads)
            await consumer.commit()
    finally:
        await consumer.stop()
    return began


ratio("steward-to-faststream-outbox", of=STEWARD, to=OUTBOX, aim=None)
ratio("steward-to-procrastinate-jobs", of=STEWARD, to=JOBS, aim=None)
