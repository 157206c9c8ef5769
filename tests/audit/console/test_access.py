"""Who may read the console, and from where."""

from __future__ import annotations

import httpx2
import pytest

from services.audit.api.console.access import COOKIE, SIGN_IN, is_loopback
from services.audit.commands import app
from tests.audit.console.conftest import ACCESS
from tests.support.commands import NOWHERE, command

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is refused
PAGES = ("/", "/entries/0", "/people", "/recipients", "/recipients/caterer", "/checkpoints", "/no")


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_sees_a_page_without_the_token(
    stranger: httpx2.AsyncClient, path: str
) -> None:
    answer = await stranger.get(path)
    assert answer.status_code == 401
    assert "Open the whole address" in answer.text
    assert "<nav" not in answer.text


async def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(
    stranger: httpx2.AsyncClient,
) -> None:
    answer = await stranger.get(SIGN_IN, params={"token": ACCESS.token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie == f"{COOKIE}={ACCESS.session}; HttpOnly; Path=/; SameSite=strict"
    assert (await stranger.get("/")).status_code == 200


@pytest.mark.parametrize(
    "token", ["", "another", ACCESS.session, "ä"], ids=["none", "other", "session", "no ASCII"]
)
async def test_another_token_opens_nothing(stranger: httpx2.AsyncClient, token: str) -> None:
    answer = await stranger.get(SIGN_IN, params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_the_token_itself_is_no_cookie(stranger: httpx2.AsyncClient) -> None:
    stranger.cookies.set(COOKIE, ACCESS.token)
    assert (await stranger.get("/")).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example.org", "127.0.0.1.example.org", "10.0.0.1:8795", "", "[", "0.0.0.0:8795"]
)
async def test_another_name_than_this_machines_is_not_answered_to(
    browser: httpx2.AsyncClient, host: str
) -> None:
    answer = await browser.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "ssh -L" in answer.text


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:8795", "LOCALHOST"])
async def test_this_machines_names_are_answered_to_on_any_port_of_a_tunnel(
    browser: httpx2.AsyncClient, host: str
) -> None:
    headers = {"host": host, "cookie": f"{COOKIE}={ACCESS.session}"}
    assert (await browser.get("/people", headers=headers)).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_page_makes_a_browser_ask_is_refused(
    browser: httpx2.AsyncClient, site: str
) -> None:
    for answer in (
        await browser.get("/", headers={"sec-fetch-site": site}),
        await browser.post("/people", headers={"sec-fetch-site": site}),
    ):
        assert answer.status_code == 403
        assert "<table" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/entries/0", "/recipients", "/checkpoints"])
async def test_no_address_but_the_look_up_takes_anything(
    browser: httpx2.AsyncClient, method: str, path: str
) -> None:
    assert (await browser.request(method, path)).status_code == 405


@pytest.mark.parametrize("path", ["/", "/no", "/static/console.css", "/static/no", SIGN_IN])
async def test_every_answer_is_kept_by_nobody_and_runs_no_script(
    browser: httpx2.AsyncClient, path: str
) -> None:
    headers = (await browser.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "script-src" not in headers["content-security-policy"]


async def test_only_addresses_of_this_machine_are_listened_on() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, (EVERYWHERE, "::", "192.0.2.1", "audit.example.org", "")))


@pytest.mark.parametrize("host", [EVERYWHERE, "audit.example.org"])
async def test_the_command_refuses_to_listen_elsewhere_and_says_why(host: str) -> None:
    done = await command(app, NOWHERE, "console", "--host", host)
    assert done.code == 2
    assert "loopback only" in done.err
