"""What was searched, and what was found where it may be and where it may not."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from tests.canary.encodings import READ
from tests.canary.marks import PLANTED, Mark
from tests.canary.searcher import CHUNK, Found, Searcher

May = Callable[[Mark], bool]
"""Whether a mark may be where it was found."""


def nowhere(_: Mark) -> bool:
    """No mark may be there."""
    return False


def anyones(_: Mark) -> bool:
    """Every mark may be there."""
    return True


@dataclass(frozen=True, slots=True)
class Leak:
    """Where a mark was found that may not be there; never what it says."""

    place: str
    item: str
    encoding: str
    field: str

    def __str__(self) -> str:
        return f"{self.place}: {self.item}: {self.field} in {self.encoding}"


@dataclass(slots=True)
class Row:
    """One kind of place: how much of it was searched, and how many marks it has."""

    items: int = 0
    bytes: int = 0
    found: int = 0
    allowed: int = 0
    planted: int = 0
    """Of marks that we planted there ourselves."""


@dataclass(slots=True)
class Survey:
    """Collects what a search of many places comes to."""

    searcher: Searcher
    rows: dict[str, Row] = field(default_factory=dict)
    leaks: Counter[Leak] = field(default_factory=Counter)
    allowed: Counter[Mark] = field(default_factory=Counter)

    def look(self, place: str, item: str, data: Iterable[bytes], may: May = nowhere) -> None:
        """Search bytes that follow each other: a part of a place, named for whoever mends it."""
        row = self.rows.setdefault(place, Row())
        row.items += 1

        def counted() -> Iterable[bytes]:
            for chunk in data:
                row.bytes += len(chunk)
                yield chunk

        for found in self.searcher.search(counted()):
            self._note(row, place, item, found, may)

    def look_at_file(self, place: str, file: Path, item: str, may: May = nowhere) -> None:
        """Search a file; one that is gone meanwhile is passed over."""
        try:
            with file.open("rb") as opened:
                self.look(place, item, written(opened), may)
        except FileNotFoundError:
            return

    def look_below(
        self, place: str, folder: Path, may: May = nowhere, *, without: Collection[Path] = ()
    ) -> None:
        """Search every file of a folder and its folders, without some of them."""
        for file in sorted(files_below(folder, without)):
            self.look_at_file(place, file, str(file.relative_to(folder)), may)

    def add(self, other: Survey) -> None:
        """What another one found, of other places."""
        self.rows.update(other.rows)
        self.leaks.update(other.leaks)
        self.allowed.update(other.allowed)

    def _note(self, row: Row, place: str, item: str, found: Found, may: May) -> None:
        if found.mark.person == PLANTED:
            row.planted += 1
            return
        row.found += 1
        if may(found.mark):
            row.allowed += 1
            self.allowed[found.mark] += 1
        else:
            said = found.mark.field or "a field that is cut off"
            self.leaks[Leak(place, item, found.encoding, said)] += 1


def written(file: BinaryIO) -> Iterator[bytes]:
    """What was written into a file, in chunks. Kafka makes indexes of 10 MB that are holes."""
    end = os.fstat(file.fileno()).st_size
    at = 0
    while at < end:
        try:
            start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            hole = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # there is nothing but a hole up to the end
                raise
            return
        if start > at:
            yield bytes(READ)
        file.seek(start)
        while start < hole and (chunk := file.read(min(CHUNK, hole - start))):
            start += len(chunk)
            yield chunk
        at = hole


_PASSED_OVER: Final = (FileNotFoundError, NotADirectoryError)


def files_below(folder: Path, without: Collection[Path] = ()) -> Iterable[Path]:
    """Regular files; links are not followed. What vanishes meanwhile is left out."""
    try:
        entries = list(folder.iterdir())
    except _PASSED_OVER:
        return
    for entry in entries:
        if entry in without or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from files_below(entry, without)
        elif entry.is_file():
            yield entry
