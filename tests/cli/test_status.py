"""What `steward status` makes of what the processes of services tell."""

from __future__ import annotations

import asyncio
import io
import json
import math
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from services.cli import figures, status
from services.cli.figures import Figures, Sample, Span, figures_of, quantile, read_sample
from services.cli.looking import Look, ServiceRow, document, look, service_rows, targets
from services.cli.status_table import short_number, short_time, status_table
from shared.local.state import Entry, State, write_state
from shared.runtime.health import Heartbeats
from shared.runtime.http import HttpServer, health_routes
from tests.cli.conftest import ROOT, Steward
from tests.support.commands import hear_interrupts
from tests.support.metrics import exposed_names

INFINITE = math.inf
TO_THE_TOP = "\x1b[H"
"""Of the screen (ECMA-48, CUP)."""


def sample(at: float, batches: dict[float, float] | None = None, **values: float) -> Sample:
    return Sample(at, {f"steward_{name}": value for name, value in values.items()}, batches or {})


def test_a_quantile_lies_straight_between_the_bounds_of_its_bucket() -> None:
    assert quantile(0.99, {0.1: 0, 0.2: 100, INFINITE: 100}) == pytest.approx(0.199)
    assert quantile(0.5, {0.1: 10, 0.2: 20, INFINITE: 20}) == pytest.approx(0.1)
    assert quantile(0.99, {0.1: 5, 10.0: 5, INFINITE: 20}) == 10.0, "more is not known"
    assert quantile(0.99, {0.1: 0, INFINITE: 0}) is None
    assert quantile(0.99, {}) is None


def test_what_is_of_a_process_is_added_up_and_what_is_of_the_tables_is_not() -> None:
    spans = [
        Span.of(
            sample(10, messages_processed_total=100),
            sample(12, messages_processed_total=300, partitions_assigned=8, consumer_lag=5),
        ),
        Span.of(None, sample(12, messages_processed_total=9, partitions_assigned=4, outbox_rows=7)),
    ]
    found = figures_of(spans, [{0.1: 1, INFINITE: 1}, {0.1: 0, INFINITE: 1}])
    assert found is not None
    assert (found.partitions, found.lag, found.rate_per_s, found.outbox) == (12, 5, 100, 7)
    assert found.batch_p99_s == 0.1
    assert figures_of([], []) is None


def test_a_process_that_was_started_again_counts_from_its_start() -> None:
    def of_life(started: float, count: float) -> Sample:
        values = {figures.STARTED: started, figures.PROCESSED: count}
        return Sample(started + count, values, {INFINITE: count})

    again = Span.of(of_life(1, 50), of_life(60, 3))
    assert (again.per_second(figures.PROCESSED), again.batches()) == (0.0, {INFINITE: 3})
    going_on = Span.of(of_life(1, 50), of_life(1, 60))
    assert (going_on.per_second(figures.PROCESSED), going_on.batches()) == (1.0, {INFINITE: 10})


def test_every_figure_is_a_metric_that_services_have() -> None:
    asked = {
        value for name, value in vars(figures).items() if name.isupper() and isinstance(value, str)
    }
    assert asked - exposed_names() == set()


@pytest.mark.parametrize("number", [0, 7.4, 999, 9_999.4, 9_999.6, 99_950, 1e6, 123_456_789, 9e11])
def test_numbers_are_short(number: float) -> None:
    assert len(short_number(number)) <= 5


def test_numbers_and_times_are_what_one_would_write() -> None:
    assert [short_number(n) for n in (9_999, 12_345, 123_456, 1_234_567)] == [
        "9,999",
        "12.3k",
        "123k",
        "1.23M",
    ]
    assert [short_time(s) for s in (0.0123, 3.21, 45, 720, 18_000, 300_000)] == [
        "12 ms",
        "3.2 s",
        "45 s",
        "12 min",
        "5.0 h",
        "3 d",
    ]


WORST = Figures(24, 2, 123_456, 9_999.0, 0.987, 123_456, 7_199, 99_999, 88_888, 12_345)
GAP = "inbound.registrations[7]: stands still: its log does not have the stored position"


def row_of(name: str, found: Figures | None) -> ServiceRow:
    return ServiceRow(name, 8, 7, found)


def entry(name: str, port: int, pid: int = 4_194_304, created: float = 0.0) -> Entry:
    return Entry(name, pid, created, {"http": port}, "log", signal.SIGTERM, 12)


