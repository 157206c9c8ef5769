"""What a row says of an injury that was inflicted, and of one that could not be."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn, cast
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from services.registration.commands.counter import NotDeliveredError
from services.registration.settings import Settings
from shared.privacy.sealing import NONCE_BYTES, DataKey, seal_bytes
from shared.runtime.secrets import SecretsError
from tests.faults import __main__ as command
from tests.faults import dinner, run, world
from tests.faults.answers import Difference
from tests.faults.dinner import Desk
from tests.faults.observed import Names, Stranger
from tests.faults.registry import Inflict, Injury, Row
from tests.faults.replicas import why_no_orderly_end
from tests.faults.run import Wanted, rows_of
from tests.faults.world import Options, World, open_world
from tests.support.work import NO_KAFKA


def injury(inflict: Inflict, recovers_within_s: float | None = None) -> Injury:
    """One that no command line can name."""
    return Injury(
        name="of a test",
        inflict=inflict,
        long=1,
        short=1,
        recovers_within_s=recovers_within_s,
        proxied=False,
        quiet=False,
        brokers=1,
        small_disks=False,
        about="",
    )


async def over_at_once(_: World, times: int) -> None:
    """No harm is done."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real_world() -> AsyncIterator[World]:
    """One for all who need it: each would wait for its servers and services to start."""
    async with open_world(Options(seed=1)) as opened:
        yield opened


@pytest.fixture
def _real(monkeypatch: pytest.MonkeyPatch, real_world: World) -> None:
    @asynccontextmanager
    async def open_real(options: Options) -> AsyncIterator[World]:
        yield real_world

    monkeypatch.setattr(run, "open_world", open_real)


@pytest.mark.system
@pytest.mark.timeout(200)
@pytest.mark.usefixtures("_real")
@pytest.mark.asyncio(loop_scope="module")
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


@pytest.mark.system
@pytest.mark.timeout(200)
@pytest.mark.usefixtures("_real")
@pytest.mark.asyncio(loop_scope="module")
async def test_an_error_that_nobody_foresaw_ends_in_a_row_that_says_where_it_happened() -> None:
    async def of_its_own(world: World, _: int) -> None:
        world.note("something was done")
        raise LookupError("what was looked for")

    wanted = [(injury(of_its_own), 1), (injury(over_at_once), 1)]
    (row,) = [row async for row in rows_of(wanted, Options(seed=1))]
    assert not row["passed"]
    assert re.match(r"LookupError: what was .* \(test_run\.py, line \d+\)", row["why"][0])
    assert "something was done" in row["why"][-1]


class Still:
    """As much of a world as `rows_of` asks of one, in which nothing runs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.messages, self.disclosures, self.recovered_s = 0, 1, 0.0
        self.deaths_at_steps: Counter[tuple[str, str]] = Counter()
        self.ended_by_themselves: list[str] = []
        self.journal: deque[str] = deque()
        self.note = self.journal.append

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        yield

    async def settle(self) -> None:
        """It always is."""

    async def compare(self) -> Difference:
        return Difference()


@pytest.fixture
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def open_still(options: Options) -> AsyncIterator[World]:
        yield cast("World", Still(options))

    monkeypatch.setattr(run, "open_world", open_still)


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize(("took_s", "told"), [(9.9, []), (10.1, ["it took 10.1 s to recover"])])
async def test_who_takes_longer_to_recover_than_is_promised_has_not_passed(
    took_s: float, told: list[str]
) -> None:
    async def takes_long(world: World, _: int) -> None:
        world.recovered_s = took_s

    wanted = [(injury(takes_long, recovers_within_s=10.0), 1)]
    (row,) = [row async for row in rows_of(wanted, Options(seed=1))]
    assert row["passed"] == (not told)
    assert [why.split(";")[0] for why in row.get("why", [])][:1] == told


@pytest.mark.usefixtures("_still")
async def test_an_injury_that_a_service_dies_of_has_not_passed_and_the_next_one_has() -> None:
    async def one_dies(world: World, _: int) -> None:
        world.ended_by_themselves.append("finance ended with 1 though nobody had killed it")

    wanted = [(injury(one_dies), 1), (injury(over_at_once), 1)]
    died, next_one = [row async for row in rows_of(wanted, Options(seed=1))]
    assert not died["passed"]
    assert died["why"][0] == "finance ended with 1 though nobody had killed it"
    assert next_one["passed"]


async def test_a_world_that_does_not_begin_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_world(_: Options) -> NoReturn:
        raise TimeoutError("a server did not start")

    monkeypatch.setattr(run, "open_world", no_world)
    (row,) = [row async for row in rows_of([(injury(over_at_once), 3)], Options(seed=5))]
    assert (row["injury"], row["times"], row["seed"]) == ("of a test", 3, 5)
    assert not row["passed"]
    assert row["why"][0].startswith("TimeoutError: a server did not start")


@pytest.mark.usefixtures("logging_as_it_was")
def test_an_interrupt_leaves_the_rows_that_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[str] = []

    async def rows(wanted: Wanted, options: Options) -> AsyncIterator[Row]:
        ((one, times),) = wanted
        begun.append(one.name)
        if len(begun) == 2:
            raise KeyboardInterrupt
        yield run.nothing_yet(one, times, options.seed)

    monkeypatch.setattr(command, "rows_of", rows)
    output = tmp_path / "rows.json"
    with pytest.raises(KeyboardInterrupt):
        command.main(["network", "rebalance"], output=output)
    assert [row["injury"] for row in orjson.loads(output.read_bytes())] == ["network"]


def test_ids_that_the_model_does_not_know_are_strangers() -> None:
    names, unknown = Names(), uuid4()
    key = DataKey(unknown.bytes, 1, "contact", bytes(32))
    sealed = seal_bytes(key, b"{}", bytes(NONCE_BYTES))
    found = [names.event(unknown), names.invoice(unknown), names.opened(sealed)]
    assert [type(one) for one in found] == [Stranger] * 3


@pytest.mark.parametrize(
    ("exit_code", "took_s", "age_s", "told"),
    [
        (0, 9.9, 60.0, None),
        (0, 10.1, 60.0, "took 10.1 s to stop"),
        (-signal.SIGKILL, 15.0, 60.0, "took 15.0 s to stop"),
        (1, 0.1, 60.0, "ended with 1"),
        (-signal.SIGTERM, 0.1, 60.0, "ended with -15"),
        (-signal.SIGTERM, 0.1, 0.3, None),
    ],
)
def test_a_replica_leaves_in_order_or_it_is_said_how(
    exit_code: int, took_s: float, age_s: float, told: str | None
) -> None:
    wrong = why_no_orderly_end(exit_code, took_s, age_s)
    assert (wrong is None) if told is None else (told in str(wrong))


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
