"""How a mark can be written down, and what to look for in bytes to find it in any of these ways.

Marks are letters and digits of ASCII, so that UTF-8, JSON without escapes and URLs write them
alike, and so do the standard and the URL alphabet of base64 (RFC 4648), which differ in the sextets
62 and 63 only: no such letter or digit brings one about.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

READ: Final = 160
"""So many bytes from its beginning on hold the whole of a mark in the longest encoding."""


@dataclass(frozen=True, slots=True)
class Form:
    """A beginning of marks in one encoding: the bytes that are always there, and how the text is
    read that these bytes and those behind them stand for.
    """

    encoding: str
    needle: bytes
    read: Callable[[bytes], str]


def forms(beginning: str) -> Iterator[Form]:
    """Every way to write a text of letters and digits of ASCII, each needle once."""
    seen: set[bytes] = set()
    for form in _all_forms(beginning):
        if form.needle not in seen:
            seen.add(form.needle)
            yield form


def _all_forms(text: str) -> Iterator[Form]:
    plain = text.encode()
    yield Form("UTF-8", plain, _ascii)
    yield Form("upper case", plain.upper(), lambda found: _ascii(found).lower())
    # Without the zero byte at an end, little and big endian are the same bytes.
    yield Form("UTF-16", b"\0".join(text[i].encode() for i in range(len(text))), _every_second)
    for case in (str.lower, str.upper):
        yield Form("hex", case(plain.hex()).encode(), _hex)
        escaped = "".join(f"\\u{case(f'{byte:04x}')}" for byte in plain)
        yield Form("JSON escapes", escaped.encode(), _escapes(rb"\\u00(..)"))
        percent = "".join(f"%{case(f'{byte:02x}')}" for byte in plain)
        yield Form("URL encoding", percent.encode(), _escapes(rb"%(..)"))
    for offset in range(3):
        yield _base64(plain, offset)


def _ascii(found: bytes) -> str:
    return found.decode("ascii", "replace")


def _every_second(found: bytes) -> str:
    return _ascii(found[::2])


def _hex(found: bytes) -> str:
    digits = re.match(rb"(?:[0-9a-fA-F]{2})*", found)
    return _ascii(bytes.fromhex(digits[0].decode())) if digits else ""


def _escapes(pattern: bytes) -> Callable[[bytes], str]:
    one = re.compile(pattern)

    def read(found: bytes) -> str:
        read, at = bytearray(), 0
        while (escape := one.match(found, at)) is not None:
            try:
                read += bytes.fromhex(escape[1].decode("ascii", "replace"))
            except ValueError:
                break
            at = escape.end()
        # From here on what follows may not be escaped at all.
        return _ascii(bytes(read) + found[at:])

    return read


def _base64(plain: bytes, offset: int) -> Form:
    """Where so many bytes (modulo 3) stand before the text, what of its base64 depends on nothing
    but itself: the first characters also hold bits of what stands before, the last ones of what
    follows.
    """
    encoded = base64.b64encode(bytes(offset) + plain)
    first = -(-offset * 8 // 6)
    last = (offset + len(plain)) * 8 // 6
    before = encoded[:first]

    def read(found: bytes) -> str:
        characters = re.match(rb"[A-Za-z0-9+/_-]*", before + found)
        whole = characters[0] if characters else b""
        whole = whole.translate(bytes.maketrans(b"-_", b"+/"))
        # It may end within a group of four; a byte of which bits are missing is none.
        padded = whole + b"A" * (-len(whole) % 4)
        return _ascii(binascii.a2b_base64(padded)[offset : len(whole) * 6 // 8])

    return Form("base64", encoded[first:last], read)
