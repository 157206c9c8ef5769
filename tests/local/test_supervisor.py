from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from shared.local.errors import AlreadyRunningError, NotReadyError
from shared.local.logs import tail
from shared.local.process import MARKER_VARIABLE, Identity, Process
from shared.local.state import (
    clear_orphans,
    read_state,
    write_state,
)
from shared.local.supervisor import Supervisor, back_off
from tests.support.waiting import eventually

# Writes down that it began and that it was told to end; lives until then.
LIFE = """
import pathlib, signal, sys
diary, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def write(what):
    with diary.open("a") as file:
        file.write(f"{name} {what}\\n")
signal.signal(signal.SIGTERM, lambda *_: (write("ends"), sys.exit(0)))
write("begins")
signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
signal.pause()
"""


def living(folder: Path, name: str, *, required: bool = True) -> Process:
    """A process that is ready once it has written that it began."""
    diary = folder / "diary"

    async def missing() -> str | None:
        begun = diary.exists() and f"{name} begins" in diary.read_text("utf-8")
        return None if begun else "it has not begun"

    return program(LIFE, str(diary), name, name=name, ready=missing, required=required)


def program(
    code: str,
    *arguments: str,
    name: str,
    ready: Callable[[], Awaitable[str | None]],
    required: bool,
) -> Process:
    return Process(
        name=name,
        argv=(sys.executable, "-c", code, *arguments),
        env=dict(os.environ),
        ready=ready,
        required=required,
    )


async def ready_at_once() -> str | None:
    return None


async def never_ready() -> str | None:
    return "its answer"


def supervisor_of(folder: Path, said: list[str] | None = None) -> Supervisor:
    say = (lambda _: None) if said is None else said.append
    return Supervisor(folder / "run", folder / "logs", say=say)


async def test_processes_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(living(tmp_path, "first"))
        await supervisor.start(living(tmp_path, "second"))
    diary = (tmp_path / "diary").read_text("utf-8").splitlines()
    assert diary == ["first begins", "second begins", "second ends", "first ends"]


async def test_what_a_terminal_interrupts_is_the_supervisor_alone(tmp_path: Path) -> None:
    """Ctrl-C goes to a whole session: processes end when it is their turn."""
    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(living(tmp_path, "it"))
        assert os.getsid(supervisor.pid("it")) != os.getsid(0)


async def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    async with supervisor_of(tmp_path, said) as supervisor:
        await supervisor.start(living(tmp_path, "it"))
        former = supervisor.pid("it")
        os.kill(former, signal.SIGKILL)
        await eventually(lambda: supervisor.state.processes[0].pid != former)
        assert supervisor.restarts("it") == 1
        assert psutil.pid_exists(supervisor.pid("it"))
    assert said == ["it ended (signal SIGKILL); starting again in 0.2 s"]


async def test_a_killed_process_is_started_again_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    said: list[str] = []
    monkeypatch.setattr("shared.local.supervisor._ROTATE_EVERY_S", 0.05)
    async with supervisor_of(tmp_path, said) as supervisor:
        await supervisor.start(living(tmp_path, "it"))
        former = supervisor.pid("it")
        with monkeypatch.context() as patched:
            patched.setattr("shared.local.supervisor.write_state", full)
            patched.setattr("shared.local.supervisor.rotate", full)
            os.kill(former, signal.SIGKILL)
            await eventually(lambda: supervisor.state.processes[0].pid != former)
        await eventually(lambda: _stored_pid(tmp_path) == supervisor.pid("it"))
    assert said.count("what runs cannot be written down (No space left on device); trying again")


