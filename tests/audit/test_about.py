"""What a person is told of disclosures: in each language, by the plan of then, and nothing more."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from uuid import uuid4

import orjson
import pytest
from rich.console import Console

from services.audit.commands import app
from services.audit.commands.about_document import WORDS, Answer, about_document
from services.audit.commands.naming import Naming
from services.audit.domain.history import Access, Disclosure, Handed, History
from services.audit.handlers.plans import Plans
from services.cli import plan as plan_commands
from shared.contract.audit import DataDisclosed
from shared.contract.types import SubjectId
from shared.documents.document import rendered
from shared.documents.terminal import print_document
from shared.documents.words import Words, languages
from shared.privacy.plan import Plan, load_plan
from shared.privacy.plan.models import LegalBasis
from shared.privacy.reasons import Failure, Refusal
from shared.runtime.settings import ServiceSettings
from tests.support.commands import command
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.log import appending_to
from tests.support.plans import AUTHORITIES, CRM, PLAN, TEXT, changed, written
from tests.support.work import Work


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("plan")
    return load_plan(written(folder, changed((AUTHORITIES, CRM + AUTHORITIES))))


DISCLOSED = Disclosure(
    sequence=7,
    at=NOON,
    kind="disclosed",
    disclosure_id=uuid4(),
    recipient="caterer",
    purpose="dietary-needs",
    legal_basis="explicit-consent",
    fields=("contact.name", "diet.text"),
    event_id=uuid4(),
    actor="cli:maija",
    plan_digest="",
    reason=None,
    outcome="delivered",
    outcome_at=NOON + timedelta(minutes=1),
)
READ = Access(9, NOON, "event-arrangement", ("contact.email",), "", "staff")


def answer(plans: Plans, *told: Disclosure | Access, language: str = "en") -> Answer:
    """An answer; what names no plan was made under today's."""
    made = [
        one if one.plan_digest else replace(one, plan_digest=plans.today.digest) for one in told
    ]
    history = History(
        uuid4(),
        (),
        tuple(one for one in made if isinstance(one, Disclosure)),
        tuple(one for one in made if isinstance(one, Access)),
    )
    return Answer(history, Naming(plans, Words(language, WORDS)), NOON)


def text(of: Answer) -> str:
    said = io.StringIO()
    print_document(about_document(of), Console(file=said, width=250))
    return said.getvalue()


def section(of: Answer, heading: str) -> str:
    """What stands under a heading, where there is one."""
    for one in about_document(of).sections:
        if one.heading == heading:
            return repr(one)
    return ""


