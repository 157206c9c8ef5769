"""A process keeps its loops running, says when one is late, and stops within its time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.runtime import application as application_module
from shared.runtime import probe
from shared.runtime.application import Application, Loop
from shared.runtime.health import Heartbeats
from shared.runtime.http import HttpServer, PortError, health_routes
from shared.runtime.settings import ServiceSettings


class Time:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def settings(**over: object) -> ServiceSettings:
    return ServiceSettings.model_validate(
        {
            "kafka_bootstrap_servers": "unused:1",
            "database_url": "postgresql://unused/x",
            "stop_timeout_s": 1.0,
            **over,
        }
    )


@asynccontextmanager
async def running(application: Application) -> AsyncIterator[None]:
    task = asyncio.create_task(application.run())
    started = asyncio.create_task(application.started.wait())
    await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    try:
        yield
    finally:
        application.stop()
        await task


Answer = tuple[int, str]


async def get(port: int, path: str) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.fixture(autouse=True)
def _short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application_module, "FIRST_BACK_OFF_S", 0.01)


@asynccontextmanager
async def served(heartbeats: Heartbeats) -> AsyncIterator[Callable[[str], Awaitable[Answer]]]:
    """The health of these heartbeats, over HTTP."""
    server = HttpServer("127.0.0.1", 0, health_routes(heartbeats))
    server.start()
    try:
        yield lambda path: get(server.port, path)
    finally:
        await server.stop()


async def test_health_turns_503_when_a_loop_stalls_and_200_when_it_is_heard_again() -> None:
    time = Time()
    heartbeats = Heartbeats(time)
    heartbeats.expect("consume", 10)
    late = {"missing": {"consume": "not heard from for 11 s, limit 10 s"}}
    async with served(heartbeats) as ask:
        time.now = 10
        assert await ask("/livez") == (200, '{"missing":{}}')
        time.now = 11
        status, body = await ask("/livez")
        assert (status, json.loads(body)) == (503, late)
        status, body = await ask("/readyz")
        assert (status, json.loads(body)) == (503, late)
        heartbeats.beat("consume")
        assert (await ask("/livez"))[0] == 200
        assert (await ask("/readyz"))[0] == 200


@pytest.mark.parametrize("path", ["/maija@example.org", "/readyz/?who=maija", "/livez//maija"])
async def test_no_answer_repeats_what_was_asked_for(path: str) -> None:
    async with served(Heartbeats(Time())) as ask:
        assert await ask(path) == (404, "Not Found")


async def test_what_is_missing_makes_unready_but_not_dead() -> None:
    heartbeats = Heartbeats()
    heartbeats.missing("database", "away")
    async with served(heartbeats) as ask:
        assert (await ask("/livez"))[0] == 200
        assert await ask("/readyz") == (503, '{"missing":{"database":"away"}}')
        heartbeats.ok("database")
        assert (await ask("/readyz"))[0] == 200


async def test_metrics_are_told_in_prometheus_format() -> None:
    async with served(Heartbeats()) as ask:
        _, text = await ask("/metrics")
    for name in (
        "steward_messages_received_total",
        "steward_messages_processed_total",
        "steward_duplicates_total",
        "steward_dead_letters_total",
        "steward_surplus_fields_total",
        "steward_handler_seconds",
        "steward_consumer_lag",
        "steward_outbox_rows",
        "steward_outbox_oldest_seconds",
    ):
        assert f"# HELP {name}" in text


async def test_a_running_application_answers_on_a_port_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "port"
    application = Application("audit", settings(http_port_file=file))
    application.loop("idle", Loop.wait_for_stop)
    async with running(application):
        assert int(file.read_text()) == application.http_port > 0
        assert (await get(application.http_port, "/readyz"))[0] == 200
        assert (await get(application.http_port, "/livez"))[0] == 200
        assert "steward_outbox_rows" in (await get(application.http_port, "/metrics"))[1]


async def test_a_stalled_loop_is_seen_from_outside() -> None:
    time = Time()
    application = Application("audit", settings(), heartbeats=Heartbeats(time))
    application.loop("consume", Loop.wait_for_stop, heartbeat_s=5)
    async with running(application):
        await get(application.http_port, "/livez")
        time.now = 6
        status, body = await get(application.http_port, "/livez")
    assert status == 503
    assert "consume" in body


async def test_a_port_in_use_is_told_by_its_variable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"STEWARD_HTTP_PORT: cannot listen on .*:{port}"):
            await Application("audit", settings(http_port=port)).run()


async def test_a_loop_that_fails_is_started_again_while_others_go_on() -> None:
    attempts = 0
    recovered = asyncio.Event()
    missing: list[dict[str, str]] = []
    application = Application("audit", settings())

    async def flaky(loop: Loop) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ValueError
        recovered.set()
        await loop.wait_for_stop()

    async def watch(loop: Loop) -> None:
        while not recovered.is_set():
            missing.append(application.heartbeats.not_ready())
            await asyncio.sleep(0)
        await loop.wait_for_stop()

    application.loop("flaky", flaky)
    application.loop("watch", watch)
    async with running(application):
        await asyncio.wait_for(recovered.wait(), 10)
        assert application.heartbeats.not_ready() == {}
    assert attempts == 3
    assert {"flaky": "failed, is started again"} in missing


async def test_a_loop_that_ends_by_itself_is_started_again() -> None:
    again = asyncio.Event()
    attempts = 0

    async def short(_: Loop) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            again.set()

    application = Application("audit", settings())
    application.loop("short", short)
    async with running(application):
        await asyncio.wait_for(again.wait(), 10)


async def test_asked_by_a_signal_a_process_writes_where_its_tasks_stand() -> None:
    waits = asyncio.Event()

    async def wait_for_stop(loop: Loop) -> None:
        waits.set()
        await loop.wait_for_stop()

    application = Application("audit", settings())
    application.loop("stands", wait_for_stop)
    with capture_logs() as lines:
        async with running(application):
            await waits.wait()
            os.kill(os.getpid(), signal.SIGUSR1)
            while not any(line.get("task") == "stands" for line in lines):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the loop has not heard of the signal yet
    (told,) = [line for line in lines if line.get("task") == "stands"]
    names = [call.rpartition(" ")[2] for call in told["calls"]]
    assert names == ["_keep_running", "wait_for_stop", "wait_for_stop", "wait"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_a_busy_loop_finish_what_it_holds(number: signal.Signals) -> None:
    busy = asyncio.Event()
    finish = asyncio.Event()
    told: list[str] = []
    application = Application("audit", settings(stop_timeout_s=60))

    async def work(loop: Loop) -> None:
        while not loop.stopping:
            busy.set()
            await finish.wait()
            told.append("committed")

    async def close(what: str) -> None:
        told.append(what)

    application.loop("work", work)
    application.on_stop("pool", lambda: close("pool closed"))
    application.on_stop("producer", lambda: close("producer closed"))
    task = asyncio.create_task(application.run())
    await busy.wait()
    os.kill(os.getpid(), number)
    await application.stopping.wait()
    assert application.heartbeats.not_ready() == {"process": "is stopping"}
    assert not task.done()
    finish.set()
    await task
    assert told == ["committed", "producer closed", "pool closed"]


async def test_a_loop_that_does_not_finish_is_cancelled_in_time() -> None:
    cancelled = asyncio.Event()
    closed = asyncio.Event()
    application = Application("audit", settings(stop_timeout_s=0.4))

    async def stuck(_: Loop) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def close() -> None:
        closed.set()

    application.loop("stuck", stuck)
    application.on_stop("pool", close)
    async with running(application):
        pass
    assert cancelled.is_set()
    assert closed.is_set()


async def test_a_closing_that_hangs_or_fails_does_not_keep_the_others_open() -> None:
    closed = asyncio.Event()
    application = Application("audit", settings(stop_timeout_s=0.4))

    async def close() -> None:
        closed.set()

    async def fail() -> None:
        raise ValueError

    async def hang() -> None:
        await asyncio.Event().wait()

    application.on_stop("pool", close)
    application.on_stop("failing", fail)
    async with running(application):
        pass
    assert closed.is_set()
    application = Application("audit", settings(stop_timeout_s=0.4))
    application.on_stop("hanging", hang)
    async with running(application):
        pass


async def test_a_second_signal_does_not_wait() -> None:
    waiting = asyncio.Event()
    application = Application("audit", settings(stop_timeout_s=60))

    async def stuck(_: Loop) -> None:
        waiting.set()
        await asyncio.Event().wait()

    application.loop("stuck", stuck)
    task = asyncio.create_task(application.run())
    await waiting.wait()
    application.stop()
    application.stop()
    await asyncio.wait_for(task, 10)


async def test_a_pause_beats_and_ends_with_the_process() -> None:
    beats = 0
    stopping = asyncio.Event()

    class Counting(Heartbeats):
        def beat(self, name: str) -> None:
            nonlocal beats
            beats += 1
            if beats == 2:
                stopping.set()

    heartbeats = Counting()
    heartbeats.expect("loop", 1)
    await asyncio.wait_for(Loop("loop", heartbeats, stopping).pause(1000), 10)
    assert beats >= 2


async def test_the_probe_of_a_container_tells_by_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heartbeats = Heartbeats()
    heartbeats.missing("database", "away")
    server = HttpServer("127.0.0.1", 0, health_routes(heartbeats))
    monkeypatch.setenv("STEWARD_HTTP_PORT", str(server.port))
    server.start()
    try:
        assert await asyncio.to_thread(probe.main, "livez") == 0
        assert await asyncio.to_thread(probe.main, "readyz") == 1
        assert "away" in capsys.readouterr().out
    finally:
        await server.stop()
    assert await asyncio.to_thread(probe.main, "livez") == 1