def full_disk(_: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken_pipe(_: str) -> None:
    """As Rich tells of it."""
    raise SystemExit(1)


@pytest.mark.parametrize("say", [full_disk, broken_pipe])
async def test_what_cannot_be_said_keeps_nothing_from_being_started_again_or_stopped(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    deaf = program(DEAF, name="deaf", ready=ready_at_once, required=True)
    async with Supervisor(tmp_path / "run", tmp_path / "logs", say=say) as supervisor:
        await supervisor.start(replace(deaf, stop_within_s=0.1))
        await eventually(lambda: tail(tmp_path / "logs" / "deaf.log", 1))
        await supervisor.start(living(tmp_path, "it"))
        former, stays = supervisor.pid("it"), supervisor.pid("deaf")
        os.kill(former, signal.SIGKILL)
        await eventually(lambda: supervisor.state.processes[1].pid != former)
        again = supervisor.pid("it")
    assert not psutil.pid_exists(again)
    assert not psutil.pid_exists(stays)


async def test_whatever_keeps_a_process_from_starting_it_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    failures = iter([ValueError("canary"), OSError("no room"), OSError()])

    async def fail() -> None:
        if supervisor.restarts("it") and (failure := next(failures, None)):
            raise failure

    async with supervisor_of(tmp_path, said) as supervisor:
        await supervisor.start(replace(living(tmp_path, "it"), before_start=fail))
        former = supervisor.pid("it")
        os.kill(former, signal.SIGKILL)
        await eventually(lambda: supervisor.state.processes[0].pid != former)
    assert said[1:] == [
        "it cannot be started (ValueError); trying again",
        "it cannot be started (no room); trying again",
        "it cannot be started (OSError); trying again",
    ]


async def test_the_others_stop_where_the_care_for_one_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def fail(*_: object) -> None:
        failed.set()
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Supervisor, "_again", fail)
    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(living(tmp_path, "first"))
        await supervisor.start(living(tmp_path, "second"))
        os.kill(supervisor.pid("second"), signal.SIGKILL)
        await asyncio.wait_for(failed.wait(), 10)
    assert (tmp_path / "diary").read_text("utf-8").splitlines()[-1] == "first ends"


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="no real-time signals here")
async def test_a_signal_without_a_name_is_told_by_its_number(tmp_path: Path) -> None:
    said: list[str] = []
    nameless = signal.SIGRTMIN + 6
    async with supervisor_of(tmp_path, said) as supervisor:
        await supervisor.start(living(tmp_path, "it"))
        os.kill(supervisor.pid("it"), nameless)
        await eventually(lambda: said)
    assert said == [f"it ended (signal {nameless}); starting again in 0.2 s"]


def _stored_pid(folder: Path) -> int | None:
    state = read_state(folder / "run")
    return state.processes[0].pid if state and state.processes else None


async def test_alone_a_process_that_is_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    late = program(
        LIFE, str(tmp_path / "diary"), "late", name="late", ready=never_ready, required=False
    )
    with pytest.raises(NotReadyError, match="late did not start: its answer"):
        await Supervisor.alone(tmp_path, replace(late, start_within_s=0.1))