class Page(HTMLParser):
    """The tables of a page, and what stands in which language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.languages: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.languages += [value for name, value in attrs if name == "lang" and value]


@pytest.mark.parametrize("language", languages(WORDS))
def test_a_page_in_each_language_tells_who_why_what_and_on_what_basis(
    plan: Plan, language: str
) -> None:
    of = answer(Plans(plan), DISCLOSED, READ, language=language)
    html = rendered(about_document(of), "html")
    words = of.naming.words
    for said in (
        "Example Catering Ltd",
        words.say("role", "third_party"),
        plan.purposes["dietary-needs"].describes[language],
        words.say("legal_basis", "explicit_consent"),
        plan.fields["diet.text"].describes[language],  # type: ignore[index]  # it has one
        words.say("told", "staff"),
        plan.purposes["event-arrangement"].describes[language],
        "dpo@example.org",
        plan.digest,
    ):
        assert said in html, said
    page = Page(html)
    assert page.languages == [language]
    assert page.tags.count("table") == page.tags.count("thead") == page.tags.count("caption") == 3
    assert "maija" not in html
    assert "{" not in re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL)


def test_what_the_plan_does_not_say_in_the_language_is_marked_as_english(plan: Plan) -> None:
    purpose = plan.purposes["dietary-needs"]
    without = purpose.model_copy(update={"describes": {"fi": "x", "en": "Serving food"}})
    other = plan.model_copy(update={"purposes": {**plan.purposes, "dietary-needs": without}})
    html = rendered(about_document(answer(Plans(other), DISCLOSED, language="sv")), "html")
    assert '<span lang="en">Serving food</span>' in html
    assert Page(html).languages == ["sv", "en"]


def test_names_are_those_of_the_plan_of_then_and_else_of_today(plan: Plan, tmp_path: Path) -> None:
    renamed = TEXT.replace("Example Catering Ltd", "Another Caterer Ltd")
    today = load_plan(written(tmp_path, renamed))
    then = replace(DISCLOSED, plan_digest=plan.digest)
    told = section(answer(Plans(today, (plan,)), then, DISCLOSED), "Who has received your data")
    assert "Example Catering Ltd" in told
    assert "Another Caterer Ltd" in told
    lost = answer(Plans(today), then)
    assert "Example Catering Ltd" not in text(lost)
    assert "is not stored" in text(lost)
    assert "is not stored" not in text(answer(Plans(today, (plan,)), then))


def test_a_name_that_no_plan_has_is_shown_as_it_stands_in_the_log(plan: Plan) -> None:
    gone = replace(
        DISCLOSED, recipient="old-hotel", purpose="old-purpose", fields=("old.room_number",)
    )
    said = text(answer(Plans(plan), gone))
    for one in ("old-hotel", "old-purpose", "old: room number", "has nobody of this name"):
        assert one in said


def test_whoever_got_nothing_is_no_recipient(plan: Plan) -> None:
    failed = replace(DISCLOSED, outcome="failed", reason="not-written")
    refused = replace(DISCLOSED, kind="refused", recipient="hotel", outcome="refused")
    of = answer(Plans(plan), failed, replace(refused, reason="consent-missing"))
    assert "No disclosure of your data to anybody is recorded." in section(
        of, "Who has received your data"
    )
    assert "no, 1\u00a0Sep\u00a02026, 15:01: it could not be written" in text(of)
    assert "you had not consented to it" in section(of, "What was asked for and not given")
    assert "Hotel Example" not in section(of, "Each time your data was disclosed")


def test_what_may_still_arrive_counts_and_says_so(plan: Plan) -> None:
    pending = replace(DISCLOSED, outcome="not delivered yet", outcome_at=None)
    of = answer(Plans(plan), pending)
    assert "Example Catering Ltd" in section(of, "Who has received your data")
    assert "not known yet" in text(of)


@pytest.mark.parametrize("language", languages(WORDS))
def test_what_may_have_arrived_makes_a_recipient_and_is_told_as_not_known(
    plan: Plan, language: str
) -> None:
    unsure = replace(DISCLOSED, outcome="may have arrived", reason="interrupted")
    of = answer(Plans(plan), unsure, language=language)
    words = of.naming.words
    assert "Example Catering Ltd" in section(of, words.say("about", "recipients"))
    at, reason = of.moment(NOON + timedelta(minutes=1)), words.say("reason", "interrupted")
    said = words.say("told", "unsure", at=at, reason=reason)
    assert said in rendered(about_document(of), "html")


def test_processors_are_told_apart_with_where_the_data_went(plan: Plan) -> None:
    sent = replace(DISCLOSED, kind="transmitted", recipient="crm", purpose="marketing")
    of = answer(Plans(plan), sent)
    told = section(of, "What was sent to processors")
    assert "Example CRM Inc" in told
    assert "in US: adequacy decision (article 45)" in told
    assert not section(of, "Each time your data was disclosed")


def test_an_authority_is_named_with_its_law(plan: Plan) -> None:
    asked = replace(DISCLOSED, recipient="tax-administration", legal_basis="legal-obligation")
    assert "public authority, by law: Act on Assessment Procedure 1558/1995" in text(
        answer(Plans(plan), asked)
    )


def test_that_nothing_was_read_is_said(plan: Plan) -> None:
    assert "No reading of your data is recorded." in text(answer(Plans(plan), DISCLOSED))


@pytest.mark.parametrize("language", languages(WORDS))
def test_every_basis_and_every_reason_has_words(language: str) -> None:
    words = Words(language, WORDS)
    for basis in get_args(LegalBasis):
        assert words.say_code("legal_basis", basis.replace("_", "-")) != basis.replace("_", "-")
    reasons = {reason.replace("-", "_") for of in (Refusal, Failure) for reason in get_args(of)}
    assert words.tables["reason"].keys() == reasons
    assert set(get_args(Handed)) <= words.tables["about"].keys()


async def test_a_person_is_told_by_the_stored_plan_that_an_entry_cites_and_from_a_day_on(
    work: Work, settings: ServiceSettings, tmp_path: Path
) -> None:
    first = load_plan(PLAN).digest
    subject = SubjectId(uuid4())
    entries = [
        make_entry(DataDisclosed, subject_id=subject, plan_digest=first, at=NOON + timedelta(day))
        for day in range(2)
    ]
    await work.do(appending_to(work), [Facts().message(entry) for entry in entries])
    renamed = TEXT.replace("Example Catering Ltd", "Another Caterer Ltd")
    other = written(tmp_path, renamed)
    done = await command(plan_commands.app, settings, "apply", str(other), "--yes")
    assert done.code == 0, done.err
    since = ("about", str(subject), "--since", "2026-09-02")
    page = await command(app, settings, *since, "--format", "html", "--language", "sv")
    assert page.code == 0, page.err
    assert page.out.startswith('<!DOCTYPE html>\n<html lang="sv">')
    assert "Example Catering Ltd" in page.out
    told = orjson.loads((await command(app, settings, *since, "--json")).out)
    (only,) = told["disclosures"]
    assert (only["recipient_name"], only["plan_digest"]) == ("Example Catering Ltd", first)
    assert "actor" not in only
    later = await command(app, settings, "about", str(subject), "--since", "2026-09-03")
    assert (later.code, later.out, later.err) == (1, "", "nothing is recorded\n")
    wrong = await command(app, settings, "about", str(subject), "--since", "yesterday")
    assert (wrong.code, "--since" in wrong.err) == (2, True)
