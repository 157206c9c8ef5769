"""Lengths of time that a plan names."""

from __future__ import annotations

import calendar
import re
from datetime import date
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

_PERIOD = re.compile(r"^P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,3})M)?(?:(\d{1,4})D)?$")


class Period:
    """A length of time in years, months and days, written as in ISO 8601: `P6Y`, `P6M`, `P14D`."""

    __slots__ = ("days", "months", "years")

    def __init__(self, years: int = 0, months: int = 0, days: int = 0) -> None:
        self.years = years
        self.months = months
        self.days = days

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `P1Y2M3D`; any part may be left out. ValueError for anything else."""
        found = _PERIOD.match(text)
        if found is None:
            raise ValueError("a period is written as in ISO 8601, such as P6Y, P6M or P14D")
        years, months, days = (int(part or 0) for part in found.groups())
        return cls(years, months, days)

    def after(self, anchor: date) -> date:
        """The day on which the period that begins at `anchor` is over.

        A day that its month lacks becomes the month's last one, as 31 August + P6M is 28 February.
        What would be over after the last day that there is (`date.max`) is over then.
        """
        months = anchor.year * 12 + anchor.month - 1 + self.years * 12 + self.months
        year, month = divmod(months, 12)
        if year > date.max.year:
            return date.max
        day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
        ordinal = date(year, month + 1, day).toordinal() + self.days
        return date.fromordinal(min(ordinal, date.max.toordinal()))

    def __str__(self) -> str:
        parts = ((self.years, "Y"), (self.months, "M"), (self.days, "D"))
        return "P" + ("".join(f"{number}{unit}" for number, unit in parts if number) or "0D")

    def __repr__(self) -> str:
        return f"Period({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Period) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls.parse,
            core_schema.str_schema(),
            serialization=core_schema.to_string_ser_schema(),
        )
