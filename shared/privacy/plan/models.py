"""The parts of the plan, as frozen values. What the parts say together is judged in `rules`."""

from __future__ import annotations

import hashlib
import zoneinfo
from bisect import bisect_left
from collections.abc import Collection
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    computed_field,
)

from shared.privacy.plan.period import Period

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
Texts = Annotated[dict[LanguageCode, Text], Field(min_length=1)]
"""One text per language."""

CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1, two letters."""


def _known_time_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError("a time zone is named as in the IANA database: Europe/Helsinki") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]

LegalBasis = Literal[
    "consent",  # article 6(1)(a)
    "contract",  # article 6(1)(b)
    "legal_obligation",  # article 6(1)(c)
    "vital_interests",  # article 6(1)(d)
    "public_task",  # article 6(1)(e)
    "legitimate_interests",  # article 6(1)(f)
    "explicit_consent",  # article 9(2)(a)
]

ON_CONSENT: Final = frozenset({"consent", "explicit_consent"})
"""Legal bases that are the person's own yes."""

RecipientRole = Literal["third_party", "processor", "joint_controller", "participants"]

TransferGround = Literal[
    "adequacy_decision",  # article 45
    "standard_contractual_clauses",  # article 46(2)(c) and (d)
    "binding_corporate_rules",  # article 47
    "other_safeguards",  # the rest of article 46
    "derogation",  # article 49
]
"""On what data may leave the European Economic Area (chapter V)."""

Anchor = Literal[
    "event_end",
    "consent_withdrawal",
    "financial_year_end",
    "financial_year_calendar_end",  # the end of the calendar year in which the financial year ended
]


class Part(BaseModel):
    """A part of the plan: frozen; a key that it does not know is a mistake in the plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contact(Part):
    """Somebody who can be written to."""

    name: Text
    email: Text | None = None
    phone: Text | None = None
    address: Text | None = None
    website: Text | None = None


class Organisation(Contact):
    """The controller (articles 13(1)(a) and 30(1)(a))."""

    business_id: Text | None = None
    public_authority: bool = False
    """A public authority or body has an officer and no legitimate interests of its own."""
    data_protection_officer: Contact | None = None
    """Article 37."""
    representative: Contact | None = None
    """Of a controller that is not in the Union (article 27)."""
    supervisory_authority: Contact | None = None
    """Where people complain (articles 13(2)(d) and 77)."""
    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)]
    region: CountryCode
    """The country of a telephone number that names none."""
    time_zone: TimeZone = "UTC"


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

    describes: Texts | None = None
    """What people call it; None: the second half of its name says that."""
    type: Literal["text", "email", "phone", "number", "boolean", "date"] = "text"
    special: bool = False
    max_length: Annotated[int, Field(ge=1, le=10_000)] = 500
    choices: tuple[Text, ...] = ()
    """The only texts that it may be; none named: any."""


class Category(Part):
    """Fields sealed together. `context`: what a key of it belongs to besides the person."""

    describes: Texts
    data_subjects: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Whose data it is (article 30(1)(c))."""
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
    interest: Texts | None = None
    """Which legitimate interest is pursued (articles 6(1)(f) and 13(1)(d))."""
    direct_marketing: bool = False
    automated_decisions: Texts | None = None
    """Logic and consequences of decisions by machine alone (articles 13(2)(f) and 22); or none."""

    @property
    def needs_consent(self) -> bool:
        """Whether nothing may be done for it without a consent that stands."""
        return self.legal_basis in ON_CONSENT


class Source(Part):
    """An upstream system: its `ce_source`, the types it may send, the fields its inputs fill."""

    uri: Text
    describes: Texts
    types: Annotated[tuple[str, ...], Field(min_length=1)]
    maps: dict[str, tuple[FieldName, ...]] = {}


class Abroad(Part):
    """Where somebody is, and on what data may go there (chapter V)."""

    country: CountryCode | None = None
    transfer: TransferGround | None = None
    transfer_document: Text | None = None
    """Which decision, clauses or safeguards those are."""


class Recipient(Dated, Abroad):
    """Somebody whom data may be handed to (article 13(1)(e)), for which purposes and what of it."""

    name: Text
    role: RecipientRole
    purposes: tuple[Name, ...]
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    designated_by_event: bool = False
    """Receives data of an event only where the event names it as a recipient."""
    agreement: Text | None = None
    """With a processor (article 28(3)) or a joint controller (article 26(1))."""

    @property
    def categories(self) -> frozenset[str]:
        """The categories that its fields belong to."""
        return frozenset(field.partition(".")[0] for field in self.fields)


class Authority(Part):
    """A public authority that may ask for data by law, case by case (article 4(9))."""

    name: Texts
    law: Text
    categories: Annotated[tuple[CategoryName, ...], Field(min_length=1)]


class Mandate(Abroad):
    """What the organisation does with data on behalf of another controller (article 30(2))."""

    controller: Contact
    describes: Texts
    agreement: Text


class RetentionClass(Part):
    """How long the data of its categories is kept, counted from the anchor (article 5(1)(e))."""

    anchor: Anchor
    period: Period
    categories: tuple[CategoryName, ...] = ()
    law: Text | None = None
    reason: Text | None = None
    afterwards: Texts | None = None
    """What is left when the period is over."""


class Accountability(Part):
    """How long the audit log can tell what was done with somebody's data (article 5(2)).

    `disclosures`, `consents` and `erasures` count from the end of the data's own life, `readings`
    and `sign_ins` from the day of the entry.
    """

    disclosures: Period
    consents: Period
    erasures: Period
    readings: Period
    sign_ins: Period

    def first_day_told(self, today: date) -> date:
        """The first day of which, were it the last of somebody's data, the log still tells today.

        Of whoever's data ended before that day, every period is over: its last day has passed.
        """
        return _first_day(today, (self.disclosures, self.consents, self.erasures, self.readings))

    def first_reading_told(self, today: date) -> date:
        """The first day of whose readings of somebody's data the log still tells today."""
        return _first_day(today, (self.readings,))


def _first_day(today: date, periods: Collection[Period]) -> date:
    """The first day from which one of the periods lasts until today."""

    def last_day(number: int) -> date:
        return max(period.after(date.fromordinal(number)) for period in periods)

    numbers = range(1, today.toordinal() + 1)
    return date.fromordinal(numbers[bisect_left(numbers, today, key=last_day)])


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
