"""The published folder: what is written is there whole, also when the machine stops."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.audit.store.folder import TileFolder


def test_files_are_on_disk_before_they_have_their_names_and_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    synced, replaced = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        synced(handle)

    def replace(path: Path, target: Path) -> Path:
        done.append("name")
        return replaced(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    TileFolder(tmp_path).write({"tile/0/000": b"one", "tile/0/001": b"other"})
    assert done[:4] == ["file", "file", "name", "name"]
    # Of each folder that got something: the one of both tiles, and those that were made.
    assert done[4:] == ["folder"] * 3
