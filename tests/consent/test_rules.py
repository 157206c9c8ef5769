"""What holds of what people say, in whichever order it reaches us."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from services.consent.domain import (
    Asked,
    Collected,
    State,
    Statement,
    answer,
    check_answers,
    counting,
    fact_of,
    statements_of,
    withdrawals,
    withdrawn_purposes,
)
from shared.contract.consent import ConsentGiven, ConsentRefused, ConsentWithdrawn
from shared.contract.inbound import ConsentAnswer
from shared.contract.message import moment_of
from shared.contract.types import SubjectId
from tests.support.facts import NOON

SUBJECT = SubjectId(uuid4())
ASKED = Asked(
    frozenset({"marketing", "networking"}),
    {
        ("marketing", "fi", "marketing-2026"): "d1",
        ("marketing", "fi", "d1"): "d1",
        ("networking", "en", "networking-2026"): "d2",
    },
    frozenset({"marketing", "networking", "dietary-needs"}),
)
LATER = NOON + timedelta(hours=1)


def collected(at: datetime = NOON, origin: bytes = b"o") -> Collected:
    return Collected("contact", "website", origin, at)


def said(state: State, at: datetime = NOON, origin: bytes = b"o") -> Statement:
    wording, language = (None, None) if state == "withdrawn" else ("d1", "fi")
    return Statement(SUBJECT, "marketing", state, collected(at, origin), wording, language)


def yes(purpose: str = "marketing", wording: str = "marketing-2026", **over: object) -> object:
    given_answer = {"purpose": purpose, "given": True, "wording": wording, "language": "fi"}
    return ConsentAnswer.model_validate({**given_answer, **over})


def answers(*given_answers: object) -> list[ConsentAnswer]:
    return [one for one in given_answers if isinstance(one, ConsentAnswer)]


def test_a_clock_that_runs_ahead_makes_no_consent_that_outlasts_withdrawals() -> None:
    assert moment_of(NOON + timedelta(days=365), NOON) == NOON
    assert moment_of(NOON - timedelta(days=1), NOON) == NOON - timedelta(days=1)
    assert moment_of(None, NOON) == NOON


def test_answers_to_what_the_plan_asks_in_words_it_knows_are_accepted() -> None:
    assert (
        check_answers(answers(yes(), yes("networking", "networking-2026", language="en")), ASKED)
        is None
    )
    assert check_answers(answers(yes(wording="d1")), ASKED) is None


def test_a_purpose_that_does_not_rest_on_consent_is_named_by_its_place() -> None:
    fault = check_answers(answers(yes(), yes("invoicing")), ASKED)
    assert fault is not None
    assert fault.reason == "purpose_unknown"
    assert "consents.1.purpose" in fault.detail
    assert "invoicing" not in fault.detail


def test_a_wording_that_nobody_was_shown_proves_nothing() -> None:
    foreign = answers(yes(wording="maija@example.org"))
    fault = check_answers(foreign, ASKED)
    assert fault is not None
    assert fault.reason == "wording_unknown"
    assert "maija" not in fault.detail
    assert counting(foreign, ASKED) == []
    in_another_language = answers(yes(language="sv"))
    assert counting(in_another_language, ASKED) == []


def test_a_no_needs_no_words_to_count() -> None:
    """To allow less is the safe side; of what was shown it tells nothing, as a withdrawal."""
    noes = answers(yes(given=False, language="sv"), yes("dietary-needs", given=False))
    assert check_answers(noes, ASKED) is None
    assert counting(noes, ASKED) == noes
    said = statements_of(SUBJECT, noes, collected(), ASKED)
    assert [(one.purpose, one.state) for one in said] == [
        ("marketing", "withdrawn"),
        ("dietary-needs", "withdrawn"),
    ]
    assert {(one.wording, one.language) for one in said} == {(None, None)}
    nothing = answers(yes("invoicing", given=False))
    assert counting(nothing, ASKED) == []
    assert check_answers(nothing, ASKED) is not None


def test_a_no_in_unknown_words_outweighs_a_yes_on_the_same_form() -> None:
    form = (yes(), yes(given=False, language="sv"))
    for order in (form, form[::-1]):
        (one,) = counting(answers(*order), ASKED)
        assert not one.given


def test_one_purpose_answered_twice_is_at_fault() -> None:
    fault = check_answers(answers(yes(), yes(given=False)), ASKED)
    assert fault is not None
    assert fault.reason == "field_invalid"


def test_of_two_answers_on_one_form_the_one_that_allows_less_counts() -> None:
    for order in ((yes(), yes(given=False)), (yes(given=False), yes())):
        (one,) = counting(answers(*order), ASKED)
        assert not one.given


def test_the_text_that_was_shown_is_kept_as_its_digest() -> None:
    (statement,) = statements_of(SUBJECT, answers(yes()), collected(), ASKED)
    assert (statement.state, statement.wording, statement.language) == ("given", "d1", "fi")


def test_a_withdrawal_that_names_nothing_takes_back_everything() -> None:
    assert withdrawn_purposes((), ASKED) == ["dietary-needs", "marketing", "networking"]


def test_a_withdrawal_takes_back_what_it_names_whatever_else_it_names() -> None:
    assert withdrawn_purposes(("marketing", "invoicing"), ASKED) == ["marketing"]
    assert withdrawn_purposes(("dietary-needs", "invoicing"), ASKED) == ["dietary-needs"]
    assert withdrawn_purposes(("invoicing",), ASKED) == []


def test_facts_say_what_was_said() -> None:
    (withdrawal,) = withdrawals(SUBJECT, ["marketing"], collected())
    assert isinstance(fact_of(withdrawal, "p"), ConsentWithdrawn)
    assert isinstance(fact_of(said("refused"), "p"), ConsentRefused)
    fact = fact_of(said("given"), "p")
    assert isinstance(fact, ConsentGiven)
    assert (fact.wording, fact.collected_by, fact.plan_digest) == ("d1", "contact", "p")


def test_data_may_be_used_only_while_a_consent_holds() -> None:
    assert answer("marketing", ASKED, ("given", NOON)).may_be_used
    for state in ("refused", "withdrawn"):
        no = answer("marketing", ASKED, (state, NOON))
        assert (no.may_be_used, no.reason, no.since) == (False, state, NOON)
    assert answer("marketing", ASKED, None).reason == "never_asked"
    assert answer("invoicing", ASKED, None).reason == "not_based_on_consent"
