"""Where in a TOML file each key stands; tomllib itself does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Path = tuple[str | int, ...]
"""The way to a key: names of tables and keys, and places (from 0) in arrays of tables."""

_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_QUOTES = ('"""', "'''", '"', "'")


class Lines:
    """Line numbers (from 1) by path. What stands inside a value has the line of its key."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}
        self._scan(text.split("\n"))

    def of(self, path: Sequence[str | int]) -> int:
        """The line of the key, or of the nearest thing around it that has one."""
        way = tuple(path)
        while way not in self._lines:
            way = way[:-1]
        return self._lines[way]

    def has(self, path: Sequence[str | int]) -> bool:
        """Whether the key itself was seen."""
        return tuple(path) in self._lines

    def _scan(self, lines: Sequence[str]) -> None:
        table: Path = ()
        value = _Value()
        for number, line in enumerate(lines, 1):
            if value.open:
                value.read(line)
                continue
            text = line.lstrip()
            if text.startswith("["):
                table = self._table(text)
                for depth in range(1, len(table) + 1):
                    # A table that only stands in others' names is where the first of them is.
                    self._lines.setdefault(table[:depth], number)
            elif text and not text.startswith("#"):
                key, end = _dotted(text)
                self._lines.setdefault(table + key, number)
                value.read(text[end + 1 :])

    def _table(self, text: str) -> Path:
        is_array = text.startswith("[[")
        names, _ = _dotted(text[2 if is_array else 1 :])
        path: Path = ()
        for place, name in enumerate(names):
            path = (*path, name)
            if is_array and place == len(names) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path


def _dotted(text: str) -> tuple[Path, int]:
    """A dotted key at the start of the text, and where it ends."""
    names: list[str] = []
    end = 0
    while found := _KEY.match(text, end):
        names.append(next(group for group in found.groups() if group is not None))
        end = found.end()
        if end >= len(text) or text[end] != ".":
            break
        end += 1
    return tuple(names), end


class _Value:
    """Follows a value over line ends: strings of four kinds, brackets, comments."""

    def __init__(self) -> None:
        self._quote = ""
        self._depth = 0

    @property
    def open(self) -> bool:
        return bool(self._quote) or self._depth > 0

    def read(self, text: str) -> None:
        place = 0
        while place < len(text):
            place = self._in_string(text, place) if self._quote else self._outside(text, place)
        if len(self._quote) == 1:
            self._quote = ""  # cannot go on on the next line; tomllib says what is wrong with it

    def _in_string(self, text: str, place: int) -> int:
        if text[place] == "\\" and self._quote[0] == '"':
            return place + 2
        if text.startswith(self._quote, place):
            place += len(self._quote)
            self._quote = ""
            return place
        return place + 1

    def _outside(self, text: str, place: int) -> int:
        if text[place] == "#":
            return len(text)
        for quote in _QUOTES:
            if text.startswith(quote, place):
                self._quote = quote
                return place + len(quote)
        self._depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(text[place], 0)
        return place + 1


def written(path: Sequence[str | int]) -> str:
    """A path as one would write it in the file."""
    return ".".join(str(part) if _plain(part) else f'"{part}"' for part in path)


def _plain(part: str | int) -> bool:
    return isinstance(part, int) or re.fullmatch(r"[A-Za-z0-9_-]+", part) is not None


def without(data: Mapping[str, object], path: Sequence[str | int]) -> None:
    """Take one key out of parsed TOML, in place."""
    inside: object = data
    for part in path[:-1]:
        inside = inside[part]  # type: ignore[index]  # the path was found in this very data
    del inside[path[-1]]  # type: ignore[attr-defined]  # as above
