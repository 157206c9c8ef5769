"""What the console's pages say, without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from services.audit.api.console import pages
from services.audit.api.console.access import SIGN_IN
from services.audit.api.console.desk import Desk
from services.audit.domain.entries import StoredEntry
from services.audit.domain.history import History, history
from services.audit.domain.paging import Page
from services.audit.handlers.plans import Plans
from shared.runtime.database import Connection
from tests.audit.console.conftest import ACCESS, EMAIL, SHARED, TODAY, Shown, browser_of, link

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTHING = "The log has no entry about this person."


def numbers(page: str) -> list[int]:
    """The entries that a page's table has, from top to bottom."""
    return [int(found) for found in re.findall(r'<th scope="row".*?href="/entries/(\d+)"', page)]


async def test_the_newest_entries_come_first(browser: httpx2.AsyncClient, shown: Shown) -> None:
    page = (await browser.get("/")).text
    assert numbers(page) == list(range(shown.size - 1, shown.size - 51, -1))
    assert ">Newer</a>" not in page


async def test_older_and_newer_pages_lead_through_the_whole_log_and_back(
    browser: httpx2.AsyncClient, shown: Shown
) -> None:
    page, seen = (await browser.get("/")).text, []
    while True:
        seen += numbers(page)
        if ">Older</a>" not in page:
            break
        page = (await browser.get(link(page, "Older"))).text
    assert seen == list(range(shown.size - 1, -1, -1))
    back = numbers(page)
    while ">Newer</a>" in page:
        page = (await browser.get(link(page, "Newer"))).text
        back = numbers(page) + back
    assert back == seen


@pytest.mark.parametrize(
    ("filters", "many"),
    [
        ("recipient=hotel", 10),
        ("type=DisclosureFailed", 1),
        ("type=DataAccessed&purpose=event-arrangement", 2),
        ("since=2026-09-02&until=2026-09-02&type=DataDisclosed", 11),
        ("actor=nobody", 0),
        ("category=diet&recipient=hotel", 10),
        ("event={event}&type=DisclosureRefused", 9),
        ("subject={aino}", 13),
    ],
)
async def test_filters_of_the_search(
    browser: httpx2.AsyncClient, shown: Shown, filters: str, many: int
) -> None:
    given = filters.format(event=shown.event, aino=shown.aino)
    page = (await browser.get(f"/?{given}")).text
    assert len(numbers(page)) == many
    assert many or "No entry matches." in page


