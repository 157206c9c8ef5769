"""`steward down --remove-everything` removes what is Steward's, and only when it is meant."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import typer

from services.audit import settings as audit
from services.cli.down import ask_to_remove, remove, remove_home
from services.cli.outside import has_secrets, outside_of
from services.registration import settings as registration
from shared.local.errors import LocalError
from shared.local.process import Identity
from shared.local.state import State, take_lock, write_state
from tests.cli.conftest import ROOT, Steward
from tests.support.terminal import Terminal


@pytest.fixture
def ours(home: Path) -> Path:
    """A home folder with nothing but secrets."""
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "inbox-key").touch()
    return home


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
    for _ in range(2):
        remove()
        assert list(ours.iterdir()) == []
        assert f"{ours} stays, empty" in capsys.readouterr().out


def test_what_cannot_be_removed_is_named(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, **_: int) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(ours / "secrets"))

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(LocalError, match=r"Permission denied: .*secrets"):
        asyncio.run(remove_home(ours))


@pytest.fixture
def apart(ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where secrets, lists and the published log lie, outside of the home folder."""
    (ours / "secrets" / "inbox-key").unlink()
    (ours / "secrets").rmdir()
    (ours / "run").mkdir()
    (ours / "run" / "lock").touch()
    kept = tmp_path / "kept"
    for name in ("keys", "outgoing", "audit", "disk"):
        (kept / name).mkdir(parents=True)
    (ours / "kafka").symlink_to(kept / "disk")
    monkeypatch.setenv("STEWARD_HOME", str(ours))
    monkeypatch.setenv("STEWARD_SECRETS", str(kept / "keys"))
    return [
        f"secrets in {kept / 'keys'}",
        f"lists for recipients, in clear, in {kept / 'outgoing'}",
        f"the published audit log in {kept / 'audit'}",
        f"what kafka links to in {kept / 'disk'}",
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


def test_secrets_that_the_home_folder_links_to_are_named_once_and_as_secrets(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    (ours / "secrets").rename(kept)
    (ours / "secrets").symlink_to(kept)
    monkeypatch.chdir(tmp_path)
    environ = {"STEWARD_HOME": ours.name}
    assert outside_of(Path(ours.name), environ) == [f"secrets in {kept}"]
    assert not has_secrets(ours)


@pytest.mark.parametrize("named", [False, True])
def test_folders_of_services_are_looked_for_where_their_settings_have_them(
    home: Path, tmp_path: Path, *, named: bool
) -> None:
    environ = {"STEWARD_HOME": str(home), "STEWARD_SECRETS": str(tmp_path / "kept" / "secrets")}
    if named:
        environ["STEWARD_OUTGOING_FOLDER"] = str(tmp_path / "lists")
        environ["STEWARD_AUDIT_FOLDER"] = str(tmp_path / "log")
    servers = {"KAFKA_BOOTSTRAP_SERVERS": "h:1", "DATABASE_URL": "postgresql://h/d"}
    outgoing = registration.Settings.load(environ | servers).outgoing
    published = audit.Settings.load(environ | servers).published_folder
    for folder in (outgoing, published):
        folder.mkdir(parents=True)
    assert outside_of(home, environ) == [
        f"lists for recipients, in clear, in {outgoing}",
        f"the published audit log in {published}",
    ]


@pytest.fixture
def demonstrated(ours: Path, tmp_path: Path) -> Path:
    """The cluster of a demonstration, outside of the home folder, where its `data` links to."""
    cluster = tmp_path / "elsewhere" / "data"
    cluster.mkdir(parents=True)
    (ours / "demo" / "postgres").mkdir(parents=True)
    (ours / "demo" / "postgres" / "data").symlink_to(cluster)
    return cluster


def test_what_a_demonstration_left_elsewhere_is_removed_too(
    steward: Steward, home: Path, demonstrated: Path
) -> None:
    assert steward("down", "--remove-everything", "--yes").returncode == 0
    assert not home.exists()
    assert not demonstrated.exists()


@pytest.fixture
def running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What stands for a system that runs on the home folder."""
    with subprocess.Popen(["sleep", "600"]) as process:
        note_running(home / "run", process.pid)
        yield process
        process.kill()


def note_running(folder: Path, pid: int) -> None:
    found = Identity.of(pid)
    assert found is not None
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder, State(found.pid, found.created, "m", "running"))


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
    files = ("run/state.json", "run/kafka.log", "secrets/inbox-key", "kafka/1", "postgres/data/1")
    for after in count():
        if linked:
            target.mkdir(exist_ok=True)
            home.symlink_to(target)
        for name in ("a-token", *files, "z-token"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()
        (home / "run" / "state.json").write_text(STOPPED)
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
        assert not home.exists()
        assert not home.is_symlink()
        assert not linked or list(target.iterdir()) == []


STOPPED = '{"pid": 1, "created": 0.0, "marker": "none", "processes": []}'
"""What a system that runs no more has left."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder to be cleaned, whose `steward` removes nothing and says so."""
    folder = tmp_path / "checkout"
    command = folder / ".venv" / "bin" / "steward"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\necho asked: $* of ${STEWARD_HOME-.local}\nexit 1\n")
    command.chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def clean(checkout: Path) -> subprocess.CompletedProcess[str]:
    """With a home folder named that lies elsewhere, and stays."""
    key = checkout.parent / "elsewhere" / "secrets" / "inbox-key"
    key.parent.mkdir(parents=True)
    key.touch()
    done = subprocess.run(
        ["make", "clean"],
        cwd=checkout,
        env={**os.environ, "STEWARD_HOME": str(key.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert key.exists()
    return done


def test_a_home_folder_elsewhere_is_not_the_checkouts(checkout: Path) -> None:
    done = clean(checkout)
    assert done.returncode == 0, done.stderr
    assert "asked" not in done.stdout
    assert not (checkout / ".venv").exists()


def test_what_was_put_there_by_hand_does_not_keep_a_checkout_from_being_cleaned(
    checkout: Path,
) -> None:
    (checkout / ".local").mkdir()
    (checkout / ".local" / "vault-token").touch()
    done = clean(checkout)
    assert done.returncode == 0, done.stderr
    assert not (checkout / ".local").exists()


@pytest.mark.parametrize("mark", ["run/lock", "secrets/inbox-key", "demo/run/lock"])
def test_a_checkout_is_not_cleaned_while_its_system_cannot_be_removed(
    checkout: Path, mark: str
) -> None:
    (checkout / ".local" / mark).parent.mkdir(parents=True)
    (checkout / ".local" / mark).touch()
    done = clean(checkout)
    assert done.returncode != 0
    assert "asked: down --remove-everything --yes of .local" in done.stdout
    assert (checkout / ".local" / mark).exists()
