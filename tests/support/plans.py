"""The plan that is shipped, changed in one respect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from shared.privacy.plan import Finding, PlanError, load_plan

PLAN = Path(__file__).parents[2] / "plan.toml"
TEXT = PLAN.read_text("utf-8")

AUTHORITIES = "\n[authorities.police]"
"""Before this, a recipient can be put in."""

CRM = """
[recipients.crm]
name = "Example CRM Inc"
role = "processor"
agreement = "Agreement 7"
country = "US"
transfer = "adequacy_decision"
transfer_document = "Decision (EU) 2023/1795"
purposes = ["marketing"]
fields = ["marketing.email"]
"""
"""A processor abroad, which the plan that is shipped has none of."""


OF_THEN = TEXT[: TEXT.index("[services.audit]")] + TEXT[TEXT.index("# --- Duties") :]
"""A plan that was in force before one of the services of this release came."""


def changed(*changes: tuple[str, str], text: str = TEXT) -> str:
    """The text with the first occurrence of each old part replaced; every one has to be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def without(*heads: str, text: str = TEXT) -> str:
    """The text without the tables that begin so; every one has to be there."""
    for head in heads:
        assert head in text, head
        before, _, rest = text.partition(head)
        after = re.search(r"(?m)^(\[|# ---)", rest)
        text = before if after is None else before + rest[after.start() :]
    return text


_DIET_WORDING = '[[wordings]]\nid = "dietary-needs-2026"'
_NO_DIETS: Iterable[tuple[str, str]] = (
    ('diet = ["diet.text"]\n', ""),
    ('diet = ["diet.text"]\n', ""),
    ('purposes = ["dietary-needs", "catering"]', 'purposes = ["catering"]'),
    ('fields = ["contact.name", "diet.text"]', 'fields = ["contact.name"]'),
    ('seals = ["contact", "diet", ', 'seals = ["contact", '),
    ('dietary-needs = ["diet", "contact"]\n', ""),
    ('"transport", "diet"]', '"transport"]'),
)
WITHOUT_DIETS = without(
    "[categories.diet]",
    "[purposes.dietary-needs]",
    "[retention.diet]",
    _DIET_WORDING,
    _DIET_WORDING,
    text=re.sub(r'(?m)^"diet\.text".*\n', "", changed(*_NO_DIETS)),
)
"""The plan without the purpose `dietary-needs`, and all that it needs."""

_MARKETING_WORDING = '[[wordings]]\nid = "marketing-2026"'
_NO_MARKETING: Iterable[tuple[str, str]] = (
    ('"billing", "marketing", "networking"]', '"billing", "networking"]'),
    ('seals = ["marketing"]', "seals = []"),
    ('marketing = ["marketing"]\n', ""),
)
WITHOUT_MARKETING = without(
    "[categories.marketing]",
    "[purposes.marketing]",
    "[retention.marketing]",
    "[duties.marketing]",
    _MARKETING_WORDING,
    _MARKETING_WORDING,
    text=re.sub(r'(?m)^"marketing\..*\n|, "marketing\.\w+"', "", changed(*_NO_MARKETING)),
)
"""The plan without the purpose `marketing`, and all that it needs."""

_NEWS = """
[purposes.marketing]
describes = { fi = "Tiedotus", en = "News", sv = "Nyheter" }
legal_basis = "contract"
categories = ["contact"]

[purposes.networking]"""
MARKETING_ON_CONTRACT = changed(("\n[purposes.networking]", _NEWS), text=WITHOUT_MARKETING)
"""The plan with a purpose `marketing` that rests on no consent, and reads other data."""

_TOPICS = """
"interests.topics" = { type = "text", describes = { fi = "aiheet", en = "topics" } }
"marketing.email" ="""
_INTERESTS = """
[categories.interests]
describes = { fi = "Kiinnostukset", en = "Interests", sv = "Intressen" }
data_subjects = ["subscribers"]
context = "none"
fields = ["interests.topics"]

[categories.marketing]"""
_KEPT_A_MONTH = """
[retention.interests]
anchor = "consent_withdrawal"
period = "P1M"
categories = ["interests"]

[retention.marketing]"""
WITH_INTERESTS = changed(
    ('\n"marketing.email" =', _TOPICS),
    ("\n[categories.marketing]", _INTERESTS),
    ("marketing = true\ncategories = [", 'marketing = true\ncategories = ["interests", '),
    ("\n[retention.marketing]", _KEPT_A_MONTH),
    ('seals = ["marketing"]', 'seals = ["marketing", "interests"]'),
    ('marketing = ["marketing"]', 'marketing = ["marketing", "interests"]'),
)
"""The plan with one category more that the purpose `marketing` reads, kept a month longer."""

DIETS_FROM_WITHDRAWAL = changed(
    ('context = "event"\nfields = ["diet.text"]', 'context = "none"\nfields = ["diet.text"]'),
    ('anchor = "event_end"\nperiod = "P14D"', 'anchor = "consent_withdrawal"\nperiod = "P14D"'),
)
"""The plan with diets of no event, which are kept until the consent ends."""

_BUYERS = """law = "Accounting Act 1336/1997, chapter 2, section 10"

[retention.buyers]
anchor = "financial_year_calendar_end"
period = "P6Y"
categories = ["accounting"]
law = "Accounting Act"""
BUYERS_APART = changed(('categories = ["accounting"]\nlaw = "Accounting Act', _BUYERS))
"""The plan with the class of vouchers, and buyers in one of their own instead."""


def written(folder: Path, text: str | bytes, name: str = "plan.toml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def findings(folder: Path, text: str | bytes) -> tuple[Finding, ...]:
    """What is wrong with a plan of this text, in its order; none where it is in order."""
    try:
        load_plan(written(folder, text))
    except PlanError as error:
        return error.findings
    return ()


def rules(found: Iterable[Finding]) -> list[str]:
    return [finding.rule for finding in found]
