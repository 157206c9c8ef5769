"""The loop that publishes: who does it, and what it says when it cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.audit.app import make_publisher
from services.audit.domain.checkpoints import CheckpointError
from services.audit.domain.notes import Kind, SigningKey
from services.audit.handlers import publish
from services.audit.handlers.publish import Publisher
from services.audit.handlers.witnesses import BEHIND
from services.audit.settings import Settings
from services.audit.store import tree
from services.audit.store.folder import FolderError
from shared.contract.audit import DataDisclosed
from shared.messaging.subscription import Halted
from shared.runtime.application import Loop
from shared.runtime.health import Heartbeats
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to, guard_of, publisher_of, settings_of
from tests.support.waiting import eventually
from tests.support.work import Work


class Running:
    """One publisher at work in a loop of its own."""

    def __init__(self, publisher: Publisher) -> None:
        self.heartbeats = Heartbeats()
        self.heartbeats.expect("tree", 30)
        self._stopping = asyncio.Event()
        loop = Loop("tree", self.heartbeats, self._stopping)
        self.task = asyncio.create_task(publisher.run(loop))

    async def missing(self) -> str:
        """What it says is missing, once it says so."""
        while not (missing := self.heartbeats.not_ready()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        return missing["tree"]

    async def stop(self) -> None:
        self._stopping.set()
        await self.task


def impatient(work: Work, witnesses: str = "", **over: object) -> Publisher:
    quick = {"audit_checkpoint_s": 0.01, "audit_witnesses": witnesses}
    settings = settings_of(work).model_copy(update=quick | over)
    assert isinstance(settings, Settings)
    return make_publisher(settings, work.parts.work, guard_of(work))


async def test_one_process_publishes_and_the_next_takes_over_when_it_ends(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LOOK_EVERY_S", 0.02)
    facts = Facts()

    async def append_until_announced(size: int) -> None:
        message = facts.message(make_entry(DataDisclosed))
        await work.do(appending_to(work), [message])
        while await work.value("select size from announced") != size:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)

    holders = "select count(*) from pg_locks where locktype = 'advisory' and granted"
    async with asyncio.timeout(60):
        first = Running(impatient(work))
        await append_until_announced(1)
        second = Running(impatient(work))
        await append_until_announced(2)
        assert await work.value(holders) == 1
        await first.stop()
        await append_until_announced(3)
        await second.stop()
    assert (first.heartbeats.not_ready(), second.heartbeats.not_ready()) == ({}, {})


async def test_a_holder_that_falls_silent_loses_its_place_to_others(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is stopped, or its network: nobody ends its connection but the server."""
    monkeypatch.setattr(publish, "LOOK_EVERY_S", 0.02)
    connection = await impatient(work, session_timeout_ms=1000)._connect()
    try:
        assert await tree.take_publishing(connection)
        await work.do(appending_to(work), [Facts().message(make_entry(DataDisclosed))])
        async with asyncio.timeout(30):
            other = Running(impatient(work))
            while await work.value("select size from announced") != 1:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            await other.stop()
    finally:
        connection.terminate()


def behind() -> set[str]:
    """Witnesses that this process says are behind."""
    return {
        sample.labels["witness"]
        for family in BEHIND.collect()
        for sample in family.samples
        if sample.value == 1
    }


async def test_who_loses_the_lock_no_longer_says_that_a_witness_is_behind(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has it asks from then on, and knows."""
    monkeypatch.setattr(publish, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(publish, "TRY_AGAIN_S", 60)
    key = SigningKey("unheard.example.org", bytes(32)).verifier(Kind.COSIGNATURE)
    async with asyncio.timeout(60):
        first = Running(impatient(work, f"{key} http://127.0.0.1:1"))
        await eventually(lambda: key.name in behind())
        cut = "select bool_and(pg_terminate_backend(pid)) from pg_locks"
        assert await work.value(f"{cut} where locktype = 'advisory' and granted")
        assert await first.missing() == "the database does not answer"
        assert key.name not in behind()
        await first.stop()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Halted("because of this"), "because of this"),
        (FolderError("full"), "the published folder of the log cannot be used: see the log"),
        (CheckpointError("torn"), "the published folder of the log cannot be used: see the log"),
        (ConnectionRefusedError(), "the database does not answer"),
    ],
)
async def test_what_cannot_be_done_now_is_said_and_tried_again(
    work: Work, error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "TRY_AGAIN_S", 0.01)
    publisher, answers = publisher_of(work), [error]
    connect = publisher._connect

    async def connect_later() -> Any:  # noqa: ANN401 - asyncpg's connection
        if answers:
            raise answers.pop()
        return await connect()

    publisher._connect = connect_later
    async with asyncio.timeout(60):
        running = Running(publisher)
        assert await running.missing() == said
        while running.heartbeats.not_ready():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        await running.stop()


async def test_an_error_that_nobody_knows_is_raised(work: Work) -> None:
    publisher = publisher_of(work)

    async def broken() -> Any:  # noqa: ANN401 - never gives one
        raise LookupError

    publisher._connect = broken
    with pytest.raises(LookupError):
        await Running(publisher).task
