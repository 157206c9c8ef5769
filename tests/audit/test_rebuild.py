"""The log anew from its topic: what was published is reached again, or nothing was done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.audit.commands import app
from services.audit.domain.tiles import encode_bundle
from services.audit.handlers.identity import signing_key
from services.audit.handlers.rebuild import RebuildError, Topics, published_ids, rebuild
from services.audit.handlers.verify import Report
from services.audit.store.sources import PublishedLog, folder_log
from shared.contract.audit import DataDisclosed
from shared.contract.message import Message, Record
from shared.messaging import store
from shared.messaging.places import in_no_log
from shared.runtime.secrets import SecretsFolder
from tests.support.commands import command
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.log import appending_to, entries, publish_all, settings_of
from tests.support.records import MadeRecord
from tests.support.waiting import until_somebody_waits
from tests.support.work import Work

Administrator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Messages: TypeAlias = "list[Message[Any]]"


@pytest.fixture
def messages() -> Messages:
    facts = Facts()
    return [facts.message(make_entry(DataDisclosed)) for _ in range(600)]


async def publish(work: Work, *parts: Messages) -> None:
    for part in parts:
        await work.do(appending_to(work), part)
        await publish_all(work)


async def nothing() -> None:
    """Nothing goes on beside the rebuild."""


async def parts(
    records: Sequence[Record], beside: Callable[[], Awaitable[None]]
) -> AsyncIterator[Sequence[Record]]:
    await beside()
    for at in range(0, len(records), 100):
        yield records[at : at + 100]


async def rebuilt(
    work: Work,
    administrator: Administrator,
    records: Sequence[Record],
    beside: Callable[[], Awaitable[None]] = nothing,
) -> Report:
    """`beside`: called when the log is emptied."""
    said = [orjson.loads(row["value"]) for row in await work.rows("select value from outbox")]
    notes = sorted((one["size"], one["checkpoint"].encode()) for one in said)

    async def checkpoints() -> AsyncIterator[Sequence[tuple[int, bytes]]]:
        yield notes

    settings, report = settings_of(work), Report()
    topics = Topics(partial(parts, records, beside), checkpoints)
    folder = folder_log(settings.published_folder)
    keys = [signing_key(settings).verifier()]
    async with administrator.transaction():
        await rebuild(administrator, folder, topics, keys, report, NOON, lambda _done, _of: None)
    return report


async def state(work: Work) -> list[Any]:
    return [
        [tuple(row) for row in await work.rows(query)]
        for query in (
            "select sequence, id, type, at, subject_id, categories, body from entry order by 1",
            "select * from checkpoint order by size",
            "select size, hashed, frontier from tree_head",
            "select tgname, tgenabled from pg_trigger where not tgisinternal order by tgname",
        )
    ]


def records_of(messages: Messages) -> list[Record]:
    return [message.record for message in messages]


async def test_what_was_published_is_reached_again(
    work: Work, administrator: Administrator, messages: Messages
) -> None:
    await publish(work, messages[:300], messages[300:])
    before = await state(work)
    # What is in the topic twice, cannot be read, or came after the last checkpoint.
    broken = MadeRecord(b"{", messages[0].record.headers)
    again = [*records_of(messages[:5]), broken]
    behind = Facts().message(make_entry(DataDisclosed)).record
    report = await rebuilt(work, administrator, [*again, *records_of(messages), behind])
    assert (report.size, report.findings.told) == (600, [])
    assert await state(work) == before


async def test_a_lost_database_comes_back(
    work: Work, administrator: Administrator, messages: Messages
) -> None:
    await publish(work, messages[:300], messages[300:])
    before = await state(work)
    await administrator.execute("set session_replication_role = replica")
    for table in ("entry", "checkpoint", "tree_head"):
        await administrator.execute(f"alter table {table} disable trigger user")
    await administrator.execute("delete from entry where sequence >= 100")
    await administrator.execute("delete from checkpoint")
    await administrator.execute("delete from tree_head")
    await rebuilt(work, administrator, records_of(messages))
    after = await state(work)
    assert after[0] == before[0]
    assert [row[:3] for row in after[1]] == [row[:3] for row in before[1]]
    assert after[2:] == before[2:]


async def test_a_checkpoint_that_was_changed_is_mended(
    work: Work, administrator: Administrator, messages: Messages
) -> None:
    await publish(work, messages[:300], messages[300:])
    before = await state(work)
    await administrator.execute("alter table checkpoint disable trigger user")
    await administrator.execute("update checkpoint set note = '\\x00' where size = 300")
    await rebuilt(work, administrator, records_of(messages))
    assert await state(work) == before


async def test_only_an_administrator_rebuilds(work: Work, messages: Messages) -> None:
    settings = settings_of(work)
    password = SecretsFolder(settings.secrets).database_password("audit")
    url = urlsplit(settings.database_url)
    url = url._replace(netloc=f"steward_audit:{password}@{url.hostname}:{url.port}")
    connection = await asyncpg.connect(urlunsplit(url), server_settings={"search_path": "audit"})
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rebuilt(work, connection, records_of(messages))
    finally:
        await connection.close()


async def test_an_entry_that_was_redriven_keeps_its_place(
    work: Work, administrator: Administrator, messages: Messages
) -> None:
    await publish(work, [*messages[:50], *messages[53:400]], [*messages[50:53], *messages[400:]])
    before = await state(work)
    await rebuilt(work, administrator, records_of(messages))
    assert await state(work) == before


async def put_position(administrator: Administrator, offset: int) -> None:
    """The service has taken the topic up to there."""
    await administrator.execute("insert into position values ('audit', 0, $1)", offset)


async def take_batch(work: Work, message: Message[Any]) -> None:
    """As the service does: it moves its position, and then locks the head of the log."""
    place, offset = ("audit", 0), message.record.offset
    async with work.parts.work(now=NOON) as transaction:
        await store.begin(transaction.connection, {place: offset}, {place: offset + 1}, {})
        await appending_to(work)(transaction, [message])


async def test_a_batch_that_waits_for_the_rebuild_is_not_in_its_way(
    work: Work, administrator: Administrator
) -> None:
    facts = Facts()
    messages = entries(facts, 300)
    await publish(work, messages)
    await put_position(administrator, 300)
    waiting = []

    async def begin_batch() -> None:
        waiting.append(asyncio.create_task(take_batch(work, *entries(facts, 1))))
        await until_somebody_waits(work.value)

    report = await rebuilt(work, administrator, records_of(messages), begin_batch)
    await waiting[0]
    assert (report.size, await work.value("select size from tree_head")) == (300, 301)
    assert await work.value("select next_offset from position") == 301


@pytest.mark.parametrize(
    ("was", "reads_on"),
    [(200, 200), (600, 600), (900, 600), (in_no_log(200), 200), (in_no_log(900), 600)],
)
async def test_the_service_reads_on_behind_the_log_and_never_further_on_than_it_was(
    work: Work, administrator: Administrator, messages: Messages, was: int, reads_on: int
) -> None:
    await publish(work, messages)
    await put_position(administrator, was)
    records = records_of(messages)
    # What came twice is in the log.
    await rebuilt(work, administrator, [*records[:300], *records[:5], *records[300:]])
    assert await work.value("select next_offset from position") == reads_on


async def bury(administrator: Administrator, *offsets: int) -> None:
    """Records that could not be handled; the last one has a key that is parked."""
    for offset in offsets:
        await administrator.execute(
            "insert into dead_letter (topic, partition, record_offset, status, holds_key,"
            " key_reference, reason, detail, sealed, taken_at)"
            " values ('audit', 0, $1, 'dead', $2, $3, 'handler_failed', '', '', now())",
            offset,
            offset == offsets[-1],
            b"key" if offset == offsets[-1] else None,
        )
    await administrator.execute("insert into parked_key values ('audit', 'key', now())")
    await administrator.execute(
        "insert into outcome_count values ('audit', 0, 'dead_letter', $1)", len(offsets)
    )


@pytest.mark.parametrize(
    ("dead", "reads_on", "left"),
    [
        ([50, 51, 52], 600, [50, 51, 52]),
        # The database was put back, or it was redriven and is under no checkpoint.
        ([50, 52], 51, [50]),
        ([51, 52], 50, []),
    ],
)
async def test_an_entry_that_is_neither_published_nor_a_dead_letter_is_read_again(
    work: Work,
    administrator: Administrator,
    messages: Messages,
    dead: list[int],
    reads_on: int,
    left: list[int],
) -> None:
    await publish(work, [*messages[:50], *messages[53:]])
    await put_position(administrator, 600)
    await bury(administrator, *dead)
    await rebuilt(work, administrator, records_of(messages))
    assert await work.value("select next_offset from position") == reads_on
    rows = await work.rows("select record_offset from dead_letter order by 1")
    assert [row["record_offset"] for row in rows] == left
    assert await work.value("select messages from outcome_count") == len(left)
    assert await work.value("select count(*) from parked_key") == int(52 in left)


@pytest.mark.parametrize("missing", [0, 299, 599])
async def test_a_topic_that_is_not_whole_changes_nothing(
    work: Work, administrator: Administrator, messages: Messages, missing: int
) -> None:
    await publish(work, messages[:300], messages[300:])
    before = await state(work)
    records = records_of([*messages[:missing], *messages[missing + 1 :]])
    with pytest.raises(RebuildError, match="it is not whole"):
        await rebuilt(work, administrator, records)
    assert await state(work) == before


async def test_a_topic_that_tells_another_story_changes_nothing(
    work: Work, administrator: Administrator, messages: Messages
) -> None:
    await publish(work, messages[:300], messages[300:])
    before = await state(work)
    changed = Facts().message(make_entry(DataDisclosed), id=UUID(messages[7].envelope.id)).record
    with pytest.raises(RebuildError, match="is not what was published"):
        await rebuilt(
            work,
            administrator,
            [*records_of(messages[:7]), changed, *records_of(messages[8:])],
        )
    assert await state(work) == before


@pytest.mark.parametrize("spoiled", [b"[]", b'"x"', b'{"id":1}', b'{"id":"x"}', b"{}", b"{"])
def test_the_published_order_is_told_as_far_as_it_can_be_read(spoiled: bytes) -> None:
    ids = [UUID(int=number) for number in range(300)]
    bundles = [
        encode_bundle([b'{"id":"%b"}' % str(one).encode() for one in ids[:256]]),
        encode_bundle([spoiled] * 44),
    ]
    files = {"tile/entries/000": bundles[0], "tile/entries/001.p/44": bundles[1]}
    log = PublishedLog("folder", files.get, lambda: iter(()))
    assert list(published_ids(log, 300)) == ids[:256]


async def test_without_kafka_the_log_is_as_it_was(work: Work, messages: Messages) -> None:
    await publish(work, messages)
    before = await state(work)
    done = await command(app, settings_of(work), "rebuild", "--yes")
    assert (done.code, "the log is as it was" in done.err) == (1, True)
    assert await state(work) == before


async def test_the_log_is_made_anew_by_nobodys_word(work: Work, messages: Messages) -> None:
    await publish(work, messages)
    before = await state(work)
    done = await command(app, settings_of(work), "rebuild", given="y\n")
    assert (done.code, "nobody is here to ask: add --yes" in done.err) == (2, True)
    assert await state(work) == before
