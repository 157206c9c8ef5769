from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.plan import app
from shared.contract.message import Envelope, Message
from shared.contract.retention import ErasureDue
from shared.privacy.plan import Finding, Period, Plan, PlanError, load_plan
from tests.support.records import MadeRecord

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "plan.toml").read_text("utf-8")


def findings(folder: Path, text: str | bytes) -> tuple[Finding, ...]:
    file = folder / "plan.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PlanError) as error:
        load_plan(file)
    return error.value.findings


def changed(old: str, new: str, *, text: str = TEXT) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def test_the_plan_that_is_shipped_agrees_with_itself(plan: Plan) -> None:
    assert plan.digest == hashlib.sha256((ROOT / "plan.toml").read_bytes()).hexdigest()
    assert plan.fields["diet.text"].special
    assert plan.special("diet")
    assert not plan.special("contact")
    assert plan.recipients["caterer"].categories == {"contact", "diet"}
    assert plan.retention_of("diet")[1].period == Period(days=14)


SERVICE_CONSENT = 'hears = ["inbound.registrations", "consent", "retention"]'
PROCESSOR = """
[recipients.crm]
name = "CRM"
role = "processor"
purposes = ["marketing"]
fields = ["marketing.email"]

[retention.event-data]"""

CONTRADICTIONS = {
    "field-in-two-categories": [
        ('fields = ["transport.pickup"]', 'fields = ["transport.pickup", "stay.nights"]')
    ],
    "field-of-other-name": [
        ('fields = ["transport.pickup"]', 'fields = ["transport.pickup", "contact.pickup"]'),
        ('"diet.text" =', '"contact.pickup" = {}\n"diet.text" ='),
    ],
    "field-without-category": [('"diet.text" =', '"diet.other" = {}\n"diet.text" =')],
    "unknown-field": [('diet = ["diet.text"]', 'diet = ["diet.txt"]')],
    "unknown-category": [('reads = ["marketing"]', 'reads = ["marketing", "markting"]')],
    "unknown-purpose": [('purposes = ["transport"]', 'purposes = ["transport", "trnsport"]')],
    "special-without-explicit-consent": [
        (
            '[purposes.catering]\n',
            ('[purposes.serving]\ndescribes = { en = "x" }\nlegal_basis = "contract"\n'
            'categories = ["diet"]\n\n[purposes.catering]\n'),
        )
    ],
    "marketing-without-consent": [
        ('direct_marketing = true', ""),
        ('law = "Accounting Act 1336/1997"\n', 'law = "x"\ndirect_marketing = true\n'),
    ],
    "marketing-reads-more": [
        (
            'fields = ["marketing.name", "marketing.email"]',
            'fields = ["marketing.name", "marketing.email", "marketing.phone"]',
        ),
        ('"marketing.name" =', '"marketing.phone" = { type = "phone" }\n"marketing.name" ='),
    ],
    "consent-without-wording": [('languages = ["fi", "en"]', 'languages = ["fi", "en", "sv"]')],
    "wording-for-nothing": [
        ('[[wordings]]\nid = "networking-2026"\n', ('[[wordings]]\nid = "catering-2026"\n'
         'purpose = "catering"\nlanguage = "fi"\ndated = 2026-01-07\ntext = "x"\n\n'
         '[[wordings]]\nid = "networking-2026"\n'))
    ],
    "wording-repeated": [
        ('[[wordings]]\n', ('[[wordings]]\nid = "networking-2026"\npurpose = "networking"\n'
         'language = "fi"\ndated = 2025-01-07\ntext = "x"\n\n[[wordings]]\n'))
    ],
    "obligation-without-law": [
        ('law = "Accounting Act 1336/1997"\ncategories', "categories")
    ],
    "category-without-purpose": [
        ('categories = ["contact", "transport"]\n', 'categories = ["contact"]\n'),
        ('"stay", "transport"]\n\n[purposes.c', '"stay"]\n\n[purposes.c'),
    ],
    "category-in-two-retention-classes": [
        ('categories = ["diet"]', 'categories = ["diet", "stay"]')
    ],
    "category-without-retention": [
        ('"billing", "networking"]\n\n[retention.d', '"billing"]\n\n[retention.d')
    ],
    "accounting-kept-too-shortly": [('period = "P6Y"', 'period = "P5Y11M"')],
    "accounting-kept-too-long": [('period = "P10Y"', 'period = "P10Y1D"')],
    "anchor-without-context": [('anchor = "event_end"', 'anchor = "consent_withdrawal"')],
    "retention-without-law": [
        ('law = "Accounting Act 1336/1997, chapter 2, section 10"\n', "")
    ],
    "marketing-data-disclosed": [
        ('fields = ["contact.name", "diet.text"]',
         'fields = ["contact.name", "diet.text", "marketing.email"]'),
        ('purposes = ["dietary-needs", "catering"]',
         'purposes = ["dietary-needs", "catering", "marketing"]'),
    ],
    "recipient-without-purpose": [('purposes = ["transport"]', "purposes = []")],
    "recipient-gets-more": [('"transport.pickup"]\ndesig', '"stay.nights"]\ndesig')],
    "participants-without-consent": [
        ('purposes = ["networking"]', 'purposes = ["networking", "transport"]')
    ],
    "processor-without-agreement": [("\n[retention.event-data]", PROCESSOR)],
    "source-repeated": [("https://www.example.org/", "https://forms.example.org/")],
    "source-sends-unknown-type": [('types = ["ContactSubmitted"', 'types = ["ContactGuessed"')],
    "consent-unheard": [(SERVICE_CONSENT, 'hears = ["inbound.registrations", "retention"]')],
    "grant-beyond-purpose": [('marketing = ["marketing"]', 'marketing = ["marketing", "diet"]')],
    "unknown-topic": [('hears = ["audit"]', 'hears = ["audits"]')],
    "sealed-for-nobody": [("accounting = [\"accounting\"]\n", "")],
    "duty-reads-more": [
        ('reads = ["marketing"]', 'reads = ["marketing", "transport"]'),
        ('categories = ["contact", "transport"]\n', 'categories = ["contact"]\n'),
        ('"stay", "transport"]\n\n[purposes.c', '"stay"]\n\n[purposes.c'),
    ],
    "duty-corrects-blindly": [('corrects = ["billing"]', 'corrects = ["billing", "diet"]')],
    "unknown-key": [('region = "FI"', 'region = "FI"\nregions = "FI"')],
    "missing-key": [('legal_basis = "consent"\n', "")],
    "wrong-value": [('period = "P6M"', 'period = "6 months"')],
    "other-version": [("plan_version = 1", "plan_version = 2")],
}  # fmt: skip


