"""`steward audit console`: what it prints, and what it answers to that."""

from __future__ import annotations

import asyncio
import signal
import socket

import httpx2
import pytest

from services.audit.commands.console import Asked, run_console, serve
from tests.audit.console.conftest import Shown
from tests.support.commands import environment_of
from tests.support.waiting import eventually


async def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """The first line, once it is there."""
    said = ""

    def line() -> str | None:
        nonlocal said
        said += capsys.readouterr().out
        return said.strip() if said.endswith("\n") else None

    return await eventually(line)


async def test_the_printed_address_opens_the_console_until_it_is_told_to_end(
    shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    serving = asyncio.create_task(serve(shown.settings, Asked("127.0.0.1", 0)))
    address = await printed(capsys)
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        page = await client.get(address)
        assert page.status_code == 200
        assert "All entries, the newest first" in page.text
        assert page.url.path == "/"
        style = await client.get(page.url.join("/static/console.css"))
        assert style.headers["content-type"].startswith("text/css")
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(serving, 20)


def test_a_port_that_is_taken_is_told(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment_of(shown.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("services.audit.commands.console.configure_logging", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_console(Asked("127.0.0.1", port)) == 1
    assert capsys.readouterr().err == f"cannot listen on 127.0.0.1:{port}: give another --port\n"
