"""`steward down --remove-everything` removes what is Steward's, and only when it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Steward


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
