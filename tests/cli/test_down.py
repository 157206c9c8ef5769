"""`steward down --remove-everything` removes what is Steward's, and only when it is meant."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import typer

from services.cli.down import ask_to_remove, remove, remove_home
from shared.local import postgres_folder
from shared.local.errors import LocalError
from shared.local.state import take_lock
from tests.cli.conftest import GIVEN, GIVEN_STAY, Steward, note_running
from tests.support.terminal import Terminal


def test_nothing_is_removed_where_nobody_is_there_to_ask(steward: Steward, ours: Path) -> None:
    done = steward("down", "--remove-everything")
    assert done.returncode == 2
    assert "add --yes" in done.stderr
    assert list(ours.iterdir()) == [ours / "secrets"]


def test_who_says_yes_is_not_asked(steward: Steward, ours: Path) -> None:
    assert steward("down", "--remove-everything", "--yes").returncode == 0
    assert not ours.exists()


def test_a_folder_of_somebody_else_is_left_as_it_is(steward: Steward, home: Path) -> None:
    (home / "photographs").mkdir(parents=True)
    for arguments in ((), ("--yes",)):
        done = steward("down", "--remove-everything", *arguments)
        assert done.returncode == 1
        assert f"{home} does not look like a home folder of Steward" in done.stderr
        assert list(home.iterdir()) == [home / "photographs"]


def test_where_there_is_nothing_nothing_is_made(steward: Steward, home: Path) -> None:
    assert steward("down", "--remove-everything").returncode == 0
    assert not home.exists()


def test_a_home_folder_that_is_a_link_is_unlinked_and_its_target_emptied(
    steward: Steward, ours: Path, tmp_path: Path
) -> None:
    target = tmp_path / "disk" / "steward"
    target.parent.mkdir()
    ours.rename(target)
    ours.symlink_to(target)
    done = steward("down", "--remove-everything", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"removed {ours}; {target} stays, empty" in done.stdout
    assert not ours.is_symlink()
    assert list(target.iterdir()) == []


def test_a_home_folder_that_is_a_mount_point_is_emptied(
    ours: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rmdir = os.rmdir

    def refuse_mounted(path: Path | str, **more: int) -> None:
        if Path(path) == ours:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        rmdir(path, **more)

    monkeypatch.setattr(os, "rmdir", refuse_mounted)
    monkeypatch.setenv("STEWARD_HOME", str(ours))
    remove()
    assert list(ours.iterdir()) == []
    assert f"{ours} stays, empty" in capsys.readouterr().out


@pytest.mark.parametrize("away", ["mount point", "link to one", "link below one"])
def test_a_home_folder_in_which_nothing_is_may_be_on_a_disk_that_is_away(
    steward: Steward, home: Path, tmp_path: Path, away: str
) -> None:
    disk = home if away == "mount point" else tmp_path / "disk"
    disk.mkdir()
    if disk != home:
        home.symlink_to(disk if away == "link to one" else disk / "steward")
    for arguments in ((), ("--yes",)):
        done = steward("down", "--remove-everything", *arguments)
        assert done.returncode == 1
        assert f"nothing is in {home}, and nothing is removed" in done.stderr
        assert "removed" not in done.stdout
    assert home.is_symlink() or home.is_dir()
    assert list(disk.iterdir()) == []


def test_what_cannot_be_removed_is_named(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, **_: int) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(ours / "secrets"))

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(LocalError, match=r"Permission denied: .*secrets"):
        asyncio.run(remove_home(ours))


def test_what_cannot_be_removed_does_not_keep_the_rest(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a-token", "kafka/a", "kafka/held", "kafka/z", "logs/held", "logs/z", "z-token"):
        (ours / name).parent.mkdir(exist_ok=True)
        (ours / name).touch()
    refuse_to_remove_held(ours, monkeypatch)
    assert left_below(ours) == {Path("kafka/held"), Path("logs/held"), Path("run/lock")}
    asyncio.run(remove_home(ours))
    assert not ours.exists()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that root has outside of the home folder."""
    monkeypatch.setattr(postgres_folder, "ROOTS_DATA", tmp_path / "roots")
    return made_cluster()


def made_cluster() -> Path:
    cluster = postgres_folder.make_outside() / "data"
    cluster.mkdir()
    for name in ("PG_VERSION", "held", "z"):
        (cluster / name).touch()
    return cluster


