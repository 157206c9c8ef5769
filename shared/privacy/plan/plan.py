"""The information management plan as a whole: what the organisation may do with personal data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.contract.message import Fault, Message
from shared.privacy.plan.models import (
    Accountability,
    Authority,
    Category,
    CategoryName,
    Duty,
    FieldName,
    FieldOfData,
    FinancialYear,
    Mandate,
    Name,
    Organisation,
    Part,
    Purpose,
    Recipient,
    RetentionClass,
    ServicePart,
    Source,
    Texts,
    Unit,
    VatClass,
    Wording,
)

_SOURCE_UNKNOWN = Fault("source_unknown", "ce_source is not a source of the plan")
_TYPE_NOT_ALLOWED = Fault("type_not_allowed", "the plan does not let this source send this type")


class Plan(Part):
    """The plan (design section 3). Made by `load_plan` only, which refuses one that is at odds."""

    plan_version: Literal[1]
    organisation: Organisation
    financial_year: FinancialYear
    units: Annotated[dict[Name, Unit], Field(min_length=1)]
    data_subjects: Annotated[dict[Name, Texts], Field(min_length=1)]
    """Kinds of people whose data there is."""
    fields: dict[FieldName, FieldOfData]
    categories: dict[CategoryName, Category]
    purposes: dict[Name, Purpose]
    sources: dict[Name, Source]
    recipients: dict[Name, Recipient]
    authorities: Annotated[dict[Name, Authority], Field(default_factory=dict)]
    on_behalf: Annotated[dict[Name, Mandate], Field(default_factory=dict)]
    """What the organisation is only the processor of."""
    retention: dict[Name, RetentionClass]
    accountability: Accountability
    security: Annotated[dict[Name, Texts], Field(min_length=1)]
    """Technical and organisational measures (articles 30(1)(g) and 32(1))."""
    services: dict[Name, ServicePart]
    duties: Annotated[dict[Name, Duty], Field(default_factory=dict)]
    vat_classes: dict[Name, VatClass]
    wordings: tuple[Wording, ...] = ()
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file's bytes, hex: says which plan was in force."""

    @cached_property
    def _source_names(self) -> dict[str, str]:
        return {source.uri: name for name, source in self.sources.items()}

    @cached_property
    def _admitted(self) -> dict[str, frozenset[str]]:
        return {source.uri: frozenset(source.types) for source in self.sources.values()}

    @cached_property
    def _wordings(self) -> dict[tuple[str, str], Wording]:
        return {
            (key, wording.language): wording
            for wording in self.wordings
            for key in (wording.id, wording.digest)
        }

    def source_name(self, ce_source: str) -> str | None:
        """The plan's name of the source with this URI, or None where the plan has none."""
        return self._source_names.get(ce_source)

    def admit(self, message: Message[Any]) -> Fault | None:
        """Whether the source of an inbound message may send its type: None where it may. Pure."""
        types = self._admitted.get(message.envelope.source)
        if types is None:
            return _SOURCE_UNKNOWN
        return None if message.envelope.type in types else _TYPE_NOT_ALLOWED

    def wording(self, reference: str, language: str) -> Wording | None:
        """The wording that was shown, by its id or its digest, in the language it was shown in."""
        return self._wordings.get((reference, language))

    def retention_of(self, category: str) -> tuple[str, RetentionClass]:
        """The class that says how long a category is kept. KeyError for an unknown category."""
        return self._retention[category]

    @cached_property
    def _retention(self) -> dict[str, tuple[str, RetentionClass]]:
        return {
            category: (name, retention)
            for name, retention in self.retention.items()
            for category in retention.categories
        }

    @cached_property
    def kept_by_law(self) -> Mapping[str, str]:
        """Categories that a law has kept for as long as their retention class says, and the law."""
        return {
            category: retention.law
            for category, (_, retention) in self._retention.items()
            if retention.law is not None
        }

    def special(self, category: str) -> bool:
        """Whether a category holds a field of a special category (article 9)."""
        return any(self.fields[field].special for field in self.categories[category].fields)
