"""What a row says of an injury that was inflicted, and of one that could not be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.registration.commands.counter import NotDeliveredError
from services.registration.settings import Settings
from shared.runtime.secrets import SecretsError
from tests.faults import dinner, world
from tests.faults.dinner import Desk
from tests.faults.registry import Inflict, Injury
from tests.faults.run import rows_of
from tests.faults.world import Options, World
from tests.support.work import NO_KAFKA


def injury(inflict: Inflict) -> Injury:
    """One that no command line can name."""
    return Injury(
        name="of a test",
        inflict=inflict,
        long=1,
        short=1,
        recovers_within_s=None,
        proxied=False,
        quiet=False,
        brokers=1,
        small_disks=False,
        about="",
    )


async def over_at_once(_: World, times: int) -> None:
    """No harm is done."""


@pytest.mark.system
@pytest.mark.timeout(200)
async def test_an_injury_without_a_single_disclosure_has_not_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object, **__: object) -> str:
        raise NotDeliveredError("nobody gets a list")

    monkeypatch.setattr(dinner, "hand_over", refused)
    monkeypatch.setattr(world, "HANDS_OVER_WITHIN_S", 1.0)
    (row,) = [row async for row in rows_of([(injury(over_at_once), 1)], Options(seed=1))]
    assert row["disclosures"] == 0
    assert not row["passed"]
    assert "no list was handed over; the last one failed with NotDelivered" in row["why"][0]


async def test_a_desk_that_can_never_work_says_so(tmp_path: Path) -> None:
    nowhere = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
        "KAFKA_BOOTSTRAP_SERVERS": NO_KAFKA,
        "STEWARD_SECRETS": str(tmp_path),
    }
    desk = Desk(Settings.load(nowhere), tmp_path)
    async with asyncio.timeout(10):
        with pytest.raises(SecretsError):
            await desk.work(lambda: False)
