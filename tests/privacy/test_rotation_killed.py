"""`steward keys rotate` killed by the system again and again, while others make and destroy keys.

Long: `make key-races` runs it.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from shared.contract.types import SubjectId
from shared.privacy import keyring
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.secrets import SecretsFolder
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect
from tests.support.commands import environment_of
from tests.support.work import NO_KAFKA, Work, at_work

pytestmark = pytest.mark.skipif("KEY_RACES" not in os.environ, reason="long: make key-races")

CONTEXT = "event:a"
KEYS = 20_000
BATCH = 1_000
KILLS = 6


async def seal(work: Work, many: int) -> list[ToOpen]:
    items = [ToSeal(SubjectId(uuid4()), "contact", CONTEXT, {"name": "x"}) for _ in range(many)]
    async with work.parts.pool.acquire() as connection, connection.transaction():
        sealed = await work.parts.privacy.seal(connection, items, at=utc_now())
    return [
        ToOpen(item.subject_id, "contact", value)
        for item, value in zip(items, sealed, strict=True)
        if value is not None
    ]


async def rotate(environment: Mapping[str, str], within_s: float | None) -> int:
    """Run the command, and kill it after so long; its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "keys", "rotate", "--yes"),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        process.kill()
        return await process.wait()


async def keep_on(work: Callable[[], Awaitable[None]], done: asyncio.Event) -> None:
    while not done.is_set():
        await work()


async def test_killed_again_and_again_it_loses_nothing(
    connect: Connect,
    administrator: asyncpg.Connection[asyncpg.Record],
    service_settings: SettingsFactory,
    secrets_folder: SecretsFolder,
    tmp_path: Path,
) -> None:
    folder = SecretsFolder(shutil.copytree(secrets_folder.path, tmp_path / "secrets"))
    settings = service_settings(
        "registration",
        kafka_bootstrap_servers=NO_KAFKA,
        secrets=folder.path,
        session_timeout_ms=120_000,
    )
    retention, chosen, done = await connect("retention"), random.Random(7), asyncio.Event()  # noqa: S311
    kept: list[ToOpen] = []
    destroyed: set[SubjectId] = set()
    async with at_work(settings, "registration") as work:

        async def make() -> None:
            kept.extend(await seal(work, 20))

        async def destroy() -> None:
            who = chosen.choice(kept).subject_id
            await keyring.destroy_keys(retention, [(who, "contact", CONTEXT)], cut_off=utc_now())
            destroyed.add(who)

        for _ in range(KEYS // BATCH):
            kept.extend(await seal(work, BATCH))
        others = [asyncio.create_task(keep_on(one, done)) for one in (make, destroy)]
        codes = [await rotate(environment_of(settings), chosen.uniform(1, 4)) for _ in range(KILLS)]
        assert await rotate(environment_of(settings), None) == 0
        done.set()
        await asyncio.gather(*others)
        assert -9 in codes
        async with work.parts.pool.acquire() as connection:
            opened = await work.parts.privacy.use(connection, "event-arrangement", kept)
    for item, one in zip(kept, opened, strict=True):
        assert (one is None) == (item.subject_id in destroyed)
    rows = await administrator.fetch(
        "select kek, current from keyring.key_encryption_key where retired_at is null"
    )
    assert [row["current"] for row in rows] == [True]
    wrapped_by = await administrator.fetch(
        "select distinct kek from keyring.data_key where wrapped is not null"
    )
    assert [row["kek"] for row in wrapped_by] == [rows[0]["kek"]]