@pytest.mark.parametrize("rule", CONTRADICTIONS)
def test_a_contradiction_is_found_where_it_stands(rule: str, tmp_path: Path) -> None:
    text = TEXT
    for old, new in CONTRADICTIONS[rule]:
        text = changed(old, new, text=text)
    found = findings(tmp_path, text)
    mine = [finding for finding in found if finding.rule == rule]
    assert mine, [str(finding) for finding in found]
    lines = text.split("\n")
    for finding in mine:
        assert finding.says
        assert finding.but
        assert finding.remedy
        assert lines[finding.line - 1].strip()
        assert str(finding).startswith(f"{tmp_path}/plan.toml:{finding.line}: ")


def test_both_sides_of_a_contradiction_have_their_line(tmp_path: Path) -> None:
    text = changed(SERVICE_CONSENT, 'hears = ["retention"]')
    lines = text.split("\n")
    (first, *_) = [f for f in findings(tmp_path, text) if f.rule == "consent-unheard"]
    assert lines[first.line - 1].startswith("dietary-needs = ")
    assert first.other_line is not None
    assert lines[first.other_line - 1] == 'hears = ["retention"]'


def test_all_contradictions_come_at_once(tmp_path: Path) -> None:
    text = changed('period = "P6Y"', 'period = "P1Y"')
    text = changed('hears = ["audit"]', 'hears = ["audits"]', text=text)
    text = changed('region = "FI"', 'region = "FI"\nregon = "FI"', text=text)
    found = findings(tmp_path, text)
    assert [f.rule for f in found] == [
        "unknown-key",
        "accounting-kept-too-shortly",
        "unknown-topic",
    ]
    assert found[0].remedy == "Did you mean `region`?"


def test_a_processor_may_get_marketing_data(tmp_path: Path) -> None:
    whole = PROCESSOR.replace("role =", 'agreement = "A-1"\ncountry = "IE"\nrole =')
    (tmp_path / "plan.toml").write_text(changed("\n[retention.event-data]", whole), "utf-8")
    assert load_plan(tmp_path / "plan.toml").recipients["crm"].role == "processor"


