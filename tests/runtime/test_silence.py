"""A database that takes what it is sent and answers nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from shared.local.ports import HOST, choose_port
from shared.runtime.database import Pool, bounded_transaction, open_pool
from tests.conftest import SettingsFactory
from tests.support.proxy import Proxy
from tests.support.work import NO_KAFKA


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(choose_port(None, option="--postgres-port"), urlsplit(database).port or 5432)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
async def pool(
    proxy: Proxy, database: str, service_settings: SettingsFactory
) -> AsyncIterator[Pool]:
    through = database.replace(f":{proxy.target}/", f":{proxy.port}/")
    settings = service_settings(
        "consent",
        kafka_bootstrap_servers=NO_KAFKA,
        database_url=through,
        session_timeout_ms=1000,
    )
    pool = await open_pool(settings, service="consent", min_size=3)
    yield pool
    pool.terminate()


async def test_a_server_is_not_told_that_its_client_gave_a_half_open_connection_up() -> None:
    """So what the server holds for it is held until the server itself lets it go."""
    came, told = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        came.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        told.set()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        proxy = Proxy(choose_port(None, option="--http-port"), server.sockets[0].getsockname()[1])
        await proxy.open()
        _, client = await asyncio.open_connection(HOST, proxy.port)
        client.write(b"?")
        await asyncio.wait_for(came.wait(), 10)
        proxy.swallow_all()
        client.transport.abort()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told.wait(), 0.3)
        await proxy.close()
        await asyncio.wait_for(told.wait(), 10)


async def ask(pool: Pool, within_s: float, fault: Exception | None = None) -> object:
    async with bounded_transaction(pool, within_s) as connection:
        answer: object = await connection.fetchval("select 1")
        if fault is not None:
            raise fault
        return answer


async def test_a_transaction_ends_although_nothing_answers(proxy: Proxy, pool: Pool) -> None:
    assert await ask(pool, 5.0) == 1
    proxy.swallow_all()
    with pytest.raises(TimeoutError):
        await ask(pool, 0.3)


async def test_after_a_silence_no_old_connection_is_used(proxy: Proxy, pool: Pool) -> None:
    proxy.swallow_all()
    with pytest.raises(TimeoutError):
        await ask(pool, 0.3)
    assert [await ask(pool, 5.0) for _ in range(3)] == [1, 1, 1]


async def test_a_fault_of_its_own_is_no_silence(pool: Pool) -> None:
    with pytest.raises(LookupError):
        await ask(pool, 5.0, LookupError())
