"""What the console says of the tree, its checkpoints and their witnesses."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx2
import pytest

from services.audit.api.console import pages
from services.audit.api.console.access import COOKIE
from services.audit.api.console.desk import Desk
from services.audit.domain.notes import Kind, SigningKey
from services.audit.handlers.prove import newest_checkpoint
from services.audit.store.folder import CHECKPOINT, TileFolder
from services.audit.store.sources import PublishedLog
from tests.audit.console.conftest import ACCESS, Shown, browser_of, link
from tests.support.facts import NOON

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_checkpoints_are_verified(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (await browser.get("/checkpoints")).text
    assert re.findall(r'data-label="Entries:">(\d+)', page) == ["129", "60"]
    assert page.count("</span> Verified") == 3
    assert "the others are signed within some ten seconds" in page
    monkeypatch.setattr(pages, "CHECKPOINTS_ON_A_PAGE", 1)
    assert "Nothing is signed yet." in (await browser.get("/checkpoints?before=0")).text
    first = (await browser.get("/checkpoints")).text
    second = (await browser.get(link(first, "Older"))).text
    assert re.findall(r'data-label="Entries:">(\d+)', second) == ["60"]


async def checkpoints_of(desk: Desk) -> str:
    async with browser_of(desk) as client:
        client.cookies.set(COOKIE, ACCESS.session)
        return (await client.get("/checkpoints")).text


async def test_who_has_cosigned_is_told(desk: Desk, shown: Shown) -> None:
    witness = SigningKey("w.example.org", bytes(32))
    keys = [*desk.keys, witness.verifier(Kind.COSIGNATURE)]
    assert "not cosigned</span> the newest" in await checkpoints_of(replace(desk, keys=keys))

    note, _ = newest_checkpoint(desk.published)
    cosigned = note.signed_also(witness.cosign(note.text, int(NOON.timestamp()))).encode()

    folder = TileFolder(shown.settings.published_folder)

    def read(path: str) -> bytes | None:
        return cosigned if path == CHECKPOINT else folder.read(path)

    published = PublishedLog("folder", read, lambda: iter(()))
    page = await checkpoints_of(replace(desk, keys=keys, published=published))
    assert "w.example.org" in page
    assert '<time datetime="2026-09-01T12:00:00+00:00">2026-09-01 15:00</time>' in page


async def test_a_folder_that_lost_what_was_published_is_told(desk: Desk) -> None:
    lost = PublishedLog("folder", lambda _: None, lambda: iter(()))
    page = await checkpoints_of(replace(desk, published=lost))
    assert "was announced, and is not published any more" in page
    assert "signed; folder has no checkpoint yet" in page
