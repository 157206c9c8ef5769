"""The web console: what its pages and its process tell of marked people."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from tests.canary.day import FOLLOWED
from tests.canary.marks import NOBODY, Marks
from tests.canary.places import OUTPUTS, PAGES
from tests.canary.stack import Stack
from tests.canary.survey import Survey

_PATHS: Final = ("/", "/people", "/recipients", "/recipients/hotel", "/checkpoints")
_ENTRIES_SHOWN: Final = 40


async def search_console(stack: Stack, marks: Marks, survey: Survey) -> None:
    """Sign in, look up the followed person, look at every kind of page, and ask nonsense."""
    async with _running(stack, survey) as address, httpx2.AsyncClient() as client:
        base = str(httpx2.URL(address).join("/")).rstrip("/")
        survey.look(PAGES, "console without a cookie", [(await client.get(base)).content])
        await client.get(address)
        found = await client.post(
            f"{base}/people", data={"person": marks.email_of(FOLLOWED)}, follow_redirects=True
        )
        found.raise_for_status()
        survey.look(PAGES, "console, a person", [str(found.url).encode(), found.content])
        for path in _PATHS:
            page = await client.get(f"{base}{path}")
            page.raise_for_status()
            survey.look(PAGES, f"console {path}", [page.content])
        linked = re.findall(r"/entries/\d+", (await client.get(base)).text)
        for path in linked[:_ENTRIES_SHOWN]:
            survey.look(PAGES, "console, an entry", [(await client.get(f"{base}{path}")).content])
        for name, request in _nonsense(client, base, marks.of(NOBODY, "argument")):
            survey.look(PAGES, f"console, {name}", [(await client.send(request)).content])


def _nonsense(
    client: httpx2.AsyncClient, base: str, mark: str
) -> Iterator[tuple[str, httpx2.Request]]:
    people = f"{base}/people"
    yield "nobody", client.build_request("POST", people, data={"person": mark})
    address = f"{mark}@{mark}.example.org"
    yield "an unknown address", client.build_request("POST", people, data={"person": address})
    yield "another field", client.build_request("POST", people, data={mark: mark})
    yield "a body", client.build_request("POST", people, content=mark.encode() * 1_000)
    yield "an unknown path", client.build_request("GET", f"{base}/{mark}")
    yield "an unknown person", client.build_request("GET", f"{base}/people/{mark}")
    yield "an unknown filter", client.build_request("GET", f"{base}/recipients?{mark}={mark}")
    yield "a method", client.build_request("DELETE", f"{base}/?{mark}")
    yield "headers", client.build_request("GET", f"{base}/people", headers={f"X-{mark}": mark})


@asynccontextmanager
async def _running(stack: Stack, survey: Survey) -> AsyncIterator[str]:
    """The command's address with its token; what it said is searched when it has ended."""
    process = await stack.started("audit", "console", "--port", "0")
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            address = (await process.stdout.readline()).decode().strip()
        yield address
    finally:
        process.terminate()
        said = await process.communicate()
    survey.look(OUTPUTS, "steward audit console", said)
