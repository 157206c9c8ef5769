"""The key-encryption key comes from one place; whatever is no key is refused and not shown."""

from __future__ import annotations

import secrets
import shlex
import sys
from pathlib import Path

import pytest

from shared.runtime.key_source import read_key_encryption_keys
from shared.runtime.secrets import SecretsError, SecretsFolder
from shared.runtime.settings import ServiceSettings

KEY = secrets.token_bytes(32)
CANARY = "canary-Maija-4711"


def settings(folder: Path, **variables: str) -> ServiceSettings:
    return ServiceSettings.load(
        {
            "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
            "DATABASE_URL": "postgresql://localhost/steward",
            "STEWARD_SECRETS": str(folder),
            **{f"STEWARD_KEY_ENCRYPTION_{name}": value for name, value in variables.items()},
        }
    )


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_it_is_in_the_folder_of_secrets_unless_something_else_is_said(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path / "secrets")
    folder.create()
    assert read_key_encryption_keys(settings(folder.path)) == tuple(
        folder.key_encryption_keys().values()
    )


@pytest.mark.parametrize("fault", ["missing", "short", "world-readable"])
def test_a_faulty_file_is_refused(tmp_path: Path, fault: str) -> None:
    folder = SecretsFolder(tmp_path / "secrets")
    folder.create()
    file = folder.path / "key-encryption-key"
    if fault == "missing":
        file.unlink()
    elif fault == "short":
        file.write_text(KEY.hex()[:-2])
    else:
        file.chmod(0o644)
    expected = {"missing": "cannot read", "short": "32 bytes", "world-readable": "chmod 600"}
    with pytest.raises(SecretsError, match=expected[fault]):
        read_key_encryption_keys(settings(folder.path))


def test_the_environment_goes_before_the_folder(tmp_path: Path) -> None:
    assert read_key_encryption_keys(settings(tmp_path, KEY=KEY.hex())) == (KEY,)


def test_what_a_command_writes_goes_before_the_folder(tmp_path: Path) -> None:
    command = python(f"print({KEY.hex()!r})")
    assert read_key_encryption_keys(settings(tmp_path, KEY_COMMAND=command)) == (KEY,)


def test_several_may_be_given_the_newest_first(tmp_path: Path) -> None:
    newer = bytes(32)
    given = settings(tmp_path, KEY=f"{newer.hex()} {KEY.hex()}")
    assert read_key_encryption_keys(given) == (newer, KEY)
    command = python(f"print({newer.hex()!r}); print({KEY.hex()!r})")
    assert read_key_encryption_keys(settings(tmp_path, KEY_COMMAND=command)) == (newer, KEY)


def test_of_two_sources_none_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="both set"):
        read_key_encryption_keys(settings(tmp_path, KEY=KEY.hex(), KEY_COMMAND="true"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("KEY", CANARY, "KEY is not hexadecimal: expected 64"),
        ("KEY", KEY.hex()[:-2], "KEY does not hold 32 bytes"),
        ("KEY_COMMAND", python(f"print({CANARY!r})"), "KEY_COMMAND is not hexadecimal"),
        ("KEY_COMMAND", python("pass"), "KEY_COMMAND does not hold 32 bytes"),
        ("KEY_COMMAND", python(r"import os; os.write(1, b'\xff')"), "is not text"),
        ("KEY_COMMAND", python(f"import sys; sys.exit({CANARY!r})"), "ended with exit code 1"),
        ("KEY_COMMAND", f"/nowhere/{CANARY}", "cannot be run"),
        ("KEY_COMMAND", f"'{CANARY}", "quotes do not match"),
    ],
    ids=[
        "words",
        "short",
        "command: words",
        "command: nothing",
        "command: no text",
        "command: fails",
        "command: not there",
        "command: quotes",
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(
    tmp_path: Path, name: str, value: str, expected: str
) -> None:
    with pytest.raises(SecretsError, match=expected) as caught:
        read_key_encryption_keys(settings(tmp_path, **{name: value}))
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_command_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    waiting = settings(tmp_path, KEY_COMMAND=python("import threading; threading.Event().wait()"))
    with pytest.raises(SecretsError, match="did not end within"):
        read_key_encryption_keys(waiting, timeout_s=0.2)


def test_neither_key_nor_command_is_in_what_settings_show(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path, KEY=KEY.hex(), KEY_COMMAND=CANARY))
    assert KEY.hex() not in shown
    assert CANARY not in shown
