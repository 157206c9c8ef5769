"""What Kafka's client does by itself, and must not do to a service."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import CorruptRecordException

from shared.contract.message import Message
from shared.messaging.kafka import FETCH_BYTES_A_RECORD, _Reader
from shared.messaging.kept_records import KeptRecord
from tests.conftest import SettingsFactory, TopicFactory
from tests.support.any_records import AnyRecord, send_together
from tests.support.clusters import PARTITIONS, KafkaCluster, Sent
from tests.support.messaging import SCHEMA, World, open_world


@pytest.fixture
async def on_kafka(
    kafka: str, topic_factory: TopicFactory, database: str, service_settings: SettingsFactory
) -> AsyncIterator[World]:
    cluster = KafkaCluster(kafka, topic_factory)
    async with open_world(cluster, database, service_settings(SCHEMA)) as opened:
        yield opened


async def test_records_larger_than_a_fetch_come_all_the_same(on_kafka: World) -> None:
    """In every partition, with small ones before and behind."""
    many = 3 * PARTITIONS
    fetched = FETCH_BYTES_A_RECORD * on_kafka.service.settings.batch_max_records
    large = orjson.dumps({"number": 1, "do": "write", "more": "x" * (fetched + 1)})
    await on_kafka.send(
        *(
            Sent(
                f"key-{n}",
                1,
                body=large if n // PARTITIONS == 1 else None,
                partition=n % PARTITIONS,
            )
            for n in range(many)
        )
    )
    async with on_kafka.running():
        await on_kafka.settled(many)
    assert await on_kafka.effects() == {f"key-{n}": [1] for n in range(many)}


async def test_records_are_in_memory_no_longer_than_their_batch(on_kafka: World) -> None:
    """FastStream keeps what is handled in the context of its task, and asyncpg keeps the context in
    which it prepared a statement for five minutes.
    """
    async with on_kafka.running():
        for number in range(3):
            await on_kafka.send(Sent("key", number, partition=0))
            await on_kafka.taken(number + 1)
        gc.collect()
        here = [one for one in gc.get_objects() if type(one) is ConsumerRecord]
        assert 0 not in {one.offset for one in here if one.topic == on_kafka.inbound}


async def test_a_client_that_stops_fetching_by_itself_is_replaced(
    on_kafka: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_fetches = Fetcher._get_actions_per_node
    broken: list[object] = []

    def break_once(self: Fetcher, assignment: object) -> Any:  # noqa: ANN401 - aiokafka's own
        if not broken and on_kafka.calls:
            broken.append(self)
            raise RuntimeError("unable to perform operation on a closed transport")
        return plan_fetches(self, assignment)

    monkeypatch.setattr(Fetcher, "_get_actions_per_node", break_once)
    await handles_ten(on_kafka)
    assert broken


async def test_clients_that_learn_nothing_of_brokers_any_more_are_replaced(
    on_kafka: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronise = AIOKafkaClient._md_synchronizer
    handled = asyncio.Event()
    broken: list[object] = []

    async def note(messages: Sequence[Message[Any]]) -> None:
        handled.set()

    async def break_once(self: AIOKafkaClient) -> None:
        synchronising = asyncio.create_task(synchronise(self))
        try:
            if len(broken) < 3:
                broken.append(self)
                await handled.wait()
                raise RuntimeError("unable to perform operation on a closed transport")
            await synchronising
        finally:
            synchronising.cancel()

    on_kafka.before_handling = note
    monkeypatch.setattr(AIOKafkaClient, "_md_synchronizer", break_once)
    await handles_ten(on_kafka)
    assert len(broken) == 3


async def test_a_client_that_learns_nothing_of_brokers_while_partitions_are_shared_out_is_replaced(
    on_kafka: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its polls wait for partitions then, and it is in a poll that its state is looked at."""
    start, synchronise = AIOKafkaConsumer.start, AIOKafkaClient._md_synchronizer
    breaks = asyncio.Event()
    readers: list[AIOKafkaConsumer] = []

    async def remember(self: AIOKafkaConsumer) -> None:
        readers.append(self)
        await start(self)

    async def break_first(self: AIOKafkaClient) -> None:
        synchronising = asyncio.create_task(synchronise(self))
        try:
            if readers and self is readers[0]._client:
                await breaks.wait()
                raise RuntimeError("unable to perform operation on a closed transport")
            await synchronising
        finally:
            synchronising.cancel()

    monkeypatch.setattr(AIOKafkaConsumer, "start", remember)
    monkeypatch.setattr(AIOKafkaClient, "_md_synchronizer", break_first)
    async with on_kafka.running():
        await on_kafka.send(*(Sent("a", number) for number in range(5)))
        await on_kafka.settled(5)
        readers[0]._subscription.begin_reassignment()
        readers[0]._coordinator.coordinator_dead()
        breaks.set()
        await on_kafka.send(*(Sent("a", number) for number in range(5, 10)))
        await on_kafka.settled(10)
    assert await on_kafka.effects() == {"a": list(range(10))}
    assert len(readers) == 2


