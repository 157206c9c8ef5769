"""The parts of the plan, as frozen values. What the parts say together is judged in `rules`."""

from __future__ import annotations

import calendar
import hashlib
import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    computed_field,
)
from pydantic_core import core_schema

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=100)]
"""A name that the plan gives (contract: `PlanName`)."""

CategoryName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$", max_length=40)]
"""A category; it is also the first half of its fields' names, and so has no hyphen."""

FieldName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9]*\.[a-z][a-z0-9_]*$", max_length=100)
]
"""`category.name` (contract: `FieldName`)."""

LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""ISO 639 code."""

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Texts = dict[LanguageCode, Text]
"""One text per language."""

LegalBasis = Literal[
    "consent",  # article 6(1)(a)
    "contract",  # article 6(1)(b)
    "legal_obligation",  # article 6(1)(c)
    "vital_interests",  # article 6(1)(d)
    "public_task",  # article 6(1)(e)
    "legitimate_interests",  # article 6(1)(f)
    "explicit_consent",  # article 9(2)(a)
]

RecipientRole = Literal["third_party", "processor", "joint_controller", "participants"]

Anchor = Literal[
    "event_end",
    "consent_withdrawal",
    "financial_year_end",
    "financial_year_calendar_end",  # the end of the calendar year in which the financial year ended
]

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
        """
        months = anchor.year * 12 + anchor.month - 1 + self.years * 12 + self.months
        year, month = divmod(months, 12)
        day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
        return date.fromordinal(date(year, month + 1, day).toordinal() + self.days)

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


class Part(BaseModel):
    """A part of the plan: frozen; a key that it does not know is a mistake in the plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Organisation(Part):
    """The controller (article 13(1)(a))."""

    name: Text
    business_id: Text | None = None
    email: Text | None = None
    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)]
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    """ISO 3166-1: the country of a telephone number that names none."""
    time_zone: Text = "UTC"


class FinancialYear(Part):
    """When the organisation's financial year begins: month and day, `01-01` for the calendar."""

    starts: Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])$")]

    def end(self, day: date) -> date:
        """The last day of the financial year that `day` lies in."""
        month, first = (int(part) for part in self.starts.split("-"))
        start = date(day.year, month, first)
        following = start if day < start else date(day.year + 1, month, first)
        return date.fromordinal(following.toordinal() - 1)


class Unit(Part):
    """A part of the organisation that arranges events, and answers for their data."""

    name: Texts
    email: Text


class FieldOfData(Part):
    """One piece of personal data. `special`: a special category in the sense of article 9."""

    type: Literal["text", "email", "phone", "number", "boolean", "date"] = "text"
    special: bool = False
    max_length: Annotated[int, Field(ge=1, le=10_000)] = 500


class Category(Part):
    """Fields sealed together. `context`: what a key of it belongs to besides the person."""

    describes: Texts
    context: Literal["event", "year", "none"]
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)]


class Dated(Part):
    """A part of the plan that may have come later than data that it covers."""

    since: date | None = None
    """The first day on which it is in force; None: as long as there is data."""
    covers_earlier_data: Text | None = None
    """The ground on which it may use data collected before `since` (articles 6(4) and 13(3))."""


class Purpose(Dated):
    """What data is used for, on one legal basis (articles 5(1)(b), 6 and 9)."""

    describes: Texts
    legal_basis: LegalBasis
    categories: Annotated[tuple[CategoryName, ...], Field(min_length=1)]
    law: Text | None = None
    direct_marketing: bool = False

    @property
    def needs_consent(self) -> bool:
        """Whether nothing may be done for it without a consent that stands."""
        return self.legal_basis in ("consent", "explicit_consent")


class Source(Part):
    """An upstream system: its `ce_source`, the types it may send, the fields its inputs fill."""

    uri: Text
    describes: Texts
    types: Annotated[tuple[str, ...], Field(min_length=1)]
    maps: dict[str, tuple[FieldName, ...]] = {}


class Recipient(Dated):
    """Somebody whom data may be handed to (article 13(1)(e)), for which purposes and what of it."""

    name: Text
    role: RecipientRole
    purposes: tuple[Name, ...]
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    designated_by_event: bool = False
    """Receives data of an event only where the event names it as a recipient."""
    agreement: Text | None = None
    """The contract with a processor (article 28(3))."""
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None

    @property
    def categories(self) -> frozenset[str]:
        """The categories that its fields belong to."""
        return frozenset(field.partition(".")[0] for field in self.fields)


class RetentionClass(Part):
    """How long the data of its categories is kept, counted from the anchor (article 5(1)(e))."""

    anchor: Anchor
    period: Period
    categories: tuple[CategoryName, ...] = ()
    law: Text | None = None
    reason: Text | None = None


class ServicePart(Part):
    """What one service hears, says, seals and may open for which purpose."""

    hears: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    subjects: Literal["none", "find", "identify"] = "none"
    """Whether it may look subjects up by their aliases, or make new ones as well."""
    seals: tuple[CategoryName, ...] = ()
    grants: dict[Name, tuple[CategoryName, ...]] = {}
    """Purpose to the categories that the service may open for it."""
    erases: bool = False
    """May destroy keys."""


class Duty(Part):
    """What a person who has this duty may read or correct."""

    describes: Texts
    reads: tuple[CategoryName, ...] = ()
    corrects: tuple[CategoryName, ...] = ()


class VatClass(Part):
    """A class of value-added tax, in percent of the net amount."""

    percent: Annotated[str, StringConstraints(pattern=r"^\d{1,2}(\.\d{1,2})?$")]


class Wording(Part):
    """The text that asked for a consent (article 7(1)); it is known by `id` and by its digest."""

    id: Name
    purpose: Name
    language: LanguageCode
    dated: date
    text: Text

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator over a property
    @property
    def digest(self) -> str:
        """SHA-256 of the text in UTF-8, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()
