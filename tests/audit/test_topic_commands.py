"""`steward audit verify` and `rebuild` with topics as Kafka has them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from typer.testing import CliRunner

from services.audit.commands import app, verify
from services.audit.settings import Settings
from services.audit.store import topic_log
from shared.contract import audit
from shared.contract.message import Record
from shared.contract.topics import TOPICS
from shared.local import administrator
from shared.runtime.cluster import Cluster
from shared.runtime.database import without_credentials
from shared.runtime.secrets import SecretsFolder
from shared.runtime.topics import create_topics
from tests.conftest import TopicFactory
from tests.support.commands import Answered, command, environment_of
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to, publish_all, settings_of
from tests.support.records import MadeRecord
from tests.support.work import Work

SIGNED, SIZE = 260, 265


async def send(servers: str, topic: str, records: Sequence[Record]) -> str:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        sent = [
            await producer.send(topic, record.value, headers=list(record.headers))
            for record in records
        ]
        await asyncio.gather(*sent)
    return topic


async def said_by(work: Work) -> list[Record]:
    """What the service's relay would have published: checkpoints."""
    rows = await work.rows("select value, headers from outbox order by id")
    given = [(row["value"], orjson.loads(row["headers"]).items()) for row in rows]
    return [
        MadeRecord(value, tuple((name, text.encode()) for name, text in headers))
        for value, headers in given
    ]


def as_up_leaves_it(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The address without user and password: they are found in the folder of secrets."""
    shutil.copytree(settings.secrets, folder)
    address = urlsplit(settings.database_url)
    file = administrator.password_file(SecretsFolder(folder))
    file.write_text(unquote(address.password or ""))
    file.chmod(0o600)
    monkeypatch.setattr(administrator, "ADMINISTRATOR", address.username)
    return settings.model_copy(
        update={"database_url": without_credentials(settings.database_url), "secrets": folder}
    )


async def test_a_log_is_held_against_its_topic_and_made_anew_from_it(
    work: Work,
    kafka: str,
    topic_factory: TopicFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = Facts()
    messages = [facts.message(make_entry(audit.DataDisclosed)) for _ in range(SIZE)]
    await work.do(appending_to(work), messages[:SIGNED])
    await publish_all(work)
    await work.do(appending_to(work), messages[SIGNED:])
    await create_topics(Cluster(kafka), TOPICS)
    await send(kafka, audit.CHECKPOINTS, await said_by(work))
    records = [message.record for message in messages]
    whole = await send(kafka, await topic_factory("audit"), records)
    for place in (7, SIGNED + 2):
        entry_id = UUID(messages[place].envelope.id)
        records[place] = facts.message(make_entry(audit.DataDisclosed), id=entry_id).record
    other = await send(kafka, await topic_factory("audit"), records)
    settings = settings_of(work).model_copy(update={"kafka_bootstrap_servers": kafka})

    async def run(topic: str, *arguments: str) -> Answered:
        monkeypatch.setattr(topic_log, "TOPIC", topic)
        return await command(app, settings, *arguments)

    bodies = await work.value("select array(select body from entry order by sequence)")
    done = await run(whole, "verify")
    assert (done.code, "whole; the last 5 entries are not signed yet" in done.out) == (0, True)
    done = await run(other, "verify")
    assert (done.code, f"database: entry {SIGNED + 2}: it has other bytes" in done.out) == (1, True)

    done = await run(other, "rebuild", "--yes")
    assert (done.code, "the log is as it was" in done.err) == (1, True)
    assert "the entries up to there have another root hash" in done.out
    assert await work.value("select array(select body from entry order by sequence)") == bodies
    settings = as_up_leaves_it(settings, tmp_path / "secrets", monkeypatch)
    done = await run(whole, "rebuild", "--yes")
    assert (done.code, "as it was published" in done.out) == (0, True)
    again = await work.value("select array(select body from entry order by sequence)")
    assert again == bodies[:SIGNED]  # the service takes the rest, as it always does


async def test_a_kafka_that_falls_silent_ends_what_reads_the_topic(
    work: Work, kafka: str, topic_factory: TopicFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer would try for ever, and a rebuild keep everybody from the log for as long."""
    message = Facts().message(make_entry(audit.DataDisclosed))
    await work.do(appending_to(work), [message])
    await publish_all(work)
    await create_topics(Cluster(kafka), TOPICS)
    topic = await send(kafka, await topic_factory("audit"), [message.record])
    polls = count(1)

    async def nothing_comes(*_: object, timeout_ms: int, **__: object) -> dict[object, object]:
        assert next(polls) <= 3, "it reads on and on"
        await asyncio.sleep(timeout_ms / 1_000)
        return {}

    monkeypatch.setattr(topic_log, "TOPIC", topic)
    monkeypatch.setattr(topic_log, "SILENT_S", 0.01)
    monkeypatch.setattr(AIOKafkaConsumer, "getmany", nothing_comes)
    with pytest.raises(KafkaTimeoutError):
        async for _ in topic_log.audit_records(Cluster(kafka)):
            pass
    settings = settings_of(work).model_copy(update={"kafka_bootstrap_servers": kafka})
    done = await command(app, settings, "rebuild", "--yes")
    assert (done.code, "Kafka does not answer; the log is as it was" in done.err) == (1, True)


async def test_what_was_found_before_kafka_fell_silent_is_told(
    work: Work, kafka: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await work.do(appending_to(work), [Facts().message(make_entry(audit.DataDisclosed))])
    await publish_all(work)
    await create_topics(Cluster(kafka), TOPICS)
    at = await asyncpg.connect(database)
    await at.execute(
        "alter table audit.entry disable trigger entry_is_append_only;"
        "update audit.entry set recipient = 'hotel'"
    )
    await at.close()

    async def silent(*_: object) -> None:
        raise KafkaTimeoutError

    monkeypatch.setattr(verify, "verify_announced", silent)
    settings = settings_of(work).model_copy(update={"kafka_bootstrap_servers": kafka})
    ended = await asyncio.to_thread(
        CliRunner().invoke, app, ["verify"], env=environment_of(settings)
    )
    assert isinstance(ended.exception, ConnectionError)
    assert "database: entry 0: columns do not say what its bytes say: recipient" in ended.stdout