async def test_an_older_page_keeps_the_filters(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/?type=DataDisclosed")).text
    older = (await browser.get(link(page, "Older"))).text
    assert older.count("Data disclosed</td>") == 50
    assert re.findall(r"<option[^>]* selected>[^<]*", older) == [
        '<option value="DataDisclosed" selected>Data disclosed'
    ]


async def test_a_name_that_the_plan_has_no_more_stays_chosen(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/?recipient=printer")).text
    assert re.findall(r"<option[^>]* selected>[^<]*", page) == [
        '<option value="printer" selected>printer'
    ]


async def test_entries_that_no_index_knows_are_looked_for_in_windows(
    browser: httpx2.AsyncClient, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.audit.handlers.browse.WINDOW", 40)
    page = (await browser.get("/?type=DisclosureFailed")).text
    assert "Older ones may match." in page
    steps = 0
    while not numbers(page):
        page, steps = (await browser.get(link(page, "Older"))).text, steps + 1
    assert (numbers(page), steps) == ([3 * 13 + 12], 1)


@pytest.mark.parametrize(
    ("filters", "field", "sentence"),
    [
        ("since=yesterday", "since", "Give a day or a moment"),
        ("since=0001-01-01", "since", "Give a day or a moment"),
        ("until=9999-12-31", "until", "Give a day or a moment"),
        ("since=2026-09-02&until=2026-09-01", "until", "not before the first one"),
        ("subject=x", "subject", "Give the whole id"),
        ("event=x", "event", "Give the whole id"),
        ("type=Nonsense", "type", "Choose one from the list."),
        ("recipient=%00", "recipient", "Give a name"),
    ],
)
async def test_a_wrong_filter_is_marked_and_told(
    browser: httpx2.AsyncClient, filters: str, field: str, sentence: str
) -> None:
    answer = await browser.get(f"/?{filters}")
    assert answer.status_code == 400
    assert f'aria-invalid="true" aria-describedby="{field}-fault"' in answer.text
    fault = re.search(rf'id="{field}-fault">([^<]*)<', answer.text)
    assert fault is not None
    assert sentence in fault[1]
    assert not numbers(answer.text)


@pytest.mark.parametrize("path", ["/?before=x", "/?after=-1", "/checkpoints?before=1e3"])
async def test_a_wrong_place_is_told(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 400
    assert "takes a number" in answer.text


async def test_an_entry_is_shown_whole_and_proven(
    browser: httpx2.AsyncClient, shown: Shown
) -> None:
    page = (await browser.get("/entries/0")).text
    assert "proven to be in the tree of the checkpoint of 129 entries" in page
    assert 'href="/recipients/caterer"' in page
    assert "steward audit prove 0" in page
    assert "&#34;specversion&#34;:&#34;1.0&#34;" in page
    last = (await browser.get(f"/entries/{shown.size - 1}")).text
    assert "under no published checkpoint yet" in last


async def test_every_entry_of_the_log_can_be_shown(
    browser: httpx2.AsyncClient, shown: Shown
) -> None:
    for sequence in (10, 11, 12, 51, 119, 128):
        answer = await browser.get(f"/entries/{sequence}")
        assert answer.status_code == 200, sequence
    assert shown.size > 128


async def test_entries_whose_bytes_were_changed_are_shown_as_wrong(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = [b"\xff", b"{}", b"[]", b'{"data":{},"type":"DataDisclosed"}', b'{"data":{"at":1}}']
    spoiled += [b'{"data":"x","id":"a","type":"b"}', b'{"data":[],"id":"a","type":"b"}']

    async def page_of_spoiled(*_: object, **__: object) -> Page:
        entries = [StoredEntry(sequence, body) for sequence, body in enumerate(spoiled)]
        return Page(tuple(entries), None, None)

    monkeypatch.setattr(pages, "find_page", page_of_spoiled)
    page = (await browser.get("/")).text
    assert page.count("its bytes are no entry") == len(spoiled)
    for body in spoiled:

        async def spoiled_row(*_: object, body: bytes = body) -> dict[str, object]:
            return {"sequence": 0, "body": body}

        monkeypatch.setattr(pages, "whole_entry", spoiled_row)
        answer = await browser.get("/entries/0")
        assert answer.status_code == 200
        assert "its bytes are no entry" in answer.text


async def test_a_history_with_changed_bytes_says_at_which_entry(
    browser: httpx2.AsyncClient, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spoiled(*_: object, **__: object) -> History | None:
        return history([shown.aino], [StoredEntry(7, b"{}")], [])

    monkeypatch.setattr(pages, "history_of", spoiled)
    answer = await browser.get(f"/people/{shown.aino}")
    assert answer.status_code == 500
    assert "entry 7 is not what was logged" in answer.text


@pytest.mark.parametrize("path", ["/entries/130", f"/entries/{10**30}"])
async def test_an_entry_that_there_is_not_is_not_found(
    browser: httpx2.AsyncClient, path: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "the log has 130" in answer.text


@pytest.mark.parametrize("named", [EMAIL, f"  {EMAIL.upper()} ", "{aino}"])
async def test_a_person_is_found_by_e_mail_or_id_and_the_address_has_the_id_alone(
    browser: httpx2.AsyncClient, shown: Shown, named: str
) -> None:
    answer = await browser.post("/people", data={"person": named.format(aino=shown.aino)})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/people/{shown.aino}"
    assert answer.text == ""
    page = (await browser.get(answer.headers["location"])).text
    assert len(numbers(page)) == 13
    assert "not delivered yet" in page
    assert "What was handed to others" in page
    assert "When it was read" in page
    assert EMAIL not in page


async def test_readings_are_told_for_their_own_period(desk: Desk, shown: Shown) -> None:
    in_three_years = replace(desk, now=lambda: TODAY + timedelta(days=3 * 365))
    async with browser_of(in_three_years) as client:
        await client.get(SIGN_IN, params={"token": ACCESS.token})
        page = (await client.get(f"/people/{shown.aino}")).text
    assert len(numbers(page)) == 11
    assert "When it was read" not in page


@pytest.mark.parametrize("path", ["/", "/entries/0", "/people/{aino}", "/recipients/caterer"])
async def test_a_recipient_is_named_as_it_was_when_it_got_the_data(
    browser: httpx2.AsyncClient, shown: Shown, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def plans(desk: Desk, _: Connection, cited: Iterable[str | None]) -> Plans:
        today = desk.privacy.plan
        caterer = today.recipients["caterer"].model_copy(update={"name": "Former Kitchen Ltd"})
        recipients = {**today.recipients, "caterer": caterer}
        (digest,) = set(cited)
        update = {"digest": digest, "recipients": recipients}
        return Plans(today, (today.model_copy(update=update),))

    monkeypatch.setattr(Desk, "plans", plans)
    page = (await browser.get(path.format(aino=shown.aino))).text
    assert "Former Kitchen Ltd" in page


async def test_nobody_is_told_apart_from_somebody_of_whom_nothing_is_recorded(
    browser: httpx2.AsyncClient,
) -> None:
    unknown = await browser.post("/people", data={"person": "nobody@example.org"})
    random = await browser.get(f"/people/{uuid4()}")
    assert unknown.status_code == random.status_code == 404
    assert unknown.text == random.text
    assert NOTHING in unknown.text


@pytest.mark.parametrize("named", ["", "   ", "aino at home", "@"])
async def test_what_names_nobody_is_told_and_not_repeated(
    browser: httpx2.AsyncClient, named: str
) -> None:
    answer = await browser.post("/people", data={"person": named})
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.text
    assert "aino" not in answer.text


async def test_of_several_who_have_an_address_one_has_to_be_named(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await browser.post("/people", data={"person": SHARED})
    assert answer.status_code == 400
    assert "This address is several people" in answer.text
    assert SHARED not in answer.text


@pytest.mark.parametrize("body", [b"person=" + b"x" * 5_000, b"person=\xff", b"a=1&" * 20])
async def test_a_form_that_cannot_be_read_is_told(browser: httpx2.AsyncClient, body: bytes) -> None:
    answer = await browser.post("/people", content=body)
    assert answer.status_code == 400
    assert "The form" in answer.text


async def test_the_chart_and_its_table_say_the_same(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/recipients")).text
    rows = re.findall(
        r'<time datetime="([\d-]+)">.*?recipient=([\w-]+)&'
        r".*?>(\d+)</td>.*?>(\d+)</td>.*?>(\d+)</td>",
        page,
        re.DOTALL,
    )
    assert ("2026-09-04", "caterer", "11", "1", "0") in rows
    assert ("2026-09-07", "caterer", "9", "1", "1") in rows
    assert ("2026-09-10", "hotel", "10", "0", "0") in rows
    assert len(rows) == 11
    assert page.count('<rect class="released" x=') == len(rows)
    assert page.count('<rect class="refused-ground" x=') == 9
    assert "4 September 2026: 11 people, 1 refused<" in page
    # Their list failed, and they are counted all the same: that is said.
    assert "released, also where it failed to arrive" in page
    assert "7 September 2026: 9 people, 1 refused, 1 withheld<" in page
    assert "Example Catering Ltd" in page


async def test_a_chart_is_of_the_days_that_are_asked_for(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/recipients?since=2026-09-03&until=2026-09-04")).text
    assert page.count('<rect class="released" x=') == 2
    empty = (await browser.get("/recipients?since=2025-01-01&until=2025-01-31")).text
    assert "Nothing was disclosed on these days." in empty


@pytest.mark.parametrize("path", ["/recipients", "/recipients/caterer"])
@pytest.mark.parametrize(
    ("span", "field"),
    [
        ("since=x", "since"),
        ("until=9999-12-31", "until"),
        ("since=2026-W36", "since"),
        ("until=20260904", "until"),
        ("since=2026-01-01&until=2026-09-01", "since"),
        ("since=2026-09-02&until=2026-09-01", "since"),
    ],
)
async def test_days_that_make_no_chart_are_told(
    browser: httpx2.AsyncClient, path: str, span: str, field: str
) -> None:
    answer = await browser.get(f"{path}?{span}")
    assert answer.status_code == 400
    assert f'aria-invalid="true" aria-describedby="{field}-fault"' in answer.text


async def test_one_recipients_disclosures_with_what_became_of_them(
    browser: httpx2.AsyncClient,
) -> None:
    page = (await browser.get("/recipients/caterer")).text
    assert numbers(page) == [117, *range(8 * 13, -1, -13)]
    outcomes = re.findall(r'data-label="Outcome">([\w ]+)', page)
    assert outcomes == ["not delivered yet", *["delivered"] * 5, "failed", *["delivered"] * 3]
    assert "recipient away" in page


async def test_more_disclosures_than_a_page_holds_go_on(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ON_A_PAGE", 4)
    page, seen = (await browser.get("/recipients/caterer")).text, []
    seen += numbers(page)
    while ">Older</a>" in page:
        page = (await browser.get(link(page, "Older"))).text
        seen += numbers(page)
    assert seen == [117, *range(8 * 13, -1, -13)]
    assert ">Newest</a>" in page


async def test_a_recipient_whom_nobody_knows_has_nothing(browser: httpx2.AsyncClient) -> None:
    assert "Nothing was disclosed" in (await browser.get("/recipients/nobody")).text
    assert (await browser.get("/recipients/%00")).status_code == 404


@pytest.mark.parametrize("path", ["/no", "/people/x", "/entries/x", "/recipients/a/b"])
async def test_there_is_a_page_for_what_is_not_there(
    browser: httpx2.AsyncClient, path: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "There is no such page." in answer.text


async def test_what_a_page_reads_from_can_write_nothing(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    async def write(connection: Connection, *_: object, **__: object) -> Page:
        tried.append("update announced set size = size")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute(tried[-1])
        return Page((), None, None)

    monkeypatch.setattr(pages, "find_page", write)
    await browser.get("/")
    assert tried


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (ConnectionRefusedError(), 503, "The database cannot be reached"),
        (TimeoutError(), 503, "This took too long"),
        (asyncpg.QueryCanceledError(), 503, "This took too long"),
        (ValueError("maija@example.org"), 500, "This should not happen"),
    ],
)
async def test_a_failure_is_a_page_without_its_text(
    browser: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    title: str,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pages, "find_page", fail)
    answer = await browser.get("/")
    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.text
    assert "maija" not in answer.text


async def test_what_the_log_says_is_text_and_never_markup(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get('/?actor=<script>"&type=DataDisclosed')).text
    assert "<script" not in page
    assert "&lt;script&gt;&#34;" in page