def test_the_pause_before_a_restart_doubles_up_to_half_a_minute() -> None:
    assert [back_off(deaths) for deaths in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
    assert back_off(50) == 30.0


async def test_a_process_between_two_lives_is_still_listed(tmp_path: Path) -> None:
    dying = program("", name="it", ready=never_ready, required=False)
    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(replace(dying, start_within_s=0.1))
        await eventually(lambda: supervisor.restarts("it") > 2)
        assert [entry.name for entry in supervisor.state.processes] == ["it"]
        with pytest.raises(KeyError):
            supervisor.pid("it")


async def test_what_a_killed_life_left_is_cleared_before_the_next(tmp_path: Path) -> None:
    cleared: list[str] = []

    async def clear() -> None:
        cleared.append("cleared")

    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(replace(living(tmp_path, "it"), before_start=clear))
        os.kill(supervisor.pid("it"), signal.SIGKILL)
        await eventually(lambda: len(cleared) == 2)


async def test_a_required_process_that_ends_fails_the_start_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    broken = program(
        "import sys; sys.exit('no such setting')", name="it", ready=never_ready, required=True
    )
    async with supervisor_of(tmp_path) as supervisor:
        with pytest.raises(NotReadyError, match=r"it ended by itself(.|\n)*no such setting"):
            await supervisor.start(broken)


async def test_a_failed_start_stops_what_was_started_before(tmp_path: Path) -> None:
    broken = program("", name="broken", ready=never_ready, required=True)
    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(living(tmp_path, "first"))
        with pytest.raises(NotReadyError):
            await supervisor.start(broken)
    assert (tmp_path / "diary").read_text("utf-8").splitlines()[-1] == "first ends"


async def test_a_process_that_is_not_required_stays_and_what_it_lacks_is_told(
    tmp_path: Path,
) -> None:
    slow = replace(living(tmp_path, "it", required=False), ready=never_ready, start_within_s=0.1)
    async with supervisor_of(tmp_path) as supervisor:
        assert await supervisor.start(slow) == {"it": "its answer"}
        assert psutil.pid_exists(supervisor.pid("it"))


async def test_what_another_process_answers_on_its_port_is_not_its_answer(tmp_path: Path) -> None:
    """Who took it first may be a process of another system."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        it = replace(living(tmp_path, "it", required=False), ports={"http": port})
        async with supervisor_of(tmp_path) as supervisor:
            missing = await supervisor.start(replace(it, start_within_s=1.0))
    assert missing == {"it": f"another process has its port {port}"}


async def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    deaf = program(DEAF, name="deaf", ready=ready_at_once, required=True)
    async with supervisor_of(tmp_path, said) as supervisor:
        await supervisor.start(replace(deaf, stop_within_s=0.1))
        await eventually(lambda: tail(tmp_path / "logs" / "deaf.log", 1))
        pid = supervisor.pid("deaf")
    assert not psutil.pid_exists(pid)
    assert said == ["deaf did not stop in 0.1 s; killed"]


async def test_who_is_told_to_stop_while_a_start_that_failed_is_stopped_does_that_first(
    tmp_path: Path,
) -> None:
    """And says why it failed."""
    deaf = program(DEAF, name="deaf", ready=ready_at_once, required=True)
    pids = []

    async def start_that_fails() -> None:
        async with supervisor_of(tmp_path) as supervisor:
            await supervisor.start(replace(deaf, stop_within_s=0.5))
            await eventually(lambda: tail(tmp_path / "logs" / "deaf.log", 1))
            pids.append(supervisor.pid("deaf"))
            raise NotReadyError("why")

    starting = asyncio.create_task(start_that_fails())
    await eventually(lambda: (state := read_state(tmp_path / "run")) and state.phase == "stopping")
    starting.cancel()
    with pytest.raises(NotReadyError, match="why"):
        await starting
    assert not psutil.pid_exists(pids[0])


async def test_two_supervisors_cannot_share_a_folder(tmp_path: Path) -> None:
    async with supervisor_of(tmp_path):
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}.*steward down"):
            await supervisor_of(tmp_path).open()


# A supervisor in a process of its own, so that it can be killed.
STARTER = """
import asyncio, pathlib, sys
sys.path.insert(0, sys.argv[2])
from tests.local.test_supervisor import living, supervisor_of
async def main():
    folder = pathlib.Path(sys.argv[1])
    supervisor = supervisor_of(folder)
    await supervisor.open()
    await supervisor.start(living(folder, "orphan"))
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def orphan_in(folder: Path) -> Identity:
    """A process whose supervisor was killed."""
    root = Path(__file__).parents[2]
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, str(folder), str(root), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout is not None
    assert await starter.stdout.readline() == b"ready\n"
    starter.kill()
    await starter.wait()
    state = read_state(folder / "run")
    assert state is not None
    orphan = state.identity(state.processes[0])
    assert orphan.alive()
    return orphan


async def test_what_a_killed_supervisor_left_is_stopped_by_the_next(tmp_path: Path) -> None:
    orphan = await orphan_in(tmp_path)
    said: list[str] = []
    async with supervisor_of(tmp_path, said):
        assert not orphan.alive()
    assert said == ["stopped orphan, left by a former run that was killed"]
    assert (tmp_path / "diary").read_text("utf-8").splitlines()[-1] == "orphan ends"


async def test_a_stranger_with_the_number_of_an_orphan_is_left_alone(tmp_path: Path) -> None:
    orphan = await orphan_in(tmp_path)
    state = read_state(tmp_path / "run")
    assert state is not None
    write_state(tmp_path / "run", replace(state, marker="of another supervisor"))
    assert await clear_orphans(tmp_path / "run") == []
    assert orphan.alive()
    write_state(tmp_path / "run", state)
    assert await clear_orphans(tmp_path / "run") == ["orphan"]


def test_a_zombie_counts_as_dead() -> None:
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    identity = Identity(child, psutil.Process(child).create_time())
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()
    assert psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    os.waitpid(child, 0)


async def test_a_child_carries_the_marker_of_its_supervisor(tmp_path: Path) -> None:
    async with supervisor_of(tmp_path) as supervisor:
        await supervisor.start(living(tmp_path, "it"))
        environment = psutil.Process(supervisor.pid("it")).environ()
        assert environment[MARKER_VARIABLE] == supervisor.state.marker
