"""Nothing that record or notice tells people changes without being told by the comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from pydantic import JsonValue, ValidationError

from services.cli.plan.difference import changes
from services.cli.plan.notice import notice_document
from services.cli.plan.record import record_data, record_document
from services.cli.plan.words import LANGUAGES, plan_words
from shared.documents.telling import Teller
from shared.privacy.plan import Plan, load_plan
from shared.privacy.plan.lines import Lines
from shared.privacy.plan.models import Anchor, LegalBasis, RecipientRole, TransferGround
from shared.privacy.plan.rules import check
from tests.support.plans import AUTHORITIES, CRM, TEXT, changed, written

MORE = f"""{CRM}since = 2027-01-01
covers_earlier_data = "compatible"

[recipients.partner]
name = "Example Partner"
role = "joint_controller"
country = "FI"
agreement = "Arrangement 7"
purposes = ["event-arrangement"]
fields = ["contact.name"]

[on_behalf.association]
controller = {{ name = "Example Association", email = "office@example.net" }}
describes = {{ fi = "Jäsenrekisteri", en = "The register of members" }}
agreement = "Agreement 8"
country = "US"
transfer = "standard_contractual_clauses"
transfer_document = "Clauses of 2021"
{AUTHORITIES}"""
"""Parts that the plan that is shipped has none of."""

ALIKE: tuple[frozenset[str], ...] = (
    frozenset(get_args(LegalBasis)),
    frozenset(get_args(RecipientRole)),
    frozenset(get_args(TransferGround)),
    frozenset(get_args(Anchor)),
    frozenset({"FI", "SE", "US"}),
    frozenset({"P0D", "P14D", "P6M", "P2Y", "P3Y", "P6Y", "P10Y", "P11Y"}),
    frozenset({"01-01", "02-01"}),
    frozenset({"2026-01-07", "2027-01-01"}),
    frozenset({"fi", "en", "sv"}),
    frozenset({"marketing", "networking", "dietary-needs"}),
)
"""Words of the plan of which one may stand where another does."""

ADDED: tuple[JsonValue, ...] = (
    "Other",
    "2027-03-04",
    "SE",
    {"fi": "Muu", "en": "Other"},
    {"name": "Other", "email": "other@example.org"},
)
"""What a key that says nothing may come to say, each where it fits."""

LISTED = frozenset({"contact", "stay", "accounting", "payers", "networking", "sv"})
"""What may stand in a list of the plan as well, each where it fits."""

FOR_SOFTWARE = frozenset(
    {
        *("plan_digest", "type", "max_length", "choices", "context", "uri", "types", "maps"),
        *("region", "time_zone", "public_authority"),
    }
)
"""Keys of the record for programs by which nothing is different for people."""

WORDS = tuple(plan_words(language) for language in LANGUAGES)


def others(value: JsonValue) -> Iterator[JsonValue]:
    """What may stand in the place of a value."""
    match value:
        case bool():
            yield not value
        case None:
            yield from ADDED
        case str():
            yield f"{value} other"
            yield from (word for words in ALIKE if value in words for word in words - {value})
        case list():
            yield from (value[:place] + value[place + 1 :] for place in range(len(value)))
            yield from ([*value, name] for name in LISTED if name not in value)


def mutated(data: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Everything with one place of it changed, in every way, and which place that is."""
    for other in others(data):
        yield "", other
    match data:
        case dict():
            for key, value in data.items():
                yield f".{key}", {name: one for name, one in data.items() if name != key}
                for place, other in mutated(value):
                    yield f".{key}{place}", {**data, key: other}
        case list():
            for number, value in enumerate(data):
                for place, other in mutated(value):
                    yield f".{number}{place}", [*data[:number], other, *data[number + 1 :]]


def plan_of(data: JsonValue) -> Plan | None:
    """The plan, where it has its form and agrees with itself."""
    try:
        plan = Plan.model_validate(data)
    except ValidationError:
        return None
    return None if check(plan, Lines(TEXT), "plan.toml") else plan


def told(plan: Plan) -> list[object]:
    """What people and their authorities are told, without the digest."""
    documents = [
        replace(document(Teller(plan, words)), foot="")
        for document in (notice_document, record_document)
        for words in WORDS
    ]
    # How upstream calls what fills them tells people nothing.
    filled = {
        name: {field for fields in source.maps.values() for field in fields}
        for name, source in plan.sources.items()
    }
    return [*documents, filled, for_people(record_data(plan))]


def for_people(data: JsonValue) -> JsonValue:
    match data:
        case dict():
            return {key: for_people(one) for key, one in data.items() if key not in FOR_SOFTWARE}
        case list():
            return [for_people(one) for one in data]
    return data


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder: Path = tmp_path_factory.mktemp("plan")
    return load_plan(written(folder, changed((AUTHORITIES, MORE))))


def test_whatever_record_or_notice_tell_otherwise_is_told_as_a_change(plan: Plan) -> None:
    data = plan.model_dump(mode="json")
    for wording in data["wordings"]:
        del wording["digest"]
    before, untold, tried = told(plan), set(), 0
    for place, other in mutated(data):
        new = plan_of(other)
        if new is not None:
            tried += 1
            if not changes(plan, new) and told(new) != before:
                untold.add(place)
    assert untold == set()
    assert tried > 1_000
