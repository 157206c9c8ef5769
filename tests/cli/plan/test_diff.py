"""What changes for people from one plan to the next, and whether they have to be asked again."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest
from typer.testing import CliRunner

from services.cli.plan import app
from services.cli.plan.difference import COMPARISONS, Change, changes
from shared.privacy.plan import Plan
from tests.cli.plan.conftest import Changed
from tests.support.plans import OF_THEN, PLAN, changed, written

MAILER = """[recipients.mailer]
name = "Example Mailer"
role = "processor"
agreement = "A-1"
country = "FI"
purposes = ["marketing"]
fields = ["marketing.email"]

[recipients.participants]"""


class Case(TypedDict):
    """One table of `changes.toml`; without `consent`, nobody has to be asked."""

    kind: str
    changes: list[tuple[str, str]]
    where: str
    says: str
    consent: NotRequired[str]
    purposes: NotRequired[list[str]]


_LISTED: list[Case] = tomllib.loads(Path(__file__).with_name("changes.toml").read_text("utf-8"))[
    "change"
]
CASES = {case["kind"]: case for case in _LISTED}


def kinds(found: tuple[Change, ...]) -> set[str]:
    return {one.kind for one in found}


@pytest.mark.parametrize("kind", CASES)
def test_a_change_is_told_with_what_it_does_to_consents(
    kind: str, plan: Plan, changed_plan: Changed
) -> None:
    case = CASES[kind]
    found = changes(plan, changed_plan(*case["changes"]))
    mine = [one for one in found if one.kind == kind]
    assert mine, kinds(found)
    assert (mine[0].where, mine[0].says) == (case["where"], case["says"])
    assert mine[0].consent == case.get("consent", "not_needed")
    assert list(mine[0].purposes) == case.get("purposes", [])


BACKWARDS = {
    "purpose-added": "purpose-removed",
    "recipient-added": "recipient-removed",
    "recipient-of-every-event": "recipient-by-event",
    "wording-added": "wording-removed",
    "duty-corrects-more": "duty-corrects-less",
    "books-added": "books-removed",
    "language-removed": "language-added",
    "mandate-given": "mandate-ended",
}


@pytest.mark.parametrize("kind", BACKWARDS)
def test_what_is_taken_back_is_told_too(kind: str, plan: Plan, changed_plan: Changed) -> None:
    found = changes(changed_plan(*CASES[kind]["changes"]), plan)
    assert BACKWARDS[kind] in kinds(found)
    if kind != "wording-added":
        assert {one.consent for one in found} == {"not_needed"}


def test_a_plan_that_says_the_same_changes_nothing(plan: Plan, changed_plan: Changed) -> None:
    other = changed_plan(("# The information", "# Another comment\n# The information"))
    assert other.digest != plan.digest
    assert changes(plan, other) == ()


def test_a_processor_needs_no_new_consent(plan: Plan, changed_plan: Changed) -> None:
    (found,) = changes(plan, changed_plan(("[recipients.participants]", MAILER)))
    assert (found.kind, found.consent) == ("recipient-added", "not_needed")


SEAT = """[categories.seat]
describes = { fi = "Paikka", en = "Seat" }
data_subjects = ["participants"]
context = "event"
fields = ["seat.row"]

[categories.stay]"""
TELEPHONE = """
[sources.telephone]
uri = "https://telephone.example.org"
describes = { fi = "Puhelin", en = "Telephone" }
types = ["RegistrationSubmitted"]
maps = { seat = ["seat.row"] }

[recipients.caterer]"""


OF_A_LAW = """[retention.accommodation]
anchor = "event_end"
period = "P6M"
categories = ["stay", "transport", "networking"]
law = "Act on Accommodation 308/2006"

