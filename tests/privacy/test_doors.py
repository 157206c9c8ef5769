"""There is no way to personal data but `use()` and `disclose()`: the tree is searched for one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOORS = ROOT / "shared" / "privacy"
INSIDE = ("sealing", "opening", "keyring", "handover", "records")
ERASERS = {"services.retention"}
"""What destroys keys needs the keyring; nothing there opens anything without a key wrapper."""


def sources() -> Iterator[Path]:
    for folder in ("services", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.is_relative_to(DOORS):
                yield path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_outside_privacy_reaches_what_opens() -> None:
    inside = {f"shared.privacy.{name}" for name in INSIDE}
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for name in imported(path)
        if name in inside and not _may_erase(path, name)
    }
    assert not found


def _may_erase(path: Path, name: str) -> bool:
    module = ".".join(path.relative_to(ROOT).parts[:2])
    return name == "shared.privacy.keyring" and module in ERASERS


def test_no_module_outside_privacy_uses_a_cipher_or_the_key_encryption_key() -> None:
    """Where it is read from, by two modules, and handed to privacy, which alone uses it."""
    allowed = {ROOT / "shared/runtime" / name for name in ("secrets.py", "key_source.py")}
    found = [
        path.relative_to(ROOT)
        for path in sources()
        if path not in allowed
        and re.search(r"AESGCM|ciphers\.aead|key_encryption_keys\(", path.read_text("utf-8"))
    ]
    assert not found


def test_no_statement_outside_privacy_calls_the_keyring() -> None:
    found = [
        path.relative_to(ROOT)
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*.sql")
        if not path.is_relative_to(DOORS)
        and re.search(r"keyring\.\w+", re.sub(r"--.*", "", path.read_text("utf-8")))
    ]
    assert not found


@pytest.mark.parametrize("path", sorted(DOORS.rglob("*.sql")), ids=lambda path: path.name)
def test_functions_that_run_as_the_owner_have_a_fixed_search_path(path: Path) -> None:
    text = path.read_text("utf-8")
    functions = re.findall(r"create function .*? as \$\$", text, re.DOTALL)
    # The keyring's do; one in a service's schema may do only what its caller may.
    declared = [head for head in functions if path.parent.name == "keyring" or "definer" in head]
    assert all("set search_path = keyring, pg_temp" in head for head in declared)
    assert all("security definer" in head for head in declared)
    assert "execute format" not in text or path.parent.name == "service"
