"""`steward positions`, beside a service that runs on real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from services.cli.positions import app, first_of_all
from shared.messaging import positions
from shared.messaging.places import in_no_log
from shared.runtime.database import Pool
from tests.conftest import SettingsFactory, TopicFactory
from tests.support.clusters import KafkaCluster, Sent
from tests.support.commands import Answered, command
from tests.support.messaging import SCHEMA, World, open_world


@pytest.fixture
async def world(
    kafka: str, topic_factory: TopicFactory, database: str, service_settings: SettingsFactory
) -> AsyncIterator[World]:
    """Partition 1 has lost two messages that nobody took: it stands still at 2, and begins at 4."""
    cluster = KafkaCluster(kafka, topic_factory)
    async with open_world(cluster, database, service_settings(SCHEMA)) as opened:
        await opened.send(*(Sent(f"p{n}", n, partition=n % 2) for n in range(4)))
        async with opened.running():
            await opened.taken(4)
        await opened.send(*(Sent(f"p{n}", n, partition=n % 2) for n in range(4, 10)))
        await cluster.delete_before(opened.inbound, 1, 4)
        yield opened


async def steward(world: World, *arguments: str, given: str | None = None) -> Answered:
    return await command(app, world.service.settings, *arguments, given=given)


def at(world: World, partition: int) -> tuple[str, ...]:
    return ("--service", SCHEMA, "--topic", world.inbound, "--partition", str(partition))


async def put(world: World, stored: int) -> None:
    await world.admin.execute("update position set next_offset = $1 where partition = 1", stored)


async def position(world: World) -> int:
    found: int = await world.admin.fetchval(
        "select next_offset from position where topic = $1 and partition = 1", world.inbound
    )
    return found


async def test_a_list_shows_positions_beside_the_log_and_fails_where_there_is_a_gap(
    world: World,
) -> None:
    answered = await steward(world, "list", "--service", SCHEMA, "--json")
    first, second, *rest = [orjson.loads(line) for line in answered.out.splitlines()]
    place = {"service": SCHEMA, "topic": world.inbound}
    assert first == place | {
        "partition": 0,
        "position": 2,
        "former_position": None,
        "start": 0,
        "end": 5,
        "lag": 3,
        "gap": False,
        "lost": 0,
    }
    assert second == place | {
        "partition": 1,
        "position": 2,
        "former_position": None,
        "start": 4,
        "end": 5,
        "lag": 1,
        "gap": True,
        "lost": 2,
    }
    assert [one["partition"] for one in rest] == [2, 3]
    assert answered.code == 1
    drawn = await steward(world, "list", "--gaps", "--topic", world.inbound)
    assert drawn.out.count(world.inbound) == 1
    assert "stands still: 2 messages before it were deleted unread" in drawn.out


async def test_a_list_can_wait_until_what_is_there_is_taken_but_for_what_stands_still(
    world: World,
) -> None:
    waiting = asyncio.create_task(
        steward(world, "list", "--wait", "--topic", world.inbound, "--json")
    )
    async with world.running():
        answered = await waiting
    # Among it, as both are one process here, is what the service logs.
    found = [orjson.loads(line) for line in answered.out.splitlines() if line.startswith("{")]
    assert [(one["lag"], one["gap"]) for one in found[:2]] == [(0, False), (1, True)]
    assert answered.code == 1


async def test_a_list_waits_no_longer_than_something_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.positions.STANDS_FOR_S", 0.0)
    await world.admin.execute("update position set next_offset = 3 where partition = 1")
    await put(world, 4)
    answered = await steward(world, "list", "--wait", "--topic", world.inbound)
    assert answered.code == 1
    assert f"nobody takes what {world.inbound}[0] of {SCHEMA}" in answered.err


@pytest.mark.parametrize("asked", ["--wait", "--gaps", "--json"])
async def test_of_a_topic_that_nobody_reads_it_is_not_said_that_all_is_read(
    world: World, asked: str
) -> None:
    answered = await steward(world, "list", asked, "--topic", f"{world.inbound}s")
    assert (answered.code, "nobody has begun to read it" in answered.err) == (2, True)


async def test_who_does_not_read_a_topic_is_not_called_everybody(world: World) -> None:
    others = ("--service", SCHEMA, "--topic", f"{world.inbound}s")
    answered = await steward(world, "list", *others)
    assert (answered.code, f"{SCHEMA} has not begun to read it" in answered.err) == (2, True)


@pytest.mark.parametrize("as_before", [False, True])
async def test_what_has_to_be_said_again_first_is_told_before_a_topic_of_ours_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, as_before: bool
) -> None:
    monkeypatch.setattr("services.cli.positions.SAY_AGAIN", (world.inbound,))
    if as_before:
        await put(world, in_no_log(5))
    more = ("--as-before",) if as_before else ()
    answered = await steward(world, "resume", *at(world, 1), *more, "--yes")
    assert (answered.code, "First of all `steward" in answered.err) == (0, True)


@pytest.mark.parametrize(("stored", "shown", "former"), [(50, 50, None), (in_no_log(50), None, 50)])
async def test_a_log_that_was_made_anew_is_a_gap_of_which_nobody_knows_what_is_lost(
    world: World, stored: int, shown: int | None, former: int | None
) -> None:
    await put(world, stored)
    answered = await steward(world, "list", "--gaps", "--service", SCHEMA, "--json")
    found = orjson.loads(answered.out)
    assert (found["partition"], found["position"]) == (1, shown)
    assert found["former_position"] == former
    assert (found["lag"], found["lost"]) == (1, None)
    drawn = await steward(world, "list", "--gaps", "--topic", world.inbound)
    assert "what an earlier one had it will not see" in drawn.out
    assert ("none, was 50" in drawn.out) == (former is not None)
    answered = await steward(world, "resume", *at(world, 1), "--yes")
    assert (answered.code, await position(world)) == (0, 4)


async def test_a_partition_goes_on_where_it_was_before_another_log_was_seen(world: World) -> None:
    await put(world, in_no_log(5))
    answered = await steward(world, "resume", *at(world, 1), "--as-before", "--yes")
    assert (answered.code, await position(world)) == (0, 5)
    assert "goes on at 5, where it was" in answered.out
    assert (await steward(world, "list", "--gaps", "--topic", world.inbound)).code == 0


async def test_a_service_that_runs_goes_on_where_it_was(world: World) -> None:
    async with world.running() as process:
        await world.taken(7)
        await put(world, in_no_log(4))
        answered = await steward(world, "resume", *at(world, 1), "--as-before", "--yes")
        assert answered.code == 0
        await process.consumer.check_gaps()
        await world.taken(8)
        assert process.heartbeats.not_ready() == {}


@pytest.mark.parametrize("stored", [in_no_log(50), in_no_log(3), 2])
async def test_a_partition_whose_log_lacks_the_place_does_not_go_on_where_it_was(
    world: World, stored: int
) -> None:
    """Nor do the others of the topic: this is not the log that was read."""
    await put(world, stored)
    await world.admin.execute(
        "update position set next_offset = $1 where partition = 0", in_no_log(3)
    )
    place = ("--service", SCHEMA, "--topic", world.inbound)
    answered = await steward(world, "resume", *place, "--as-before", "--yes")
    assert (answered.code, answered.out) == (1, "")
    assert f"was at {abs(stored)}, and its log has 4 to 5" in answered.err
    assert await position(world) == stored
    drawn = await steward(world, "list", "--gaps", "--topic", world.inbound)
    assert drawn.out.count("stands still") == 2


async def test_who_is_asked_reads_what_going_on_as_before_means(world: World) -> None:
    await put(world, in_no_log(5))
    answered = await steward(world, "resume", *at(world, 1), "--as-before")
    assert (answered.code, await position(world)) == (2, in_no_log(5))
    assert "Only where no other Kafka was read" in answered.err
    assert "never be read" in answered.err


async def test_after_another_kafka_all_is_read_though_the_log_has_grown_past_the_place_there(
    world: World,
) -> None:
    """Of the other one seven were read, and this one ended at five: nobody can tell any more."""
    await put(world, in_no_log(7))
    await world.send(*(Sent(f"again{n}", 20 + n, partition=1) for n in range(4)))
    answered = await steward(world, "resume", *at(world, 1), "--yes")
    assert answered.code == 0
    async with world.running():
        await world.taken(12)
    assert {f"again{n}" for n in range(4)} <= set(await world.effects())


async def test_a_partition_that_stands_still_goes_on_while_its_service_runs(world: World) -> None:
    async with world.running() as process:
        await world.taken(7)
        assert list(process.consumer.gaps) == [(world.inbound, 1)]
        answered = await steward(world, "resume", *at(world, 1), "--yes")
        assert (answered.code, "goes on at 4; 2 messages" in answered.out) == (0, True)
        await process.consumer.check_gaps()
        await world.taken(8)
        assert process.heartbeats.not_ready() == {}
    assert (await steward(world, "list", "--gaps", "--topic", world.inbound)).code == 0
    assert sorted(await world.effects()) == [f"p{n}" for n in (0, 1, 2, 3, 4, 6, 8, 9)]


async def test_all_that_stand_still_in_a_topic_go_on_at_once(world: World) -> None:
    await world.cluster.delete_before(world.inbound, 0, 3)
    place = ("--service", SCHEMA, "--topic", world.inbound)
    answered = await steward(world, "resume", *place, "--yes")
    assert answered.code == 0
    assert [line.partition("; ")[0] for line in answered.out.splitlines()] == [
        f"{world.inbound}[0] of {SCHEMA} goes on at 3",
        f"{world.inbound}[1] of {SCHEMA} goes on at 4",
    ]
    assert (await steward(world, "list", "--gaps", "--topic", world.inbound)).code == 0
    again = await steward(world, "resume", *place, "--yes")
    assert (again.code, "does not stand still" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("topic", "first"),
    [
        ("consent", "First of all `steward consent republish`"),
        ("registration", "First of all `steward registration republish`"),
        ("finance", "First of all `steward finance republish`"),
        ("inbound.contacts", "upstream has to send again"),
        ("audit", "nobody can say again"),
    ],
)
def test_what_has_to_be_done_before_is_told(topic: str, first: str) -> None:
    assert first in first_of_all(topic)


def test_nothing_has_to_be_done_where_nothing_was_said() -> None:
    assert first_of_all("retention") == ""


@pytest.mark.parametrize("partition", [0, 9])
async def test_nothing_is_set_where_nothing_stands_still(world: World, partition: int) -> None:
    answered = await steward(world, "resume", *at(world, partition), "--yes")
    assert (answered.code, "steward positions list" in answered.err) == (1, True)


async def test_no_position_is_set_without_a_yes(world: World) -> None:
    answered = await steward(world, "resume", *at(world, 1))
    assert (answered.code, "--yes" in answered.err) == (2, True)
    assert await position(world) == 2


async def test_a_position_that_moves_meanwhile_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = positions.list_positions

    async def look_and_move(pool: Pool, reader: AIOKafkaConsumer) -> list[positions.Position]:
        found = await looked(pool, reader)
        await pool.execute("update position set next_offset = 5 where partition = 1")
        return found

    monkeypatch.setattr(positions, "list_positions", look_and_move)
    answered = await steward(world, "resume", *at(world, 1), "--yes")
    assert (answered.code, "moved meanwhile" in answered.err) == (1, True)
    assert await position(world) == 5


async def test_an_unknown_service_is_a_wrong_argument(world: World) -> None:
    assert (await steward(world, "list", "--service", "nobody")).code == 2
