"""What belongs to a local system and lies outside of its home folder."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from services.cli.environment import secrets_path
from shared.local.state import read_state
from shared.runtime.database import without_credentials
from shared.runtime.secrets import KEY_ENCRYPTION_KEY

_OUTGOING: Final = ("STEWARD_OUTGOING_FOLDER", "outgoing", "lists for recipients, in clear,")
_BESIDE_SECRETS: Final = (_OUTGOING, ("STEWARD_AUDIT_FOLDER", "audit", "the published audit log"))
"""Folders of services: the variable that names each, its name beside the secrets otherwise, what is
in it. Their settings, which have the same, want servers as well.
"""

_OTHER_KEYS: Final = (
    "STEWARD_KEY_ENCRYPTION_KEY",
    "STEWARD_KEY_ENCRYPTION_KEY_COMMAND",
    "STEWARD_VAULT_ADDRESS",
)
"""With one of these the key-encryption key is not in the folder of secrets."""


def has_data(home: Path) -> bool:
    """Whether there is data that goes with the home folder: of servers, or lists."""
    variable, name, _ = _OUTGOING
    folders = [home / server for server in ("kafka", "postgres", "demo")]
    folders.append(Path(os.environ.get(variable) or secrets_path().parent / name))
    return any(_is_in(home, one) for one in folders if one.exists())


def has_secrets(home: Path) -> bool:
    """Whether there are secrets that go with the home folder."""
    return any(_is_in(home, one) for one in (home / "secrets", secrets_path()) if one.exists())


def never_opened(home: Path, environ: MutableMapping[str, str] = os.environ) -> str | None:
    """What nobody can read any more without the home folder, though it stays: None where no
    database stays, or its key does.
    """
    secrets = secrets_path(environ)
    goes = any(_is_in(home, key) for key in secrets.glob(f"{KEY_ENCRYPTION_KEY}*"))
    databases = _databases(home, environ)
    if not databases or not goes or any(environ.get(one) for one in _OTHER_KEYS):
        return None
    return (
        f"without the key in {secrets} nobody can ever open what it has sealed in"
        f" {' and '.join(databases)}"
    )


def outside_of(home: Path, environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """What stays where the home folder is removed, and the folder of each or the server. Of a
    folder that the environment does not name nothing is known, and of a server only what the last
    system was given.
    """
    return _folders(home, environ) + _databases(home, environ) + _topics(home, environ)


def _folders(home: Path, environ: MutableMapping[str, str]) -> list[str]:
    secrets = secrets_path(environ).absolute()
    folders = {secrets: "secrets"}
    for variable, name, what in _BESIDE_SECRETS:
        folders[Path(environ.get(variable) or secrets.parent / name).absolute()] = what
    return [
        f"{what} in {folder.resolve()}"
        for folder, what in folders.items()
        if folder.exists() and not _is_in(home, folder)
    ]


def _databases(home: Path, environ: MutableMapping[str, str]) -> list[str]:
    """Without user and password, and of an address that is not understood nothing."""
    found = []
    for url in _given("DATABASE_URL", home, environ):
        bare = without_credentials(url).partition("://")[2]
        understood = bare and "@" not in bare
        where = f"at {bare.partition('?')[0]}" if understood else "that DATABASE_URL names"
        found.append(f"the database {where}")
    return list(dict.fromkeys(found))


def _topics(home: Path, environ: MutableMapping[str, str]) -> list[str]:
    found = []
    for servers in _given("KAFKA_BOOTSTRAP_SERVERS", home, environ):
        where = ", ".join(server.strip() for server in servers.split(","))
        found.append(f"the topics of Kafka at {where}, those of upstream in clear")
    return list(dict.fromkeys(found))


def _given(variable: str, home: Path, environ: MutableMapping[str, str]) -> list[str]:
    """Servers that the environment names, and that the last system on the folder was given."""
    state = read_state(home / "run")
    noted = state.addresses[variable] if state and variable in state.given else None
    return [one for one in (environ.get(variable), noted) if one]


def _is_in(home: Path, folder: Path) -> bool:
    return folder.resolve().is_relative_to(home.resolve())
