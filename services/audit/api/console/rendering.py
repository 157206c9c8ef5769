"""How pages are written: templates in which whatever the log says is text, never markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.audit.handlers.plans import Plans
from shared.documents.telling import Teller
from shared.documents.words import Words as DocumentWords

_TEMPLATES: Final = Path(__file__).with_name("templates")
_INNER_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Words:
    """What things are called: in the words of the plan that an entry was made under (`digest`), or
    of today's where none is given or that one is not stored; else by their names.
    """

    plans: Plans
    zone: tzinfo

    def recipient(self, name: str, digest: str | None = None) -> str:
        """Who it is (CJEU C-154/21: the actual identity)."""
        teller = self._teller(digest)
        recipient = teller.plan.recipients.get(name)
        if recipient is not None:
            return teller.recipient(recipient)
        authority = teller.plan.authorities.get(name)
        return name if authority is None else teller.text(authority.name)

    def purpose(self, name: str, digest: str | None = None) -> str:
        """What for."""
        teller = self._teller(digest)
        purpose = teller.plan.purposes.get(name)
        return name if purpose is None else teller.text(purpose.describes)

    def category(self, name: str) -> str:
        """What kind of data."""
        teller = self._teller(None)
        category = teller.plan.categories.get(name)
        return name if category is None else teller.text(category.describes)

    def _teller(self, digest: str | None) -> Teller:
        cited = None if digest is None else self.plans.of(digest)
        return Teller(cited or self.plans.today, _english())

    def moment(self, moment: datetime) -> str:
        """To the minute, in the organisation's time zone."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"


@cache
def _english() -> DocumentWords:
    return DocumentWords("en")


def type_words(name: str) -> str:
    """`DataDisclosed` as `Data disclosed`."""
    return _INNER_CAPITAL.sub(" ", name).capitalize()


def code_words(name: str) -> str:
    """`legal_obligation` as `legal obligation`."""
    return name.replace("_", " ").replace("-", " ")


def day_words(day: date) -> str:
    """`3 September 2026`."""
    return f"{day.day} {day:%B %Y}"


def people(count: int) -> str:
    """`1 person`, `1,200 people`."""
    return "1 person" if count == 1 else f"{count:,} people"


def address(path: str, given: Mapping[str, object]) -> str:
    """A path with what is given of a query."""
    query = urlencode({name: value for name, value in given.items() if value not in {None, ""}})
    return f"{path}?{query}" if query else path


def make_environment() -> Environment:
    """Where templates are found and what they can call. Made once: it keeps what it compiled."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {
            "type_words": type_words,
            "code_words": code_words,
            "day_words": day_words,
            "people": people,
            "as_moment": datetime.fromisoformat,
            "option": lambda value, say: (value, say(value)),
            "count": lambda number: f"{number:,}",
        }
    )
    environment.globals.update({"address": address, "type_words": type_words})
    return environment