@pytest.mark.parametrize("folder", ["postgres", "demo/postgres"])
def test_a_database_elsewhere_that_cannot_be_removed_does_not_keep_the_rest(
    ours: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    for name in ("postgres/z", "demo/postgres/z", "demo/secrets/z", "kafka/z", "logs/z"):
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        (ours / name).touch()
    (ours / folder / "data").symlink_to(cluster)
    refuse_to_remove_held(ours, monkeypatch)
    assert left_below(ours) == {Path(folder, "data"), Path("run/lock")}
    assert not (cluster / "z").exists()
    asyncio.run(remove_home(ours))
    assert not ours.exists()
    assert not cluster.parent.exists()


def refuse_to_remove_held(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a home folder while nothing named `held` can be removed, which is said."""
    unlink = os.unlink

    def refuse_held(path: Path | str, **more: int) -> None:
        if Path(path).name == "held":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        unlink(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse_held)
        with pytest.raises(LocalError, match=r"Permission denied: .*held"):
            asyncio.run(remove_home(home))


def left_below(folder: Path) -> set[Path]:
    """Files and links."""
    return {
        one.relative_to(folder) for one in folder.rglob("*") if not one.is_dir() or one.is_symlink()
    }


@pytest.mark.parametrize("linked", [False, True])
def test_what_the_file_system_of_a_disk_keeps_there_counts_as_nothing(
    ours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    linked: bool,
) -> None:
    disk = tmp_path / "disk" if linked else ours
    if linked:
        ours.rename(disk)
        ours.symlink_to(disk)
    recovered = disk / "lost+found" / "#12"
    recovered.parent.mkdir()
    recovered.touch()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == disk)
    monkeypatch.setenv("STEWARD_HOME", str(ours))
    remove()
    assert left_below(disk) == {Path("lost+found", "#12")}
    assert f"{disk} stays, empty" in capsys.readouterr().out
    if not linked:
        with pytest.raises(LocalError, match=f"nothing is in {ours}"):
            remove()


def test_a_folder_that_is_only_named_so_goes(ours: Path) -> None:
    (ours / "lost+found").mkdir()
    asyncio.run(remove_home(ours))
    assert not ours.exists()


@pytest.fixture
def apart(ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where secrets, lists and the published log lie, outside of the home folder."""
    (ours / "secrets" / "inbox-key").unlink()
    (ours / "secrets").rmdir()
    (ours / "run").mkdir()
    (ours / "run" / "lock").touch()
    kept = tmp_path / "kept"
    for name in ("keys", "outgoing", "audit"):
        (kept / name).mkdir(parents=True)
    (ours / "postgres").mkdir()
    monkeypatch.setenv("STEWARD_HOME", str(ours))
    monkeypatch.setenv("STEWARD_SECRETS", str(kept / "keys"))
    return [
        f"secrets in {kept / 'keys'}",
        f"lists for recipients, in clear, in {kept / 'outgoing'}",
        f"the published audit log in {kept / 'audit'}",
    ]


def test_what_lies_elsewhere_is_named_before_and_after(
    ours: Path,
    apart: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stays = f"outside of {ours} stay: {'; '.join(apart)}"
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    with pytest.raises(typer.Abort):
        ask_to_remove()
    asked = capsys.readouterr().out
    assert stays in asked
    assert f"Remove {ours} for good, with data and logs?" in asked
    remove()
    assert capsys.readouterr().out.splitlines() == [f"removed {ours}", stays]


def test_who_has_all_in_the_home_folder_is_told_that_all_goes(
    ours: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (ours / "outgoing").mkdir()
    monkeypatch.delenv("STEWARD_SECRETS", raising=False)
    monkeypatch.setenv("STEWARD_HOME", str(ours))
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    ask_to_remove()
    assert capsys.readouterr().out.startswith(
        f"Remove {ours} for good, with data, secrets and logs?"
    )
    remove()
    assert capsys.readouterr().out == f"removed {ours}\n"


def test_who_removes_the_key_of_a_database_that_stays_is_told_what_that_means(
    ours: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (ours / "secrets" / "key-encryption-key").touch()
    for name, value in {"STEWARD_HOME": str(ours), **GIVEN}.items():
        monkeypatch.setenv(name, value)
    stays = f"outside of {ours} stay: {'; '.join(GIVEN_STAY)}"
    lost = (
        f"without the key in {ours / 'secrets'} nobody can ever open what it has sealed in"
        " the database at db.example:5433/steward"
    )
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    ask_to_remove()
    *said, question = capsys.readouterr().out.splitlines()
    assert said == [stays, lost]
    assert question.startswith(f"Remove {ours} for good, with secrets and logs?")
    remove()
    assert capsys.readouterr().out.splitlines() == [f"removed {ours}", stays, lost]


@pytest.fixture
def demonstrated(ours: Path, cluster: Path) -> Path:
    """The cluster of a demonstration, outside of the home folder, where its `data` links to."""
    (ours / "demo" / "postgres").mkdir(parents=True)
    (ours / "demo" / "postgres" / "data").symlink_to(cluster)
    return cluster


def test_what_a_demonstration_left_elsewhere_is_removed_too(home: Path, demonstrated: Path) -> None:
    asyncio.run(remove_home(home))
    assert not home.exists()
    assert not demonstrated.parent.exists()


def test_a_link_out_of_a_database_elsewhere_keeps_all_from_being_removed(
    ours: Path, demonstrated: Path, tmp_path: Path
) -> None:
    (demonstrated / "pg_wal").symlink_to(tmp_path / "disk")
    with pytest.raises(LocalError, match=f"{demonstrated}/pg_wal to {tmp_path}/disk. Nothing"):
        asyncio.run(remove_home(ours))
    assert (demonstrated / "PG_VERSION").exists()


@pytest.fixture
def running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What stands for a system that runs on the home folder."""
    with subprocess.Popen(["sleep", "600"]) as process:
        note_running(home / "run", process.pid)
        yield process
        process.kill()


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "link",
    [
        "postgres",
        "postgres/data",
        "demo/postgres/data",
        "demo",
        "kafka/kafka-2/data",
        "secrets/key",
    ],
)
def test_where_links_lead_out_nothing_is_stopped_or_removed_and_each_is_named(
    steward: Steward,
    ours: Path,
    running: subprocess.Popen[bytes],
    tmp_path: Path,
    link: str,
    *,
    there: bool,
) -> None:
    kept = tmp_path / "disk" / "kept"
    if there:
        (kept / "base").mkdir(parents=True)
    for one in (link, "vault-token"):
        (ours / one).parent.mkdir(parents=True, exist_ok=True)
        (ours / one).symlink_to(kept)
    (ours / "inside").symlink_to(ours / "secrets")
    for arguments in ((), ("--yes",)):
        done = steward("down", "--remove-everything", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{ours / link} to {kept}" in done.stderr
        assert f"{ours / 'vault-token'} to {kept}" in done.stderr
        assert "inside" not in done.stderr
    assert running.poll() is None
    assert (ours / link).is_symlink()
    assert (ours / "secrets" / "inbox-key").exists()
    assert (kept / "base").exists() is there


def test_while_a_demonstration_runs_nothing_is_removed_and_the_system_goes_on(
    steward: Steward, home: Path, demonstrated: Path, running: subprocess.Popen[bytes]
) -> None:
    note_running(home / "demo" / "run", os.getpid())
    with take_lock(home / "demo" / "run"):
        for arguments in ((), ("--yes",)):
            done = steward("down", "--remove-everything", *arguments)
            assert done.returncode == 1
            assert done.stderr == (
                f"steward: a demonstration runs in {home / 'demo'} (process {os.getpid()}):"
                " let it end, or stop it by Ctrl-C\n"
            )
    assert running.poll() is None
    assert (home / "secrets" / "inbox-key").exists()
    assert demonstrated.exists()


def test_a_second_demonstration_is_refused_while_one_runs(
    steward: Steward, home: Path, demonstrated: Path
) -> None:
    with take_lock(home / "demo" / "run"):
        done = steward("demo")
    assert done.returncode == 1
    assert f"a demonstration runs in {home / 'demo'}: let it end" in done.stderr
    assert demonstrated.exists()


class Interrupting:
    """The system's calls that remove, of which one is interrupted, and each after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.left = after
        for name in ("unlink", "rmdir"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: object, **more: object) -> None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            call(*arguments, **more)

        return counted


@pytest.mark.parametrize("linked", [False, True])
def test_a_removal_that_was_interrupted_anywhere_is_done_when_it_is_run_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    target = tmp_path / "target"
    monkeypatch.setattr(postgres_folder, "ROOTS_DATA", tmp_path / "roots")
    files = ("run/state.json", "run/kafka.log", "secrets/inbox-key", "kafka/1", "postgres/data/1")
    for after in count():
        if linked and not home.is_symlink():
            target.mkdir(exist_ok=True)
            home.symlink_to(target)
        for name in ("a-token", *files, "z-token"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()
        (home / "run" / "state.json").write_text(STOPPED)
        cluster = made_cluster()
        (home / "demo" / "postgres").mkdir(parents=True)
        (home / "demo" / "postgres" / "data").symlink_to(cluster)
        with monkeypatch.context() as patched:
            interrupting = Interrupting(patched, after)
            try:
                asyncio.run(remove_home(home))
            except KeyboardInterrupt:
                pass
            else:
                assert interrupting.left == 0, "each call was interrupted once"
                return
        asyncio.run(remove_home(home))
        # An empty folder may stay: nobody can tell it from one whose disk is away.
        assert not any(one.exists() and any(one.iterdir()) for one in (home, target))
        assert not cluster.exists()


STOPPED = '{"pid": 1, "created": 0.0, "marker": "none", "processes": []}'
"""What a system that runs no more has left."""
