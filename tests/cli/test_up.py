"""`steward up` as a process, with nothing to start."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.local.state import take_lock
from tests.cli.conftest import ROOT, Steward

# The command itself, with a system that has nothing in it.
COMMAND = """
import contextlib, os, pathlib, signal, sys
from services.cli import up
signal.signal(signal.SIGHUP, signal.Handlers[sys.argv[3]])
@contextlib.asynccontextmanager
async def running_system(asked):
    pathlib.Path(sys.argv[1]).touch()
    try:
        yield None
    finally:
        asked.say("stopped")
up.running_system = running_system
up._show = lambda *_: None
sys.stdout = os.fdopen(int(sys.argv[2]), "w")
sys.exit(up.run_here(up.Asked(up.Ports())))
"""


def closed_terminal() -> int:
    """A terminal whose window was closed."""
    window, terminal = pty.openpty()
    os.close(window)
    return terminal


def broken_pipe() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def full_disk() -> int:
    """A file that takes nothing."""
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize(
    "output",
    [
        closed_terminal,
        broken_pipe,
        pytest.param(
            full_disk, marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such")
        ),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_stops_it_though_nothing_can_be_said_any_more(
    tmp_path: Path, output: Callable[[], int], number: signal.Signals
) -> None:
    running = tmp_path / "running"
    process = begun(running, output(), signal.SIG_DFL)
    try:
        wait_for(running, process)
        process.send_signal(number)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, 120), "120: what was not said could not be said at the end"


def test_with_nohup_it_outlives_its_terminal(tmp_path: Path) -> None:
    running = tmp_path / "running"
    process = begun(running, os.open(os.devnull, os.O_WRONLY), signal.SIG_IGN)
    try:
        wait_for(running, process)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def begun(running: Path, output: int, of_hangups: signal.Handlers) -> subprocess.Popen[bytes]:
    """The command, where hangups are ignored or not; `output` is closed here."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(running), str(output), of_hangups.name],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[output],
    )
    os.close(output)
    return process


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the process has made it."""
    while not file.exists():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)


# As above, for `--detach`: it stays with a service that was not ready in time.
UNREADY = """
import contextlib, pathlib, sys
from services.cli import up
from shared.local.supervisor import Supervisor
@contextlib.asynccontextmanager
async def running_system(asked):
    async with Supervisor(asked.run_folder, asked.log_folder, say=asked.say) as supervisor:
        supervisor.note(phase="running", not_ready={"consent": "waits for the database"})
        yield None
up.running_system = running_system
up._show = lambda *_: None
sys.exit(up.run_here(up.Asked(up.Ports())))
"""


# Who starts the tests in the background may have had interrupts ignored.
HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
DETACHING = """
import sys
from services.cli import up
up._command = lambda _: [sys.executable, "-c", sys.argv[1]]
sys.exit(up.run_detached(up.Asked(up.Ports())))
"""


def test_detached_it_says_what_is_not_ready_and_so_does_its_exit_code(
    home: Path, steward: Steward
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DETACHING, UNREADY],
        cwd=ROOT,
        env={**os.environ, "STEWARD_HOME": str(home), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert steward("down").stdout == "stopped\n"
    assert done.returncode == 1
    assert "consent is not ready: waits for the database" in done.stdout
    assert "running as process" in done.stdout


# As above: it never comes to run, and ends when it is told.
STARTING = """
import pathlib, signal, sys
from services.cli.environment import home_folder
signal.signal(signal.SIGTERM, lambda *_: ((home_folder() / "ended").touch(), sys.exit(0)))
(home_folder() / "starting").touch()
signal.pause()
"""


def test_detached_a_start_that_is_interrupted_does_not_go_on(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING + DETACHING, STARTING],
        cwd=ROOT,
        env={**os.environ, "STEWARD_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(home / "starting", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
    finally:
        process.kill()
        process.wait()
    assert (home / "ended").exists()


def test_detached_a_start_that_could_say_nothing_is_told_of(home: Path) -> None:
    """As on a full disk, where there is no room for why."""
    done = subprocess.run(
        [sys.executable, "-c", DETACHING, "raise SystemExit(1)"],
        cwd=ROOT,
        env={**os.environ, "STEWARD_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    log = home / "logs" / "up.log"
    assert done.stderr == (
        f"steward: it ended with 1, and nothing is in {log}: is the disk full?\n"
    )


def test_a_second_start_that_is_refused_leaves_the_log_of_the_first(
    home: Path, steward: Steward
) -> None:
    log = home / "logs" / "up.log"
    log.parent.mkdir(parents=True)
    log.write_text("what the first has said\n", "utf-8")
    with take_lock(home / "run"):
        second = steward("up", "--detach")
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        "steward: it is already running here; `steward status` shows it, `steward down` stops it"
    ]
    assert log.read_text("utf-8").startswith("what the first has said\n")
