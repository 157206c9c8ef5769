"""The audit service from its topic to the log, and back to a topic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from services.audit.app import open_service
from services.audit.commands import app
from services.audit.domain.checkpoints import is_of_log, open_checkpoint
from services.audit.handlers.identity import signing_key
from services.audit.settings import Settings
from services.audit.store.topic import last_checkpoints
from shared.contract import audit
from shared.contract.audit import DataDisclosed, DisclosureDelivered
from tests.conftest import SettingsFactory, TopicFactory
from tests.support.commands import command
from tests.support.databases import clone_database, drop_database
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.flow import all_metrics, assert_silent, everything_kept, flowing
from tests.support.records import MadeRecord

CANARY = "aino.canary"


async def read(servers: str, topic: str, count: int) -> list[tuple[bytes, Mapping[str, bytes]]]:
    async with (
        asyncio.timeout(60),
        AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as reader,
    ):
        records: list[Any] = [await reader.getone() for _ in range(count)]
    return [(record.value, dict(record.headers)) for record in records]


async def test_entries_are_logged_in_order_and_replayed_as_they_were(
    service_settings: SettingsFactory,
    topic_factory: TopicFactory,
    database: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    facts = Facts()
    kinds: list[type[audit.Entry]] = [DataDisclosed, DisclosureDelivered]
    records = [facts.message(make_entry(kind)).record for kind in kinds * 20]
    broken = MadeRecord(f'{{"actor": "{CANARY}"'.encode(), records[0].headers)
    settings = service_settings("audit")
    replayed_to = await topic_factory("replayed")
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(audit.TOPIC, [*records[:30], broken, *records[10:]])
        await flow.until("select sum(messages)::int from outcome_count", 61)
        assert await flow.outcomes() == {
            (audit.TOPIC, "accepted"): 40,
            (audit.TOPIC, "duplicate"): 20,
            (audit.TOPIC, "dead_letter"): 1,
        }
        rows = await flow.service.pool.fetch("select sequence, id from entry order by sequence")
        ids = [dict(record.headers)["ce_id"] for record in records]
        assert [(row["sequence"], str(row["id"]).encode()) for row in rows] == list(enumerate(ids))
    done = await command(app, settings, "replay", "--after", "9", "--to-topic", replayed_to)
    assert done.code == 0, done.err
    again = await read(settings.kafka_bootstrap_servers, replayed_to, 30)
    assert [value for value, _ in again] == [record.value for record in records[10:]]
    for (_, headers), record in zip(again, records[10:], strict=True):
        original = dict(record.headers)
        for name in ("ce_id", "ce_source", "ce_type", "ce_dataschema", "content-type"):
            assert headers[name] == original[name]
    output = capfd.readouterr()
    kept = await everything_kept(database, "audit")
    assert_silent(CANARY, output.out, output.err, all_metrics(), kept)


@pytest.mark.parametrize("topic", ["registration", "no-such-topic"])
async def test_a_replay_goes_only_to_a_topic_that_was_made_for_it(
    service_settings: SettingsFactory, topic: str
) -> None:
    settings = service_settings("audit")
    done = await command(app, settings, "replay", "--to-topic", topic, "--subject", str(uuid4()))
    assert done.code == 2
    assert "--to-topic" in done.err


async def missing_of(port_file: Path) -> dict[str, str]:
    """What the service says is missing."""

    def ask() -> dict[str, str]:
        connection = HTTPConnection("127.0.0.1", int(port_file.read_text("ascii")))
        try:
            connection.request("GET", "/readyz")
            missing: dict[str, str] = orjson.loads(connection.getresponse().read())["missing"]
            return missing
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def test_a_restored_backup_appends_nothing_and_says_so(
    service_settings: SettingsFactory, topic_factory: TopicFactory, tmp_path: Path
) -> None:
    settings = service_settings("audit", audit_checkpoint_s=0.1)
    assert isinstance(settings, Settings)
    facts = Facts()

    async def append(many: int, size: int) -> None:
        records = [facts.message(make_entry(DataDisclosed)).record for _ in range(many)]
        async with flowing(open_service, settings, topic_factory) as flow:
            await flow.send(audit.TOPIC, records)
            await flow.until("select size::int from announced", size)
            await flow.until("select count(*)::int from outbox", 0)

    await append(200, 200)
    backup = await clone_database(settings.database_url)
    await append(100, 300)
    key = signing_key(settings).verifier()
    notes = await last_checkpoints(settings.cluster)
    own = [note for note in notes if is_of_log(note, key)]
    assert open_checkpoint(own[-1], key).size == 300
    assert (settings.published_folder / "checkpoint").read_bytes() == own[-1]

    port_file = tmp_path / "port"
    # Not even the folder is needed: the topic remembers.
    over = {"database_url": backup, "audit_folder": tmp_path / "new", "http_port_file": port_file}
    try:
        async with flowing(
            open_service, settings.model_copy(update=over), topic_factory
        ) as restored:
            await restored.send(audit.TOPIC, [facts.message(make_entry(DataDisclosed)).record])
            async with asyncio.timeout(60):
                missing: dict[str, str] = {}
                while not {"batch", "tree"} <= missing.keys():
                    missing = await missing_of(port_file) if port_file.exists() else {}
                    await asyncio.sleep(0.05)  # nothing announces it
            for part in ("batch", "tree"):
                assert missing[part].startswith("the database is behind a published checkpoint")
            assert await restored.service.pool.fetchval("select count(*) from entry") == 200
            assert not (tmp_path / "new").exists()
    finally:
        await drop_database(backup)