@pytest.mark.parametrize(
    ("raw", "rule", "line"),
    [
        (b"a = 1\nb = = 2\n", "not-toml", 2),
        (b"a = 1\na = 2\n", "not-toml", 2),
        (b"# \xe4\n", "not-utf-8", 1),
        (b"x = 1\n# \xff\n", "not-utf-8", 2),
        (b"", "missing-key", 1),
        (b"plan_version = 7\nother = 1\n", "other-version", 1),
    ],
)
def test_what_is_no_plan_is_refused_with_its_line(
    raw: bytes, rule: str, line: int, tmp_path: Path
) -> None:
    found = findings(tmp_path, raw)
    assert (found[0].rule, found[0].line) == (rule, line)


def test_a_plan_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        load_plan(tmp_path / "none.toml")
    assert error.value.findings[0].rule == "unreadable"


def test_line_ends_of_windows_change_nothing_but_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert load_plan(file).purposes == load_plan(ROOT / "plan.toml").purposes


def test_a_plan_cannot_say_its_own_digest(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, f'digest = "{"0" * 64}"\n{TEXT}')
    assert found.rule == "unknown-key"


def message(source: str, kind: str) -> Message[ErasureDue]:
    data = ErasureDue(retention_class="diet", cut_off=datetime(2026, 1, 1, tzinfo=UTC))
    record = MadeRecord(None)
    return Message(record, Envelope(id="1", source=source, type=kind, version=1), data)


@pytest.mark.parametrize(
    ("source", "kind", "reason"),
    [
        ("https://www.example.org/steward", "ContactSubmitted", None),
        ("https://www.example.org/steward", "EventAnnounced", "type_not_allowed"),
        ("https://elsewhere.example.org/canary", "ContactSubmitted", "source_unknown"),
    ],
)
def test_a_source_may_send_the_types_that_the_plan_lets_it(
    plan: Plan, source: str, kind: str, reason: str | None
) -> None:
    fault = plan.admit(message(source, kind))
    assert (fault and fault.reason) == reason
    assert "canary" not in repr(fault)


def test_a_wording_is_known_by_id_and_by_digest(plan: Plan) -> None:
    wording = plan.wording("marketing-2026", "fi")
    assert wording is not None
    assert wording.digest == hashlib.sha256(wording.text.encode()).hexdigest()
    assert plan.wording(wording.digest, "fi") == wording
    assert plan.wording(wording.digest, "en") is None
    assert plan.wording("marketing-2026", "sv") is None


@pytest.mark.parametrize(
    ("start", "period", "end"),
    [
        (date(2024, 3, 31), "P10Y", date(2034, 3, 31)),
        (date(2024, 12, 31), "P6Y", date(2030, 12, 31)),
        (date(2026, 8, 31), "P6M", date(2027, 2, 28)),
        (date(2024, 2, 29), "P1Y", date(2025, 2, 28)),
        (date(2026, 12, 24), "P14D", date(2027, 1, 7)),
        (date(2026, 1, 31), "P1Y1M1D", date(2027, 3, 1)),
        (date(2026, 5, 5), "P0D", date(2026, 5, 5)),
    ],
)
def test_a_period_ends_on_a_day_that_exists(start: date, period: str, end: date) -> None:
    assert Period.parse(period).after(start) == end
    assert str(Period.parse(period)) == period


@pytest.mark.parametrize("text", ["", "P", "6Y", "P6W", "PT1H", "P-1Y", "P1M1Y"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("starts", "day", "end"),
    [
        ("01-01", date(2026, 11, 1), date(2026, 12, 31)),
        ("04-01", date(2024, 3, 31), date(2024, 3, 31)),
        ("04-01", date(2024, 4, 1), date(2025, 3, 31)),
    ],
)
def test_a_financial_year_ends_before_the_next_begins(
    plan: Plan, starts: str, day: date, end: date
) -> None:
    assert plan.financial_year.model_copy(update={"starts": starts}).end(day) == end


def test_the_command_approves_a_plan_that_agrees() -> None:
    result = CliRunner().invoke(app, ["check", str(ROOT / "plan.toml")])
    assert result.exit_code == 0
    assert "agrees with itself" in result.output


def test_the_command_names_every_contradiction_and_exits_1(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(changed('period = "P6Y"', 'period = "P1Y"'), "utf-8")
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert "accounting-kept-too-shortly" in result.output
    as_json = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.output)["findings"][0]["rule"] == "accounting-kept-too-shortly"
