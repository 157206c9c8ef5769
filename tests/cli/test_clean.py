"""`make clean` removes what is of its checkout, and takes nothing from under what runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.local.state import take_lock
from tests.cli.conftest import ROOT, note_running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder to be cleaned, whose `steward` removes nothing and says so."""
    folder = tmp_path / "checkout"
    commands = {
        "steward": "echo asked: $* of ${STEWARD_HOME-.local}\nexit 1",
        "python": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"',
    }
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name, script in commands.items():
        write_program(folder / ".venv" / "bin" / name, script)
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def write_program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def clean(checkout: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """With a home folder named that lies elsewhere, and stays."""
    home = checkout.parent / "elsewhere"
    (home / "secrets").mkdir(parents=True, exist_ok=True)
    (home / "secrets" / "inbox-key").touch()
    done = make_clean(checkout, home, **environ)
    assert (home / "secrets" / "inbox-key").exists()
    return done


def make_clean(checkout: Path, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "clean"],
        cwd=checkout,
        env={**os.environ, "STEWARD_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


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


@pytest.mark.parametrize("folder", ["run", "demo/run"])
def test_a_checkout_is_not_cleaned_while_something_runs_on_a_home_folder_elsewhere(
    checkout: Path, folder: str
) -> None:
    key = checkout / ".local" / "secrets" / "inbox-key"
    key.parent.mkdir(parents=True)
    key.touch()
    note_running(checkout.parent / "elsewhere" / folder, os.getpid())
    with take_lock(checkout.parent / "elsewhere" / folder):
        done = clean(checkout)
    assert done.returncode != 0
    assert f"{checkout.parent / 'elsewhere'} is in use, perhaps with the .venv" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert "asked" not in done.stdout
    assert (checkout / ".venv").exists()
    assert key.exists()


def test_where_the_home_folder_that_is_named_is_the_checkouts_its_system_is_stopped(
    checkout: Path,
) -> None:
    with take_lock(checkout / ".local" / "run"):
        done = make_clean(checkout, checkout / ".local")
    assert "asked: down --remove-everything --yes of .local" in done.stdout
    assert "in use" not in done.stderr


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """First in PATH: an `rm` that cannot remove `.local`, as if it were a mount point."""
    folder = tmp_path / "programs"
    folder.mkdir()
    real = shutil.which("rm")
    write_program(folder / "rm", f'case "$*" in *.local) exit 1; esac\nexec "{real}" "$@"')
    return folder


@pytest.mark.parametrize(("left", "cleaned"), [("", True), ("lost+found", True), ("data", False)])
def test_a_checkout_is_cleaned_where_nothing_is_left_in_a_home_folder_that_stays(
    checkout: Path, programs: Path, left: str, *, cleaned: bool
) -> None:
    (checkout / ".local" / left).mkdir(parents=True)
    done = clean(checkout, PATH=f"{programs}:{os.environ['PATH']}")
    assert (done.returncode == 0) is cleaned
    assert (checkout / ".venv").exists() is not cleaned


def test_what_the_file_system_of_a_disk_keeps_in_a_home_folder_stays(
    checkout: Path, programs: Path
) -> None:
    recovered = checkout / ".local" / "lost+found" / "#12"
    recovered.parent.mkdir(parents=True)
    recovered.touch()
    (checkout / ".local" / "logs").mkdir()
    (programs / "rm").unlink()
    write_program(programs / "mountpoint", "exit 0")
    done = clean(checkout, PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert recovered.exists()
    assert not (checkout / ".local" / "logs").exists()
    assert not (checkout / ".venv").exists()


def test_a_home_folder_that_cannot_be_looked_into_is_not_taken_for_empty(
    checkout: Path, programs: Path
) -> None:
    (checkout / ".local").mkdir()
    write_program(programs / "ls", "exit 2")
    done = clean(checkout, PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert (checkout / ".venv").exists()
