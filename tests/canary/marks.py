"""Marks: texts and numbers that nothing but one run's personal fields can hold.

All marks of a run begin alike, so that one search finds any of them; what follows says whose it is
and of which field, so that a leak can be named without quoting it.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIELDS: Final = (
    *("name", "email", "phone", "address", "organisation", "diet", "nights", "room_wishes"),
    *("pickup", "billing_name", "billing_address", "business_id", "billing_reference"),
    *("person_number", "registration_number", "message_id", "header", "key", "type", "source"),
    *("input_name", "purpose", "wording", "body", "argument", "other"),
)
"""What can be marked: personal fields, and places where an upstream puts personal data by mistake.
"""

NOBODY: Final = 0
"""The person of marks that are nobody's in particular."""

MOST_PEOPLE: Final = 10_000

PLANTED: Final = MOST_PEOPLE - 1
"""The person of marks that we put where they must be found: else a search proves nothing."""

_DIGITS: Final = string.digits + string.ascii_lowercase
_PERSON_CHARACTERS: Final = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose mark it is and of which field; None where what follows its beginning is cut off."""

    person: int | None
    field: str | None


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one run, by what they begin with: a text, a telephone number, a whole number.

    A text is lower case letters and digits, as an e-mail address stays when it is normalised; a
    telephone number is one that could exist (E.164); a whole number fits a JSON number (2^53).
    """

    text: str
    phone: str
    number: str

    @classmethod
    def make(cls, random: Callable[[int], bytes]) -> Marks:
        """`random` gives so many unpredictable bytes."""
        letters = base64.b32encode(random(10)).decode().lower()[:15]
        return cls(f"q{letters}", f"35850{_decimal(random, 6)}", f"8{_decimal(random, 10)}")

    def of(self, person: int, field: str) -> str:
        """A text for the field."""
        return f"{self.text}{_base36(person)}{string.ascii_lowercase[FIELDS.index(field)]}"

    def email_of(self, person: int) -> str:
        return f"{self.of(person, 'email')}@example.org"

    def phone_of(self, person: int) -> str:
        return f"+{self.phone}{person:04d}"

    def number_of(self, person: int) -> int:
        return int(f"{self.number}{person:04d}")

    def read(self, text: str) -> Mark:
        """What a text says that begins with a mark, or with a part of one."""
        if text.startswith(self.text):
            found = re.match(r"([0-9a-z]{3})([a-z])", text.removeprefix(self.text))
            if found is None:
                return Mark(None, None)
            return Mark(int(found[1], 36), FIELDS[string.ascii_lowercase.index(found[2])])
        for beginning, field in ((self.phone, "phone"), (self.number, "nights")):
            if text.startswith(beginning):
                digits = re.match(r"\d{4}", text.removeprefix(beginning))
                return Mark(None if digits is None else int(digits[0]), field)
        return Mark(None, None)


def _decimal(random: Callable[[int], bytes], digits: int) -> str:
    return f"{int.from_bytes(random(8), 'big') % 10**digits:0{digits}d}"


def _base36(number: int) -> str:
    written = ""
    for _ in range(_PERSON_CHARACTERS):
        number, digit = divmod(number, 36)
        written = _DIGITS[digit] + written
    return written
