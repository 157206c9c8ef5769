"""The console in a real browser: every page, checked for accessibility; and by keyboard alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from services.audit.settings import Settings
from tests.audit.console.conftest import EMAIL, Shown
from tests.conftest import ROOT
from tests.support.commands import environment_of

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"
    ),
]

WIDE: Final[ViewportSize] = {"width": 1280, "height": 900}
NARROW: Final[ViewportSize] = {"width": 320, "height": 640}
"""Of WCAG 2.2, success criterion 1.4.10."""


@pytest.fixture(scope="module")
def address(shown: Shown) -> Iterator[str]:
    """What the command prints: the address with the token."""
    process = started(shown.settings)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def started(settings: Settings) -> subprocess.Popen[str]:
    """The command, on any free port."""
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "audit", "console", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment_of(settings)},
    )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    flags = ["--disable-gpu", "--disable-quic", "--disable-background-networking"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """A signed-in browser window, whose complaints fail the test."""
    with chromium.new_context(viewport=WIDE) as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        yield page
    # A page that tells what is wrong has such a status, which the browser remarks upon.
    assert [one for one in complaints if "responded with a status of 40" not in one] == []


def paths(shown: Shown) -> list[str]:
    return [
        "/?type=DisclosureRefused&purpose=dietary-needs",
        "/?since=yesterday&subject=x",
        "/?actor=nobody",
        "/entries/12",
        f"/entries/{shown.size - 1}",
        "/people",
        f"/people/{shown.aino}",
        "/recipients?since=2026-08-20&until=2026-09-12",
        "/recipients?since=x",
        "/recipients/caterer?since=2026-08-20&until=2026-09-12",
        "/checkpoints",
        "/nothing-here",
    ]


@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_is_accessible_and_fits_its_window(
    page: Page, shown: Shown, window: ViewportSize
) -> None:
    page.set_viewport_size(window)
    base = origin(page)
    for path in paths(shown):
        page.goto(f"{base}{path}")
        for folded in page.locator("details:not([open]) > summary").all():
            folded.click()
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("main")).to_have_count(1)
        expect(page.locator("table:not(:has(caption)), th:not([scope])")).to_have_count(0)


def test_all_colours_have_enough_contrast_in_the_dark(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    base = origin(page)
    for path in ("/?since=x", "/entries/12", "/recipients?since=2026-09-01", "/checkpoints"):
        page.goto(f"{base}{path}")
        assert violations(page, only=["color-contrast"]) == [], path


def test_the_token_is_nowhere_once_the_browser_is_signed_in(page: Page, address: str) -> None:
    token = urlsplit(address).query.removeprefix("token=")
    assert token not in page.url
    assert page.evaluate("document.cookie") == ""
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert token not in cookie["value"]


def test_whoever_has_no_token_is_told_how_to_get_in(chromium: Browser, address: str) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(address.partition("/sign-in")[0])
        expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
        assert violations(page) == []


def test_a_person_is_found_by_keyboard_alone(page: Page, shown: Shown) -> None:
    follow(page, "Skip to the content")
    expect(page.locator("main")).to_be_focused()
    follow(page, "People")
    tab_to(page, "E-mail address or subject id")
    page.keyboard.type(EMAIL)
    enter(page)
    expect(page.get_by_role("heading", name="history")).to_be_visible()
    assert page.url == f"{origin(page)}/people/{shown.aino}"
    follow(page, "Entry 117")
    expect(page.get_by_role("heading", name="Entry 117: Data disclosed")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_label("E-mail address or subject id")).to_have_value("")


def test_entries_are_searched_by_keyboard_alone(page: Page) -> None:
    tab_to(page, "From")
    page.keyboard.type("2026-09-02")
    tab_to(page, "Type")
    page.keyboard.type("Disclosure ref")
    tab_to(page, "More filters")
    page.keyboard.press("Space")
    tab_to(page, "Actor")
    page.keyboard.type("cli:maija")
    enter(page)
    expect(page.locator("caption")).to_have_text("Entries that match, the newest first")
    expect(page.locator("tbody tr")).to_have_count(8)
    expect(page.get_by_label("Type")).to_have_value("DisclosureRefused")
    follow(page, "Clear")
    follow(page, "Older")
    expect(page.locator("tbody tr")).to_have_count(50)


def test_the_chart_leads_to_its_entries_by_keyboard_alone(page: Page) -> None:
    page.goto(f"{origin(page)}/recipients?since=2026-09-01&until=2026-09-10")
    follow(page, "Example Catering Ltd")
    expect(page.get_by_role("heading", level=1, name="Example Catering Ltd")).to_be_visible()
    expect(page.get_by_role("img", name="People a day")).to_be_visible()
    tab_to(page, "Days in numbers")
    page.keyboard.press("Enter")
    expect(page.get_by_role("cell", name="11", exact=True).first).to_be_visible()
    follow(page, "Checkpoints")
    expect(page.get_by_text("Verified").first).to_be_visible()


def violations(page: Page, only: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What axe finds: rules, all or only these, with the first element that breaks each."""
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if only:
        options["runOnly"] = only
    found = Axe().run(page, options=options).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def origin(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def follow(page: Page, name: str) -> None:
    """Go to a link by keyboard, and into it."""
    tab_to(page, name)
    enter(page)


def enter(page: Page) -> None:
    """Press Enter where that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name is focused, which has to be seen."""
    for _ in range(400):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["visible"], f"nobody sees that {focused['name']} is focused"
        if focused["name"] == name:
            return
    pytest.fail(f"the Tab key does not lead to {name}")


FOCUSED: Final = """() => {
  const one = document.activeElement ?? document.body;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const name = one.ariaLabel ?? (one.labels?.length ? one.labels[0].innerText : one.innerText);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {name: name.trim(), visible: one === document.body || outlined && box.left >= 0};
}"""
