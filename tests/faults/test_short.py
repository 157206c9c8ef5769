"""The short form: each kind of injury once or a few times, in one world, one after the other."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from services.registration.settings import Settings
from shared.contract import headers as names
from shared.contract.registration import TOPIC as REGISTRATION
from shared.contract.topics import topic as topic_spec
from shared.messaging.kafka import KafkaTransport
from shared.runtime.ids import new_id
from tests.faults.answers import Difference
from tests.faults.injuries import FOUND
from tests.faults.run import rows_of
from tests.faults.world import Options, World, open_world
from tests.support.topics import read_topic

SEED = 20
SHORT = (
    *("service-dies", "postgres-dies", "kafka-dies", "stopped-too-long", "rebalance"),
    *("network", "redrive", "duplicates", "hostile-input"),
)
"""All that can share one world: three brokers and small disks are worlds of their own, and facts
that a gap deletes would be missed in the reckoning of what came before it. Hostile input last: what
it leaves behind is about nobody whom the load knows.
"""

_ANSWERS = re.compile(rb'"personal":{[^}]+}')

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


async def test_no_injury_loses_doubles_or_reorders_an_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # That a server is away is what we are here for.
    caplog.set_level(logging.CRITICAL, logger="aiokafka")
    wanted = [(FOUND[name], FOUND[name].short) for name in SHORT]
    rows = [row async for row in rows_of(wanted, Options(seed=SEED, away_s=2.0))]
    assert [row for row in rows if not row["passed"]] == []
    assert [row["injury"] for row in rows] == list(SHORT)


async def test_damage_done_on_purpose_is_found() -> None:
    async with open_world(Options(seed=SEED)) as world:
        await world.send(world.load.some(200))
        await world.settle()
        await world.hand_over()
        await world.settle()
        assert not await world.compare()
        await _say_a_fact_again_as_new(world, "finance")
        await _say_a_fact_again_as_new(world, "audit", "DataDisclosed")
        await _say_a_fact_again_as_new(world, "finance", into="retention")
        await world.settle()
        await world.close()  # of the rest, no service is to make anything
        await _say_anew_what_is_wrong(world)
        await _damage_tables(world)
        difference: Difference = await world.compare()
    assert _places(difference.lost) == [
        *("audit.entry", "finance.buyer", "retention.event_anchor", "topic registration"),
    ]
    assert _places(difference.doubled) == [
        *("audit.entry", "consent.dead_letter", "finance.dead_letter", "keyring.subject"),
        *("registration.dead_letter", "retention.event_anchor"),
        *("topic audit", "topic finance", "topic registration", "topic retention"),
    ]
    assert _places(difference.reordered) == ["topic registration"]


def _places(sentences: list[str]) -> list[str]:
    """Tables and topics in which something is wrong. What is published is of the log as it was: how
    many faults that makes does not matter.
    """
    places = (re.split("[:,]", one)[0] for one in sentences)
    return sorted(place for place in places if place != "audit published")


async def _say_anew_what_is_wrong(world: World) -> None:
    """All facts of a partition, the very same ones, but the first two about one registration have
    changed places, and those about another one tell no answers.
    """
    servers = world.ground.bootstrap_servers
    records = await read_topic(servers, REGISTRATION, topic_spec(REGISTRATION).partitions)
    about: dict[str, list[Any]] = defaultdict(list)
    for record in records:
        about[orjson.loads(record.value).get("registration_id")].append(record)
    first, second = next(facts for number, facts in about.items() if number and facts[1:])[:2]
    wrong = next(
        one
        for one in records
        if one.partition == first.partition and one.key != first.key and _ANSWERS.search(one.value)
    )
    said = [record for record in records if record.partition == first.partition]
    end = said[-1].offset + 1
    transport = KafkaTransport(Settings.load(world.ground.environ))
    await transport.delete_before({(REGISTRATION, first.partition): end})
    places = said.index(first), said.index(second)
    said[places[0]], said[places[1]] = second, first
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for one in said:
            value = _ANSWERS.sub(b'"personal":{}', one.value) if one is wrong else one.value
            await producer.send_and_wait(
                *(REGISTRATION, value, one.key, one.partition), headers=list(one.headers)
            )


async def _damage_tables(world: World) -> None:
    """Two rows are gone, one of them of somebody on a list, one is wrong, and somebody whom nobody
    knows is there.
    """
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        await connection.execute(
            "delete from finance.buyer where invoice_id ="
            " (select min(invoice_id::text)::uuid from finance.buyer)"
        )
        await connection.execute(
            "update retention.event_anchor set ends_on = ends_on + 1 where event_id ="
            " (select min(event_id::text)::uuid from retention.event_anchor)"
        )
        await connection.execute(
            "insert into keyring.subject (subject_id) values (gen_random_uuid());"
            "alter table audit.entry disable trigger entry_is_append_only;"
            " delete from audit.entry where sequence ="
            " (select max(sequence) from audit.entry where type = 'DataDisclosed'"
            " and subject_id <> (select subject_id from audit.entry where type = 'DataDisclosed'"
            " group by subject_id having count(*) > 1))"
        )
    finally:
        await connection.close()


async def _say_a_fact_again_as_new(
    world: World, topic: str, kind: str = "", *, into: str = ""
) -> None:
    """The first fact, of this kind or of any, under another id: what a batch that is done twice
    would say. `into`: where nobody would say it.
    """
    servers = world.ground.bootstrap_servers
    fact = next(
        record
        for record in await read_topic(servers, topic, topic_spec(topic).partitions)
        if dict(record.headers)[names.TYPE].decode() == kind or not kind
    )
    another = str(new_id()).encode()
    headers = [(name, another if name == names.ID else value) for name, value in fact.headers]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait(into or topic, fact.value, key=fact.key, headers=headers)
