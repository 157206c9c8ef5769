"""What things are called on the pages of the console."""

from __future__ import annotations

from datetime import UTC

import pytest

from services.audit.api.console.rendering import Words, code_words, people, type_words
from services.audit.handlers.plans import Plans
from shared.privacy.plan import load_plan
from tests.support.plans import PLAN

PLAN_SHIPPED = load_plan(PLAN)
SHIPPED = Words(Plans(PLAN_SHIPPED), UTC)


def test_things_are_called_as_the_plan_calls_them() -> None:
    assert SHIPPED.recipient("caterer") == "Example Catering Ltd"
    assert SHIPPED.purpose("catering") == "Catering at the event"
    assert SHIPPED.category("diet") == PLAN_SHIPPED.categories["diet"].describes["en"]
    authority, told = next(iter(PLAN_SHIPPED.authorities.items()))
    assert SHIPPED.recipient(authority) == told.name["en"]


@pytest.mark.parametrize("say", [SHIPPED.recipient, SHIPPED.purpose, SHIPPED.category])
def test_what_the_plan_does_not_have_is_called_by_its_own_name(say: object) -> None:
    assert callable(say)
    assert say("printer") == "printer"


def test_a_plan_without_english_is_told_in_the_language_that_it_has() -> None:
    catering = PLAN_SHIPPED.purposes["catering"].model_copy(update={"describes": {"fi": "Ruoka"}})
    plan = PLAN_SHIPPED.model_copy(update={"purposes": {"catering": catering}})
    assert Words(Plans(plan), UTC).purpose("catering") == "Ruoka"


def test_what_an_entry_names_is_told_by_the_plan_that_it_was_made_under() -> None:
    caterer = PLAN_SHIPPED.recipients["caterer"].model_copy(update={"name": "Former Kitchen Ltd"})
    former = PLAN_SHIPPED.model_copy(
        update={
            "digest": "f0",
            "recipients": {**PLAN_SHIPPED.recipients, "caterer": caterer},
            "purposes": {},
        }
    )
    words = Words(Plans(PLAN_SHIPPED, (former,)), UTC)
    assert words.recipient("caterer", "f0") == "Former Kitchen Ltd"
    assert words.purpose("catering", "f0") == "catering", "that plan had none of this name"
    assert words.recipient("caterer", PLAN_SHIPPED.digest) == "Example Catering Ltd"
    assert words.recipient("caterer", "stored nowhere") == "Example Catering Ltd"


def test_names_of_programs_are_written_as_words() -> None:
    assert type_words("DisclosureRefused") == "Disclosure refused"
    assert code_words("legal-obligation") == "legal obligation"
    assert (people(1), people(1_200)) == ("1 person", "1,200 people")
