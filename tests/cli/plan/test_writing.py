"""The record and the notice say all that the plan says, in either language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.plan import app
from services.cli.plan.notice import notice_document
from services.cli.plan.record import record_data, record_document
from services.cli.plan.words import LANGUAGES, plan_words
from shared.documents.document import rendered
from shared.documents.telling import Teller
from shared.privacy.plan import Plan
from tests.cli.plan.conftest import Changed
from tests.support.plans import AUTHORITIES, CRM, OF_THEN, PLAN, TEXT, written

MANDATE = """
[on_behalf.alumni]
describes = { fi = "Alumnitapahtumien ilmoittautumiset", en = "Registrations for alumni events" }
agreement = "Agreement 12"
country = "US"
transfer = "standard_contractual_clauses"
transfer_document = "Clauses of 2026"

[on_behalf.alumni.controller]
name = "Example Alumni"
email = "alumni@example.org"

[authorities.police]"""

DATED_CRM_AND_PARTNER = f"""{CRM}since = 2027-01-01
covers_earlier_data = "compatible with why it was collected"

[recipients.partner]
name = "Example Partner"
role = "joint_controller"
agreement = "Arrangement 3"
country = "FI"
purposes = ["event-arrangement"]
fields = ["contact.name"]
since = 2027-02-01
{AUTHORITIES}"""


def record(plan: Plan, language: str = "en") -> str:
    return rendered(record_document(Teller(plan, plan_words(language))), "md")


def notice(plan: Plan, language: str = "en") -> str:
    return rendered(notice_document(Teller(plan, plan_words(language))), "md")


def section(text: str, heading: str) -> str:
    """From one heading of the second level to the next."""
    found = [part for part in text.split("\n## ") if part.startswith(heading)]
    assert found, heading
    return found[0]


def entry(text: str, title: str) -> str:
    found = [part for part in text.split("\n### ") if part.startswith(title)]
    assert found, title
    return found[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_record_has_every_part_of_the_plan(plan: Plan, language: str) -> None:
    text = record(plan, language)
    named = [
        plan.organisation.name,
        plan.organisation.data_protection_officer,
        *(purpose.describes[language] for purpose in plan.purposes.values()),
        *(category.describes[language] for category in plan.categories.values()),
        *(whose[language] for whose in plan.data_subjects.values()),
        *(source.describes[language] for source in plan.sources.values()),
        *(authority.law for authority in plan.authorities.values()),
        *(duty.describes[language] for duty in plan.duties.values()),
        *(measure[language] for measure in plan.security.values()),
        plan.digest,
    ]
    for one in named:
        said = one if isinstance(one, str) else str(one.email if one else "")
        assert said in text, said
    for recipient in plan.recipients.values():
        assert recipient.role == "participants" or recipient.name in text


def test_an_activity_has_what_article_30_asks_for(plan: Plan) -> None:
    said = entry(record(plan), "Serving food that the person can eat")
    assert "**Legal basis:** explicit consent" in said
    assert "**Data subjects:** People who register for events and training" in said
    assert "  - Special diet (special category, article 9): special diet" in said
    assert "**Recipients:** Example Catering Ltd (third party): name, special diet" in said
    assert "**Transfers to third countries:** none" in said
    assert "  - Special diet: 14 days from the end of the event" in said


def test_a_transfer_is_recorded_with_its_safeguards(changed_plan: Changed) -> None:
    text = record(changed_plan((AUTHORITIES, DATED_CRM_AND_PARTNER)))
    transfer = "Example CRM Inc, US: adequacy decision (article 45); Decision (EU) 2023/1795"
    assert transfer in entry(text, "Invitations to similar events")
    assert "**Agreement:** Agreement 7" in entry(text, "Example CRM Inc")
    assert "**Example Partner:** Arrangement 3" in entry(text, "Joint controllers (a)")


def test_what_is_done_for_another_controller_is_recorded(plan: Plan, changed_plan: Changed) -> None:
    assert "on behalf of other controllers" not in record(plan)
    text = record(changed_plan(("\n[authorities.police]", MANDATE)))
    said = section(text, "Processing on behalf of other controllers (article 30(2))")
    for one in (
        "Controller: Example Alumni",
        "alumni@example.org",
        "**Processor (2)(a):** Example University of Applied Sciences",
        "**Processing (2)(b):** Registrations for alumni events",
        "Example Alumni, US: standard contractual clauses (article 46); Clauses of 2026",
        "**Measures (2)(d):** as in (g)",
    ):
        assert one in said


def test_the_record_for_programs_names_what_the_plan_names(plan: Plan) -> None:
    data = record_data(plan)
    assert data["plan_digest"] == plan.digest
    assert data["activities"]["dietary-needs"]["recipients"] == [
        {
            "name": "Example Catering Ltd",
            "role": "third_party",
            "fields": ["contact.name", "diet.text"],
        }
    ]
    assert data["activities"]["dietary-needs"]["time_limits"] == {
        "diet": "diet",
        "contact": "event-data",
    }
    assert data["activities"]["invoicing"]["data_subjects"] == ["participants", "payers"]
    assert data["retention"]["diet"]["period"] == "P14D"
    assert data["accountability"]["readings"] == "P2Y"
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_has_every_purpose_recipient_and_period(plan: Plan, language: str) -> None:
    text = notice(plan, language)
    words = plan_words(language)
    for purpose in plan.purposes.values():
        said = entry(text, purpose.describes[language])
        assert words.say("legal_basis", purpose.legal_basis) in said
    for recipient in plan.recipients.values():
        assert recipient.role == "participants" or recipient.name in text
    for retention in plan.retention.values():
        assert not retention.categories or words.kept(retention) in text
    assert plan.digest in text


def test_the_notice_keeps_the_promises_that_the_plan_makes(plan: Plan) -> None:
    text = notice(plan)
    who = section(text, "Who receives data")
    assert "Data that we use for marketing is never disclosed to anybody outside" in who
    assert "Only if the event needs it and names it as a recipient." in entry(who, "Hotel Example")
    assert "Only if you choose so" in entry(who, "The other participants of the event")
    consent = section(text, "Your consent")
    assert "you can withdraw a consent at any time" in consent
    assert "you still get messages about what you have registered for" in consent
    assert "Office of the Data Protection Ombudsman" in section(text, "How to use them")


def test_rights_are_those_that_the_legal_bases_give(plan: Plan, changed_plan: Changed) -> None:
    assert "(article 21)" not in notice(plan)
    survey = (
        '[purposes.surveys]\ndescribes = { fi = "Palaute", en = "Feedback" }\n'
        'legal_basis = "public_task"\ncategories = ["contact"]\nsince = 2027-01-01\n'
        'automated_decisions = { fi = "Kone arpoo.", en = "A machine draws lots." }\n\n'
    )
    text = notice(changed_plan(("[purposes.catering]", survey + "[purposes.catering]")))
    assert "You can object to use that rests on a task in the public interest" in text
    assert "A machine draws lots." in section(text, "Do you have to give data?")
    assert "2027-01-01. Data that was collected before is not used for this." in entry(
        text, "Feedback"
    )


def test_the_notice_tells_of_processors_countries_and_earlier_data(changed_plan: Changed) -> None:
    text = notice(changed_plan((AUTHORITIES, DATED_CRM_AND_PARTNER)))
    assert "Those who process it on our behalf and under our instructions: Example CRM Inc." in text
    said = entry(text, "Example CRM Inc")
    assert "US, Decision (EU) 2023/1795" in said
    assert "is used too: compatible with why it was collected." in said
    assert "Decides with us: Arrangement 3" in entry(text, "Example Partner")


def test_the_notice_calls_nobody_a_processor_who_is_none(plan: Plan) -> None:
    coaches = plan.recipients["bus-company"].model_copy(update={"purposes": ("marketing",)})
    other = plan.model_copy(update={"recipients": {**plan.recipients, "bus-company": coaches}})
    assert "under our instructions: Example Coaches Ltd" not in notice(other)


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["record"], "# Record of processing activities"),
        (["record", "--language", "fi"], "# Seloste käsittelytoimista"),
        (["record", "--format", "html"], "<!DOCTYPE html>"),
        (["record", "--format", "json"], "{"),
        (["notice", "--language", "fi"], "# Tietosuojailmoitus"),
        (["notice", "--language", "en", "--format", "html"], "<!DOCTYPE html>"),
    ],
)
def test_commands_write_to_standard_output(arguments: list[str], begins: str) -> None:
    result = CliRunner().invoke(app, [arguments[0], str(PLAN), *arguments[1:]])
    assert result.exit_code == 0
    assert result.stdout.startswith(begins)


@pytest.mark.parametrize("arguments", [["record"], ["notice", "--language", "en"]])
def test_a_plan_that_was_in_force_is_written_up(tmp_path: Path, arguments: list[str]) -> None:
    """Also where this release has no such service as it has a part for, or the other way round."""
    later = TEXT.replace("[services.audit]", "[services.archive]")
    for text in (OF_THEN, later):
        result = CliRunner().invoke(app, [*arguments, str(written(tmp_path, text))])
        assert (result.exit_code, result.stderr) == (0, "")


def test_a_plan_that_contradicts_itself_is_not_written_up() -> None:
    result = CliRunner().invoke(app, ["notice", "none.toml", "--language", "en"])
    assert result.exit_code == 1
    assert "none.toml:1: [unreadable]" in result.stderr
