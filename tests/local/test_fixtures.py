"""The servers that tests get are real ones."""

from __future__ import annotations

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.conftest import SettingsFactory, TopicFactory


async def test_a_message_sent_to_the_sessions_kafka_can_be_read(
    kafka: str, topic_factory: TopicFactory
) -> None:
    topic = await topic_factory("greetings", partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(topic, b"hello", partition=1)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    assert (record.value, record.partition) == (b"hello", 1)


async def test_each_test_has_a_migrated_database_of_its_own(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        schemas = await connection.fetch("select nspname from pg_namespace")
        assert {"registration", "audit", "keyring"} <= {row["nspname"] for row in schemas}
    finally:
        await connection.close()


def test_settings_point_at_the_sessions_servers(
    kafka: str, database: str, service_settings: SettingsFactory
) -> None:
    settings = service_settings("some_service", batch_max_records=7)
    assert settings.kafka_bootstrap_servers == kafka
    assert settings.database_url == database
    assert settings.batch_max_records == 7
