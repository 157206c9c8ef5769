"""What is installed is pinned by hashes, the same for every Python that we run on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = ("requirements.lock", "requirements-bench.lock", "requirements-dev.lock")
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")


def pins(lock: str) -> list[tuple[Requirement, list[str]]]:
    """What a lock pins, and the hashes of each."""
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    return [
        (Requirement(line.partition("--hash")[0]), re.findall(r"--hash=(\S+)", line))
        for line in lines
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_has_a_hash_for_each_pin(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text("utf-8")
    assert pins(lock)
    for pin, hashes in pins(lock):
        assert re.fullmatch(r"==[\w.+!]+", str(pin.specifier)), pin.name
        assert hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), pin.name


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_each_package_once_for_every_python_from_3_11_on(
    lock: str, python: str
) -> None:
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    named = Counter(
        pin.name for pin, _ in pins(lock) if pin.marker is None or pin.marker.evaluate(here)
    )
    wanted = (ROOT / lock).with_suffix(".in").read_text("utf-8")
    asked = {Requirement(line).name for line in wanted.splitlines() if line[:1].isalpha()}
    assert asked <= named.keys()
    assert {name for name, count in named.items() if count > 1} == set()


def test_locks_are_made_for_every_python_and_platform_at_once() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (options,) = re.findall(r"^COMPILE = (.*)$", makefile, re.MULTILINE)
    assert {"--universal", "--generate-hashes", "--no-emit-index-url"} <= set(options.split())
    assert "--python-version 3.11" in options
    assert re.findall(r"COMPILE\) .*--output-file (\S+)$", makefile, re.MULTILINE) == [*LOCKS]