[retention.diet]"""


def test_a_new_category_and_a_new_source_are_told(plan: Plan, changed_plan: Changed) -> None:
    new = changed_plan(
        ('"stay.nights" =', '"seat.row" = {}\n"stay.nights" ='),
        ("[categories.stay]", SEAT),
        ('"stay", "transport"]\n\n[purp', '"seat", "stay", "transport"]\n\n[purp'),
        ('["contact", "stay", "transport", "bil', '["contact", "seat", "stay", "transport", "bil'),
        ('seals = ["contact"', 'seals = ["seat", "contact"'),
        ('event-arrangement = ["contact"', 'event-arrangement = ["seat", "contact"'),
        ("\n[recipients.caterer]", TELEPHONE),
    )  # fmt: skip
    assert kinds(changes(plan, new)) == {"category-added", "source-added", "purpose-reads-more"}
    assert kinds(changes(new, plan)) == {"category-removed", "source-removed", "purpose-reads-less"}


def test_a_category_that_moves_to_a_class_with_another_law_is_told(
    plan: Plan, changed_plan: Changed
) -> None:
    new = changed_plan(
        ('["contact", "stay", "transport", "billing", "networking"]', '["contact", "billing"]'),
        ("[retention.diet]", OF_A_LAW),
    )
    found = {one.kind: one.where for one in changes(plan, new)}
    assert found == {
        "retention-ground-changed": "retention.accommodation",
        "afterwards-changed": "retention.accommodation.afterwards",
    }


def test_what_is_described_otherwise_in_one_language_is_told_in_that(
    plan: Plan, changed_plan: Changed
) -> None:
    (found,) = changes(plan, changed_plan(('fi = "Kirjanpito"', 'fi = "Tilinpito"')))
    assert found.says == "What was “Kirjanpito” is described as “Tilinpito”."


def test_data_that_becomes_special_needs_explicit_consent(
    plan: Plan, changed_plan: Changed
) -> None:
    found = changes(changed_plan((", special = true", "")), plan)
    assert [(one.kind, one.purposes) for one in found] == [("special-changed", ("dietary-needs",))]
    assert found[0].consent == "needed"


def test_marketing_that_was_none_needs_consent(plan: Plan, changed_plan: Changed) -> None:
    found = changes(changed_plan(("direct_marketing = true\n", "")), plan)
    assert [(one.kind, one.consent) for one in found] == [("marketing-changed", "needed")]


def test_every_kind_of_change_has_a_test() -> None:
    sources = "\n".join(inspect.getsource(inspect.getmodule(one) or one) for one in COMPARISONS)
    named = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', sources))
    here = Path(__file__).read_text("utf-8")
    assert {kind for kind in named - CASES.keys() if f'"{kind}"' not in here} == set()


def test_the_command_says_it_and_exits_with_3(tmp_path: Path) -> None:
    new = written(tmp_path, changed(('"P14D"', '"P30D"')))
    result = CliRunner().invoke(app, ["diff", str(PLAN), str(new)])
    assert result.exit_code == 3
    assert "is kept for 30 days from the end of the event instead of" in result.stdout
    assert "New consent is needed for: dietary-needs." in result.stdout


def test_the_command_exits_with_0_where_nobody_is_to_be_asked(tmp_path: Path) -> None:
    new = written(tmp_path, changed(('"P14D"', '"P7D"')))
    result = CliRunner().invoke(app, ["diff", str(PLAN), str(new)])
    assert result.exit_code == 0
    assert "No new consent is needed." in result.stdout
    same = CliRunner().invoke(app, ["diff", str(PLAN), str(PLAN)])
    assert (same.exit_code, same.stdout) == (0, "Nothing changes for people.\n")


def test_the_command_tells_programs(tmp_path: Path) -> None:
    new = written(tmp_path, changed(("You may share", "You may spread"), ('"P14D"', '"P30D"')))
    said = json.loads(CliRunner().invoke(app, ["diff", str(PLAN), str(new), "--json"]).stdout)
    assert said["consent_needed_for"] == ["dietary-needs"]
    assert said["consent_to_be_judged_for"] == ["networking"]
    assert {one["kind"] for one in said["changes"]} == {"retention-longer", "wording-rewritten"}


def test_a_plan_that_was_in_force_is_compared_and_one_that_is_to_be_is_judged(
    tmp_path: Path,
) -> None:
    before = str(written(tmp_path, OF_THEN))
    compared = CliRunner().invoke(app, ["diff", before, str(PLAN)])
    assert (compared.exit_code, compared.stderr) == (0, "")
    refused = CliRunner().invoke(app, ["diff", str(PLAN), before])
    assert (refused.exit_code, "[service-without-part]" in refused.stderr) == (1, True)


def test_a_plan_that_is_none_is_told_and_exits_with_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["diff", str(PLAN), str(tmp_path / "none.toml")])
    assert result.exit_code == 1
    assert "[unreadable]" in result.stderr
