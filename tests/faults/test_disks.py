"""The small disk itself; what a full one does to the system is an injury of the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.disks import SmallDisk, why_impossible


def test_a_small_disk_is_full_when_it_is_filled_and_has_room_again_when_it_is_freed(
    tmp_path: Path,
) -> None:
    impossible = why_impossible()
    if impossible is not None:
        pytest.skip(impossible)
    moved = tmp_path / "moved"
    (moved / "inside").mkdir(parents=True)
    (moved / "inside" / "file").write_text("kept", "utf-8")
    disk = SmallDisk(tmp_path / "disk")
    disk.mount()
    try:
        disk.take(moved)
        assert (moved / "inside" / "file").read_text("utf-8") == "kept"
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (moved / "inside" / "another").write_text("no room", "utf-8")
        disk.free()
        (moved / "inside" / "another").write_text("room", "utf-8")
    finally:
        disk.unmount()
    assert not list((tmp_path / "disk").iterdir())