def printed(width: int) -> list[str]:
    state = State(1, 0.0, "marker", "starting", (entry("registration-2", 65_535),))
    seen = Look(state, {"registration-2": GAP}, {})
    rows = [row_of("registration", WORST), row_of("audit", None)]
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(status_table(seen, rows, about="of the last minute", width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_cuts_nothing_off_however_large_the_figures(width: int) -> None:
    lines = printed(width)
    registration = "  ".join(lines[1].split())
    assert (
        registration == "registration  7/8  24  123k  9,999  987  ms  123k  120  min  100k  12.3k"
    )
    assert lines[2].split() == ["audit", "7/8", *["–"] * 8]  # noqa: RUF001
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert "the system is starting" in lines


@asynccontextmanager
async def serving(heartbeats: Heartbeats) -> AsyncIterator[int]:
    server = HttpServer("127.0.0.1", 0, health_routes(heartbeats))
    server.start()
    try:
        yield server.port
    finally:
        await server.stop()


def running(port: int, silent: int) -> State:
    """This test itself is the supervisor and both processes."""
    me = psutil.Process()
    ours = (me.pid, me.create_time())
    entries = (entry("consent", port, *ours), entry("consent-2", silent, *ours))
    return State(*ours, marker="marker", phase="running", processes=entries)


async def test_a_look_shows_why_a_process_is_not_ready_beside_what_the_others_tell(
    tmp_path: Path,
) -> None:
    heartbeats = Heartbeats()
    (tmp_path / "run").mkdir()
    async with serving(heartbeats) as port:
        write_state(tmp_path / "run", running(port, silent=1))
        first = await look(tmp_path)
        heartbeats.missing("batch", "waits for the database")
        second = await look(tmp_path)
    assert first is not None
    assert second is not None
    assert first.missing == {"consent": None, "consent-2": "it does not answer"}
    assert second.missing["consent"] == "batch: waits for the database"
    assert list(second.samples) == ["consent"]
    rows = service_rows(second, first, None)
    assert [(row.name, row.replicas, row.ready) for row in rows] == [("consent", 2, 0)]
    assert json.loads(json.dumps(document(second, rows)))["services"][0]["lag"] >= 0


async def test_what_another_process_answers_is_not_taken_for_ready(tmp_path: Path) -> None:
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "input()"), stdin=asyncio.subprocess.PIPE
    )
    async with serving(Heartbeats()) as port:
        created = psutil.Process(other.pid).create_time()
        state = running(port, silent=1)
        its = entry("consent", port, other.pid, created)
        (tmp_path / "run").mkdir()
        write_state(tmp_path / "run", replace(state, processes=(its,)))
        seen = await look(tmp_path)
    other.kill()
    await other.wait()
    assert seen is not None
    assert seen.missing == {"consent": f"another process has its port {port}"}


async def test_whether_a_process_is_ready_is_a_metric_too() -> None:
    heartbeats = Heartbeats()
    async with serving(heartbeats) as port:
        for missing in (False, True):
            if missing:
                heartbeats.missing("batch", "waits for the database")
            told = await asyncio.to_thread(fetched, port)
            assert told["steward_ready"] == (0 if missing else 1)


def fetched(port: int) -> Sample:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return read_sample(answer.read().decode(), 0.0)


def test_prometheus_is_told_where_each_process_of_a_service_is() -> None:
    state = running(8701, silent=8702)
    assert targets(state) == [
        {"targets": ["127.0.0.1:8701"], "labels": {"service": "consent", "process": "consent"}},
        {"targets": ["127.0.0.1:8702"], "labels": {"service": "consent", "process": "consent-2"}},
    ]


def test_targets_of_nothing_are_an_error(steward: Steward) -> None:
    done = steward("status", "--targets")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing is running" in done.stderr


def test_watching_on_a_terminal_draws_what_is_new_in_place_of_what_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = State(1, 0.0, "marker", "running", (entry("registration", 8701),))
    looks = iter([Look(state, {"registration": None}, {}), None])

    async def next_look(_: Path) -> Look | None:
        try:
            return next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    screen = io.StringIO()
    monkeypatch.setattr(status, "look", next_look)
    monkeypatch.setattr(status, "WATCH_EVERY_S", 0)
    monkeypatch.setattr(status, "_console", Console(file=screen, force_terminal=True, width=100))
    assert status.watch(as_json=False) == 0
    *_, first, second = screen.getvalue().split(TO_THE_TOP)
    assert "registration" in first
    assert "nothing is running" in second
    assert "registration" not in second


async def test_watching_goes_on_until_it_is_interrupted(home: Path) -> None:
    watching = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.cli", "status", "--watch", "--json"),
        env={**os.environ, "STEWARD_HOME": str(home)},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=hear_interrupts,
    )
    assert watching.stdout is not None
    async with asyncio.timeout(60):
        for _ in range(2):
            assert json.loads(await watching.stdout.readline())["running"] is False
        watching.send_signal(signal.SIGINT)
        assert await watching.wait() == 0
