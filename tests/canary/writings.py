"""Writes text as careless programs do: what the searcher must find, without what it is made of."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Final

Write = Callable[[str], bytes]


def _escaped(form: str) -> Write:
    return lambda text: b"".join(form.format(byte).encode() for byte in text.encode())


WRITINGS: Final[Mapping[str, tuple[str, Write]]] = {
    "UTF-8": ("UTF-8", str.encode),
    "upper case": ("upper case", lambda text: text.upper().encode()),
    "UTF-16, little endian": ("UTF-16", lambda text: text.encode("utf-16-le")),
    "UTF-16, big endian": ("UTF-16", lambda text: text.encode("utf-16-be")),
    "JSON escapes, lower case": ("JSON escapes", _escaped("\\u{:04x}")),
    "JSON escapes, upper case": ("JSON escapes", _escaped("\\u{:04X}")),
    "base64": ("base64", lambda text: base64.b64encode(text.encode())),
    "base64 for URLs": ("base64", lambda text: base64.urlsafe_b64encode(text.encode())),
    "hex, lower case": ("hex", lambda text: text.encode().hex().encode()),
    "hex, upper case": ("hex", lambda text: text.encode().hex().upper().encode()),
    "URL encoding, lower case": ("URL encoding", _escaped("%{:02x}")),
    "URL encoding, upper case": ("URL encoding", _escaped("%{:02X}")),
}
"""Name to what the searcher calls it, and how a text of ASCII is written so."""
