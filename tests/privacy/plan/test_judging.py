"""A file that is no plan, and a plan with more than one fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.privacy.plan import PlanError, load_plan
from shared.privacy.plan.load import read_plan
from tests.support.plans import OF_THEN, PLAN, TEXT, changed, findings, rules, without, written

PROCESSOR = """
[recipients.crm]
name = "CRM"
role = "processor"
agreement = "A-1"
country = "IE"
purposes = ["marketing"]
fields = ["marketing.email"]

[authorities.police]"""


def test_all_contradictions_come_at_once(tmp_path: Path) -> None:
    text = changed(
        ('period = "P6Y"', 'period = "P1Y"'),
        ('hears = ["audit"]', 'hears = ["audits"]'),
        ('region = "FI"', 'region = "FI"\nregon = "FI"'),
    )
    found = findings(tmp_path, text)
    assert rules(found) == ["unknown-key", "accounting-kept-too-shortly", "unknown-topic"]
    assert found[0].remedy == "Did you mean `region`?"


def test_a_processor_may_get_marketing_data(tmp_path: Path) -> None:
    assert findings(tmp_path, changed(("\n[authorities.police]", PROCESSOR))) == ()


def test_a_country_outside_the_economic_area_needs_ground_and_document(tmp_path: Path) -> None:
    abroad = PROCESSOR.replace('"IE"', '"US"\ntransfer = "adequacy_decision"')
    text = changed(("\n[authorities.police]", abroad))
    assert rules(findings(tmp_path, text)) == ["transfer-without-document"]
    whole = text.replace(
        'transfer = "adequacy_decision"',
        'transfer = "adequacy_decision"\ntransfer_document = "Decision (EU) 2023/1795"',
    )
    assert findings(tmp_path, whole) == ()


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("direct_marketing = true", "direct_marketting = true", "direct_marketing"),
        ("[recipients.hotel]\nname", '[recipients.hotel]\nrolle = "x"\nname', "role"),
        ("[duties.marketing]", "[dutis.marketing]", "duties"),
        ('email = "dpo@', 'emial = "x"\nemail = "dpo@', "email"),
        ("readings =", 'reading = "P2Y"\nreadings =', "readings"),
        ('dated = 2026-01-07', 'date = 2026-01-07\ndated = 2026-01-07', "dated"),
        ('"contact.phone" = { type', '"contact.phone" = { tipe = "x", type', "type"),
    ],
)  # fmt: skip
def test_the_nearest_name_is_suggested_for_an_unknown_key(
    old: str, new: str, remedy: str, tmp_path: Path
) -> None:
    (found,) = [f for f in findings(tmp_path, changed((old, new))) if f.rule == "unknown-key"]
    assert found.remedy == f"Did you mean `{remedy}`?"


def test_a_time_zone_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, changed(("Europe/Helsinki", "Europe/Jyvaskyla")))
    assert found.rule == "wrong-value"
    assert "IANA" in found.but


@pytest.mark.parametrize(
    ("raw", "rule", "line"),
    [
        (b"a = 1\nb = = 2\n", "not-toml", 2),
        (b"a = 1\na = 2\n", "not-toml", 2),
        (b"# \xe4\n", "not-utf-8", 1),
        (b"x = 1\n# \xff\n", "not-utf-8", 2),
        ("plan_version = 1\n".encode("utf-16"), "not-utf-8", 1),
        (b"\xef\xbb\xbfplan_version = 1\n", "not-utf-8", 1),
        (b"", "missing-key", 1),
        (b"plan_version = 7\nother = 1\n", "other-version", 1),
        (b'# plan\nplan_version = "1"\n', "other-version", 2),
        (b"plan_version = true\n", "other-version", 1),
    ],
)
def test_what_is_no_plan_is_refused_with_its_line_and_a_remedy(
    raw: bytes, rule: str, line: int, tmp_path: Path
) -> None:
    found = findings(tmp_path, raw)
    assert (found[0].rule, found[0].line) == (rule, line)
    assert found[0].remedy


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_plan_that_cannot_be_read_is_a_finding(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as error:
        load_plan(tmp_path / name)
    (found,) = error.value.findings
    assert found.rule == "unreadable"
    assert "STEWARD_PLAN" in found.remedy


def test_a_plan_that_was_in_force_before_a_service_came_is_read_all_the_same(
    tmp_path: Path,
) -> None:
    assert rules(findings(tmp_path, OF_THEN)) == ["service-without-part"]
    assert "audit" not in read_plan(OF_THEN.encode(), tmp_path).services


def test_line_ends_of_windows_change_nothing_but_the_digest(tmp_path: Path) -> None:
    file = written(tmp_path, TEXT.replace("\n", "\r\n"))
    ours, theirs = load_plan(PLAN), load_plan(file)
    assert theirs.digest != ours.digest
    assert theirs.model_copy(update={"digest": ours.digest}) == ours


def test_a_plan_cannot_say_its_own_digest(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, f'digest = "{"0" * 64}"\n{TEXT}')
    assert found.rule == "unknown-key"


def test_a_plan_that_gives_contact_data_another_name_is_told_that_nobody_would_be_found(
    tmp_path: Path,
) -> None:
    text = re.sub(r"\bcontact\b", "participant", TEXT)
    assert rules(findings(tmp_path, text)) == ["nobody-known-by-address"]


def test_where_no_event_has_a_fee_finance_needs_no_books(tmp_path: Path) -> None:
    books = without("[services.finance.grants]", *["[vat_classes."] * 3)
    text = changed(('seals = ["accounting"]', "seals = []"), text=books)
    assert "fee-without-invoice" not in rules(findings(tmp_path, text))
