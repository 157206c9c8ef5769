"""What belongs to a local system and lies outside of its home folder."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from services.cli.environment import secrets_path

_BESIDE_SECRETS: Final = (
    ("STEWARD_OUTGOING_FOLDER", "outgoing", "lists for recipients, in clear,"),
    ("STEWARD_AUDIT_FOLDER", "audit", "the published audit log"),
)
"""Folders of services: the variable that names each, its name beside the secrets otherwise, what is
in it. Their settings, which have the same, want servers as well.
"""


def has_secrets(home: Path) -> bool:
    """Whether there are secrets that go with the home folder."""
    return any(_is_in(home, one) for one in (home / "secrets", secrets_path()) if one.exists())


def outside_of(home: Path, environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """What stays where the home folder is removed, and the folder of each, also where that is a
    link in it. Of what the environment does not name nothing is known.
    """
    secrets = secrets_path(environ).absolute()
    folders = {secrets: "secrets"}
    for variable, name, what in _BESIDE_SECRETS:
        folders[Path(environ.get(variable) or secrets.parent / name).absolute()] = what
    if home.exists():
        links = (one for one in sorted(home.absolute().iterdir()) if one.is_symlink())
        folders |= {one: f"what {one.name} links to" for one in links if one not in folders}
    return [
        f"{what} in {folder.resolve()}"
        for folder, what in folders.items()
        if folder.exists() and not _is_in(home, folder)
    ]


def _is_in(home: Path, folder: Path) -> bool:
    return folder.resolve().is_relative_to(home.resolve())
