"""A disk so small that it can be filled: a tmpfs, which root alone can mount."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SIZE = 384 * 2**20
"""Bytes: what a world needs by far, and filled in no time."""

_PAGE = 4096
_BALLAST = "ballast"


class SmallDisk:
    """Mounted on a folder of its own. What is moved onto it stays where it was, as a link."""

    def __init__(self, mount_point: Path) -> None:
        self._mount_point = mount_point

    def mount(self) -> None:
        """Raises OSError where it is not allowed."""
        self._mount_point.mkdir()
        options = f"size={SIZE},mode=0711"
        _run("mount", "-t", "tmpfs", "-o", options, "steward-faults", str(self._mount_point))

    def unmount(self) -> None:
        """Also where something still uses it; nothing is left of it once that ends."""
        _run("umount", "--lazy", str(self._mount_point))

    def take(self, folder: Path) -> None:
        """Move a folder here, with owners and modes. Nothing may use it meanwhile."""
        place = self._mount_point / folder.name
        shutil.copytree(folder, place, copy_function=shutil.copy2)
        for copied, original in _pairs(place, folder):
            owner = original.stat()
            os.chown(copied, owner.st_uid, owner.st_gid)
        shutil.rmtree(folder)
        folder.symlink_to(place)

    def fill(self) -> None:
        """Leave not one page."""
        with (self._mount_point / _BALLAST).open("wb", buffering=0) as ballast:
            free = os.statvfs(self._mount_point)
            with contextlib.suppress(OSError):
                os.posix_fallocate(ballast.fileno(), 0, free.f_bavail * free.f_frsize)
            ballast.seek(0, os.SEEK_END)
            with contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(_PAGE))

    def free(self) -> None:
        """Give the room back."""
        (self._mount_point / _BALLAST).unlink()


def why_impossible() -> str | None:
    """What keeps this process from mounting such a disk; None where it can."""
    with tempfile.TemporaryDirectory(prefix="steward-disk-") as folder:
        disk = SmallDisk(Path(folder) / "disk")
        try:
            disk.mount()
        except OSError as error:
            return f"a small disk (tmpfs) cannot be mounted here: {error}"
        disk.unmount()
    return None


def _pairs(copied: Path, original: Path) -> list[tuple[Path, Path]]:
    below = [path.relative_to(original) for path in original.rglob("*")]
    return [(copied, original), *((copied / path, original / path) for path in below)]


def _run(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30)
    except subprocess.CalledProcessError as error:
        raise OSError(f"{argv[0]}: {str(error.stderr).strip()}") from None
