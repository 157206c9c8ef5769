"""Looks at our processes while they run: their arguments, their environment, and what they write
outside of the folders that are searched afterwards.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import psutil

from tests.canary.places import ARGUMENTS, STRAY_FILES
from tests.canary.searcher import Searcher
from tests.canary.survey import Survey

EVERY_S: Final = 0.1

_NO_NAME: Final = " (deleted)"
_SORTED: Final = "/pgsql_tmp/"
"""Where PostgreSQL sorts what does not fit in memory."""
_GONE: Final = (psutil.Error, OSError)


class Watch:
    """Looks at all processes that descend from this one, ten times a second, until it is closed.

    `searched`: folders whose files are searched afterwards anyway.
    """

    def __init__(self, searcher: Searcher, searched: Collection[Path]) -> None:
        self.survey = Survey(searcher)
        self._searched = tuple(f"{folder}/" for folder in searched)
        self._only_read: set[tuple[Path, str, str]] = set()
        self._seen: set[tuple[object, ...]] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def has_planted(self, place: str) -> bool:
        """Whether it has found a mark that was planted for it. Raises what ended the watch."""
        if self.error is not None:
            raise self.error
        row = self.survey.rows.get(place)
        return row is not None and row.planted > 0

    def _run(self) -> None:
        try:
            while not self._over.wait(EVERY_S):
                self.look()
        except BaseException as error:  # noqa: BLE001 - raised where the watch ends
            self.error = error

    def look(self) -> None:
        """Look once at each process and at each file that it has open for writing."""
        for process in psutil.Process().children(recursive=True):
            with suppress(*_GONE):
                self._look_at(process)

    def _look_at(self, process: psutil.Process) -> None:
        name = process.name()
        folder = Path("/proc") / str(process.pid)
        for kind in ("cmdline", "environ"):
            said = (folder / kind).read_bytes()
            identity = (process.pid, process.create_time(), kind, hash(said))
            if said and identity not in self._seen:
                self._seen.add(identity)
                self.survey.look(ARGUMENTS, f"{kind} of {name}", [said])
        for descriptor in self._written(folder):
            self.survey.look(STRAY_FILES, f"a file of {name}", [descriptor.read_bytes()])

    def _written(self, folder: Path) -> Iterator[Path]:
        """Descriptors of regular files that are open for writing and not searched otherwise."""
        for name in os.listdir(folder / "fd"):  # noqa: PTH208 - hundreds, ten times a second
            with suppress(*_GONE):
                target = os.readlink(f"{folder}/fd/{name}")  # noqa: PTH115 - as above
                if (folder, name, target) in self._only_read or self._is_searched(target):
                    continue
                descriptor = folder / "fd" / name
                found = descriptor.stat()
                if not stat.S_ISREG(found.st_mode) or not _is_for_writing(folder, name):
                    self._only_read.add((folder, name, target))
                    continue
                identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
                if identity not in self._seen:
                    self._seen.add(identity)
                    yield descriptor

    def _is_searched(self, target: str) -> bool:
        """What is not in any folder any more, or is soon gone, is not searched at the end."""
        soon_gone = target.endswith(_NO_NAME) or _SORTED in target
        return target.startswith(self._searched) and not soon_gone


def _is_for_writing(folder: Path, descriptor: str) -> bool:
    flags = (folder / "fdinfo" / descriptor).read_text("ascii").split("flags:")[1].split()[0]
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
