"""PostgreSQL's write-ahead log, read so that a value is whole where a page cuts it in two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.canary.survey import Survey, files_below

PAGE: Final = 8192
FIRST_HEADER: Final = 40
"""Bytes before the first page of a segment (`XLogLongPageHeaderData`, access/xlog_internal.h)."""

HEADER: Final = 24
"""Bytes before each other page, in the middle of a record as well (`XLogPageHeaderData`)."""

_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")


def look_at_wal(survey: Survey, place: str, folder: Path) -> None:
    """Search every file of the log; what vanishes meanwhile is passed over."""
    for file in sorted(files_below(folder)):
        if _SEGMENT.fullmatch(file.name):
            try:
                survey.look(place, file.name, without_headers(file))
            except FileNotFoundError:
                continue
        else:
            survey.look_at_file(place, file, file.name)


def without_headers(segment: Path) -> Iterator[bytes]:
    """What stands on the pages of a segment, one after the other."""
    header = FIRST_HEADER
    with segment.open("rb") as opened:
        while page := opened.read(PAGE):
            yield page[header:]
            header = HEADER
