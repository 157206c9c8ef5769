"""Which Python a new checkout gets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sort", "head", "cut", "grep")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A PATH with what the script itself uses, and no Python yet."""
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    return tmp_path


def choose(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ROOT / "deploy" / "quickest-python"],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def put(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_quickest_is_taken_whichever_comes_first(folder: Path) -> None:
    put(folder / "python3.13", "echo 1900 /slow/python3.13")
    put(folder / "python3.11", "echo 980 /quick/python3.11")
    put(folder / "python3", "echo 1000 /neither/python3")
    assert choose(folder).stdout == "/quick/python3.11\n"


def test_one_that_does_not_do_is_passed_over(folder: Path) -> None:
    put(folder / "python3.12", "echo a wrapper for a version that is not there >&2; exit 127")
    put(folder / "python3", "echo 1000 /that/does/python3")
    done = choose(folder)
    assert (done.stdout, done.stderr) == ("/that/does/python3\n", "")


def test_a_real_one_is_tried_and_named_by_its_own_path(folder: Path) -> None:
    put(folder / "python3", f'exec {sys.executable} "$@"')
    chosen = choose(folder).stdout.strip()
    asked = "import json, sys; print(json.dumps([sys.version_info >= (3, 11), sys.executable]))"
    told = subprocess.run([chosen, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == [True, chosen]


def test_where_there_is_none_it_is_said_what_to_do(folder: Path) -> None:
    put(folder / "python3", "exit 1")
    done = choose(folder)
    assert done.returncode == 1
    assert "make PYTHON=" in done.stderr
