"""A witness as a process of its own, asked by the service's own loop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.audit.commands import app
from services.audit.domain.notes import SigningKey, parse_note, parse_verifier_key, verify_note
from services.audit.handlers.identity import signing_key
from services.audit.handlers.witnesses import witnesses_of
from services.audit.settings import Settings
from shared.contract.audit import DataDisclosed
from shared.runtime.application import Loop
from shared.runtime.health import Heartbeats
from shared.runtime.settings import SettingsError
from tests.conftest import ROOT, SettingsFactory
from tests.support.commands import NOWHERE, command
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to, publisher_of, settings_of
from tests.support.work import NO_KAFKA, Work, at_work

KEY = str(SigningKey("example.org/audit", bytes(range(32))).verifier())


@asynccontextmanager
async def running_witness(folder: Path, log: str) -> AsyncIterator[str]:
    """What it prints of itself: key and URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "audit", "witness"),
        *("--log-key", log, "--folder", str(folder), "--name", "w.example.org", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={},
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = await process.stdout.readline()
    yield line.decode().strip()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_what_the_service_publishes_is_cosigned(
    service_settings: SettingsFactory, tmp_path: Path
) -> None:
    settings = service_settings("audit", kafka_bootstrap_servers=NO_KAFKA)
    assert isinstance(settings, Settings)
    log = signing_key(settings).verifier()
    async with running_witness(tmp_path / "witness", str(log)) as witness:
        watched = settings.model_copy(update={"audit_witnesses": witness})
        async with at_work(watched, "audit") as work:
            for _ in range(2):
                await publish_until_cosigned(work, parse_verifier_key(witness.split()[0]).name)
    note = parse_note((settings.published_folder / "checkpoint").read_bytes())
    own = parse_verifier_key(witness.split()[0])
    assert {one.key for one in verify_note(note, [log, own])} == {log, own}


async def publish_until_cosigned(work: Work, name: str) -> None:
    facts = Facts()
    messages = [facts.message(make_entry(DataDisclosed)) for _ in range(1_000)]
    await work.do(appending_to(work), messages)
    size = await work.value("select size from tree_head")
    stopping = asyncio.Event()
    heartbeats = Heartbeats()
    heartbeats.expect("tree", 30)
    loop = Loop("tree", heartbeats, stopping)
    running = asyncio.create_task(publisher_of(work).run(loop))
    checkpoint = settings_of(work).published_folder / "checkpoint"
    async with asyncio.timeout(30):
        while True:
            note = parse_note(checkpoint.read_bytes()) if checkpoint.exists() else None
            if note is not None and f"\n{size}\n" in note.text and name in str(note):
                break
            await asyncio.sleep(0.05)  # a file tells nobody
    stopping.set()
    await running


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("abc http://h", "a verifier key has three parts"),
        (f"{KEY} http://h", "is no witness's"),
    ],
)
def test_a_witness_that_is_none_stops_the_start(value: str, why: str) -> None:
    settings = Settings(**NOWHERE.model_dump(), audit_witnesses=value)
    with pytest.raises(SettingsError, match=f"STEWARD_AUDIT_WITNESSES: .*{why}"):
        witnesses_of(settings)


async def test_what_a_witness_cannot_begin_with_is_told(tmp_path: Path) -> None:
    async def begun(*arguments: str) -> tuple[int, str]:
        done = await command(app, NOWHERE, "witness", *arguments)
        return done.code, done.err

    file = tmp_path / "file"
    file.write_text("")
    code, told = await begun("--log-key", KEY, "--folder", str(file))
    assert (code, "cannot be used" in told) == (1, True)
    code, told = await begun("--log-key", "abc", "--folder", str(tmp_path / "w"))
    assert (code, "--log-key" in told) == (2, True)
    code, told = await begun("--log-key", KEY, "--folder", str(tmp_path / "w"), "--name", "a b")
    assert (code, "--name" in told) == (2, True)