async def test_a_header_whose_name_is_no_text_harms_no_neighbour(on_kafka: World) -> None:
    """Clients of C and Java write any bytes, and Kafka takes them as they are."""
    sent = [Sent("a", 1), Sent("b", 2), Sent("c", 3)]
    together = [
        AnyRecord(one.key.encode(), one.value, [*one.headers, *more])
        for one, more in zip(sent, [[], [(b"gr\xfc\xdfe", b"x")], []], strict=True)
        if one.key is not None
    ]
    servers = on_kafka.service.settings.cluster.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await (await send_together(producer, on_kafka.inbound, 1, together))
    await on_kafka.send(*(Sent("d", number, partition=2) for number in range(3)))
    await on_kafka.send(Sent("e", 9, partition=1))
    async with on_kafka.running():
        await on_kafka.settled(7)
    assert await on_kafka.effects() == {"a": [1], "c": [3], "d": [0, 1, 2], "e": [9]}
    (letter,) = await on_kafka.dead_letters()
    assert (letter["partition"], letter["record_offset"]) == (1, 1)
    assert (letter["reason"], letter["detail"]) == (
        "envelope_invalid",
        "the name of a header is no UTF-8",
    )


@pytest.mark.parametrize(
    "error", [RuntimeError("it cannot be taken apart"), CorruptRecordException]
)
async def test_what_a_poll_that_failed_took_along_is_read_again(
    on_kafka: World, monkeypatch: pytest.MonkeyPatch, error: Exception | type[Exception]
) -> None:
    """The client has moved on behind records of other partitions, which nobody got."""
    poll = Fetcher.fetched_records
    lost: list[object] = []

    async def fail_once(self: Fetcher, *args: object, **options: object) -> object:
        found = await poll(self, *args, **options)
        if found and not lost:
            lost.append(found)
            raise error
        return found

    monkeypatch.setattr(Fetcher, "fetched_records", fail_once)
    await handles_ten(on_kafka)
    assert lost


class NeverConnected(_Reader):
    """Polls what a test has put there."""

    def __init__(self, listener: Any, failed: asyncio.Future[None]) -> None:  # noqa: ANN401 - a test's
        self._listener = listener
        self._failed = failed
        self._handed_over = {}

    def _see_that_it_lives(self) -> None:
        pass


async def test_after_a_poll_that_failed_nothing_is_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else what comes next would be taken for what was to be read next."""
    place = TopicPartition("topic", 0)
    later = {place: [KeptRecord("topic", 0, 105, 0, None, None, ())]}
    found: list[Any] = [ValueError(), later]
    told: list[str] = []

    async def getmany(*_: object, **__: object) -> Any:  # noqa: ANN401 - aiokafka's own
        if isinstance(found[0], Exception):
            raise found.pop(0)
        return found.pop(0)

    class Listening:
        def busy(self) -> set[object]:
            return set()

        def polled(self) -> None:
            told.append("polled")

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    reader = NeverConnected(Listening(), failed)
    assert [await reader.getmany(), await reader.getmany()] == [{}, {}]
    assert told == []
    assert isinstance(failed.exception(), ValueError)


async def test_after_a_poll_that_failed_nothing_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have moved on behind records that nobody was handed."""
    place = TopicPartition("topic", 0)

    async def position(*_: object) -> int:
        return 105

    monkeypatch.setattr(AIOKafkaConsumer, "position", position)
    monkeypatch.setattr(AIOKafkaConsumer, "seek", lambda *_: None)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    reader = NeverConnected(None, failed)
    reader.seek(place, 100)
    assert await reader.past_markers(place, 100) == 105
    failed.set_exception(ValueError())
    assert await reader.past_markers(place, 100) == 100
    assert failed.exception() is not None


async def handles_ten(world: World) -> None:
    async with world.running():
        await world.send(*(Sent("a", number) for number in range(5)))
        await world.settled(5)
        await world.send(*(Sent("a", number) for number in range(5, 10)))
        await world.settled(10)
    assert await world.effects() == {"a": list(range(10))}
    assert await world.said() == {"a": list(range(10))}
