"""What holds for every page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = sorted(
    str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
)

ADRS = sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/adr/*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_no_heading_stands_twice(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    headings = Counter(
        re.findall(r"^#{1,4} .+$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    )
    assert [heading for heading, times in headings.items() if times > 1] == []


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page ends with, as GitHub makes it."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#{1,4} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *ADRS])
def test_every_link_leads_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_pages_agree_on_what_one_needs() -> None:
    needs = {
        page: re.findall(r"You need (.*?)[,.]", (ROOT / page).read_text("utf-8"))
        for page in ("README.md", "CONTRIBUTING.md")
    }
    assert needs["README.md"] == needs["CONTRIBUTING.md"]


def test_whoever_is_to_name_an_event_is_told_how_it_is_called() -> None:
    for page in ("README.md", "docs/operations.md"):
        text = (ROOT / page).read_text("utf-8")
        assert "steward registration disclose EVENT" in text
        assert "steward registration events" in text
