"""The last resort of logging: what looks like a person's address is withheld.

The rule comes first (logs hold ids and field names, never values, design section 4); this is for
the day when somebody forgets it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import PurePath
from uuid import UUID

WITHHELD = "[withheld: looks like personal data]"

_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"'.]{2,}")
# An international number, or a national one that begins with 0: seven digits or more. Not inside a
# word or a longer number, so that ids and times stay.
_PHONE = re.compile(r"(?<![\w.:/-])(?:\+|00|\(?0)\(?\d(?:[\s().-]{0,2}\d){5,}(?![\w:])")
_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MAX_DEPTH = 4
_MAX_ITEMS = 100
_MAX_TEXT = 2_000


def looks_personal(text: str) -> bool:
    """Whether a text has in it what looks like an e-mail address or a telephone number."""
    if "@" in text and _EMAIL.search(text) is not None:
        return True
    return _PHONE.search(_ID.sub("", text)) is not None


def presentable(value: object, depth: int = 0) -> object:
    """What a log may show of a value: simple types as they are, anything else by its class only."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | PurePath):
        text = str.__str__(value) if isinstance(value, str) else str(value)
        return WITHHELD if looks_personal(text) else text[:_MAX_TEXT]
    if isinstance(value, UUID | datetime | date | time | timedelta):
        return str(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {
                str(presentable(name, depth + 1)): presentable(item, depth + 1)
                for name, item in list(value.items())[:_MAX_ITEMS]
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [presentable(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]
    return f"<{type(value).__name__}>"
