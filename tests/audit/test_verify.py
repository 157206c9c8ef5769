"""Database, folder and topic verified against each other, also after a superuser was at work."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import TypeAlias

import asyncpg
import orjson
import pytest

from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.merkle import Frontier, leaf_hashes
from services.audit.domain.notes import SigningKey
from services.audit.handlers.identity import signing_key
from services.audit.handlers.verify import Report, verify_announced, verify_database
from services.audit.store.database_log import DatabaseLog, OneConnection
from services.audit.store.folder import CHECKPOINT, TileFolder
from services.audit.store.sources import folder_log
from shared.contract.audit import DataAccessed, DataDisclosed
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to, publish_all, settings_of
from tests.support.work import Work

CASES = int(os.environ.get("STEWARD_TEST_CORRUPTIONS", "0")) // 5 or 40
Administrator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SIZES = (5, 256, 300, 520)
UNSIGNED = 7


@pytest.fixture
async def log(work: Work) -> Work:
    """A log that was published at some sizes, and some entries behind."""
    facts = Facts()
    for size in SIZES:
        more = size - await work.value("select size from tree_head")
        await append(work, facts, more)
        await publish_all(work)
    await append(work, facts, UNSIGNED)
    return work


async def append(work: Work, facts: Facts, many: int) -> None:
    kinds = (DataDisclosed, DataAccessed)
    entries = [facts.message(make_entry(kinds[number % 2])) for number in range(many)]
    await work.do(appending_to(work), entries)


async def announced(connection: Administrator) -> list[tuple[int, bytes]]:
    values = [
        row["value"] for row in await connection.fetch("select value from outbox order by id")
    ]
    said = [orjson.loads(value) for value in values]
    return [(one["size"], one["checkpoint"].encode()) for one in said]


async def verified(
    work: Work, connection: Administrator, said: Sequence[tuple[int, bytes]] | None = None
) -> Report:
    async def topic() -> AsyncIterator[Sequence[tuple[int, bytes]]]:
        yield await announced(connection) if said is None else said

    report = Report()
    settings = settings_of(work)
    mine = DatabaseLog(OneConnection(connection), report.findings)
    folder = folder_log(settings.published_folder)
    keys = [signing_key(settings).verifier()]
    await verify_database(mine, folder, keys, report, lambda _done, _of: None)
    await verify_announced(mine, topic(), keys, report, folder)
    return report


def told(report: Report) -> list[str]:
    return [str(finding) for finding in report.findings.told]


async def test_what_is_whole_is_whole(log: Work, administrator: Administrator) -> None:
    report = await verified(log, administrator)
    assert told(report) == []
    assert (report.size, report.signed) == (SIZES[-1] + UNSIGNED, SIZES[-1])
    assert report.checkpoints == len(SIZES)


async def test_a_log_without_entries_is_whole(work: Work, administrator: Administrator) -> None:
    await publish_all(work)
    report = await verified(work, administrator)
    assert (told(report), report.size, report.signed) == ([], 0, 0)


def put(work: Work, size: int, root: bytes, key: SigningKey) -> None:
    note = Checkpoint(key.name, size, root).signed(key).encode()
    TileFolder(settings_of(work).published_folder).write({CHECKPOINT: note})


async def test_the_newest_checkpoint_is_compared_also_where_the_key_has_signed_it(
    log: Work, administrator: Administrator
) -> None:
    put(log, SIZES[-1], bytes(32), signing_key(settings_of(log)))
    assert "newest checkpoint" in told(await verified(log, administrator))[0]


async def test_a_database_that_is_behind_the_folder_is_named(
    log: Work, administrator: Administrator
) -> None:
    put(log, 1_000, bytes(32), signing_key(settings_of(log)))
    assert "fewer than were published" in told(await verified(log, administrator))[0]


async def test_a_topic_that_has_more_less_or_other_checkpoints_is_named(
    log: Work, administrator: Administrator
) -> None:
    key = signing_key(settings_of(log))
    said = await announced(administrator)
    other = (SIZES[1], Checkpoint(key.name, SIZES[1], bytes(32)).signed(key).encode())
    more = (900, Checkpoint(key.name, 900, bytes(32)).signed(key).encode())
    foreign = SigningKey("example.org/else", bytes(32))
    passed = (7, Checkpoint(foreign.name, 7, bytes(32)).signed(foreign).encode())
    assert told(await verified(log, administrator, [*said, *said[:2], passed])) == []
    less = told(await verified(log, administrator, [said[0], *said[2:]]))
    assert less == ["topic: the checkpoint of 256 entries: it is missing"]
    changed = told(await verified(log, administrator, [said[0], other, *said[2:]]))
    assert changed == ["topic: the checkpoint of 256 entries: it is other than the database's"]
    behind = told(await verified(log, administrator, [*said, more]))
    assert "the database has signed none of that size" in behind[0]
    assert "the folder was put back" in behind[1]


@pytest.mark.parametrize("body", [b'{"data":"x","id":"a","type":"b"}', b'{"data":{}}', b"[]"])
async def test_bytes_that_are_json_and_no_entry_are_named(
    log: Work, administrator: Administrator, body: bytes
) -> None:
    await administrator.execute("alter table entry disable trigger user")
    await administrator.execute("update entry set body = $1 where sequence = 3", body)
    assert "database: entry 3: its bytes are no entry" in told(await verified(log, administrator))


Change = Callable[[Administrator, Random], Awaitable[str]]
LAST = SIZES[-1] + UNSIGNED


async def flip_a_body(at: Administrator, random: Random) -> str:
    place, offset = random.randrange(LAST), random.randrange(300)
    await at.execute(
        "update entry set body = set_byte(body, $2, get_byte(body, $2) # 1) where sequence = $1",
        place,
        offset,
    )
    return f"{place} at {offset}"


async def change_a_column(at: Administrator, random: Random) -> str:
    place = random.randrange(LAST)
    change = random.choice(
        [
            "actor = 'cli:else'",
            "purpose = 'else'",
            "subject_id = gen_random_uuid()",
            "at = at + interval '1 second'",
            "type = 'SignedIn'",
            "categories = '{else}'",
            "disclosure_id = gen_random_uuid()",
            "event_id = gen_random_uuid()",
            "recipient = 'else'",
            "id = gen_random_uuid()",
        ]
    )
    await at.execute(f"update entry set {change} where sequence = $1", place)  # noqa: S608
    return f"{change} at {place}"


async def take_an_entry(at: Administrator, random: Random) -> str:
    place = random.randrange(LAST)
    await at.execute("delete from entry where sequence = $1", place)
    return str(place)


async def take_an_entry_and_close_the_gap(at: Administrator, random: Random) -> str:
    # Of those that are not signed yet only the topic knows, when the head is made to fit.
    place = random.randrange(SIZES[-1])
    await at.execute("delete from entry where sequence = $1", place)
    await at.execute("update entry set sequence = sequence + 10000 where sequence > $1", place)
    await at.execute("update entry set sequence = sequence - 10001 where sequence > 10000")
    bodies = await at.fetchval("select array(select body from entry order by sequence)")
    tree = Frontier().extended(leaf_hashes(bodies))
    await at.execute(
        "update tree_head set size = $1, hashed = $1, frontier = $2", tree.size, list(tree.roots)
    )
    return str(place)


async def swap_two(at: Administrator, random: Random) -> str:
    one, other = random.sample(range(LAST), 2)
    for before, after in ((one, -1), (other, one), (-1, other)):
        await at.execute("update entry set sequence = $2 where sequence = $1", before, after)
    return f"{one} and {other}"


async def add_an_entry(at: Administrator, _random: Random) -> str:
    await at.execute(
        "insert into entry (sequence, id, topic_offset, type, at, actor, body)"
        " select $1, gen_random_uuid(), topic_offset, type, at, actor, body from entry"
        " where sequence = 0",
        LAST,
    )
    return "at the end"


async def go_back(at: Administrator, random: Random) -> str:
    """As from an older backup."""
    size = random.randrange(SIZES[-1])
    bodies = await at.fetchval("select array(select body from entry order by sequence)")
    tree = Frontier().extended(leaf_hashes(bodies[:size]))
    await at.execute("delete from entry where sequence >= $1", size)
    await at.execute("delete from checkpoint where size > $1", size)
    await at.execute(
        "update tree_head set size = $1, hashed = $1, frontier = $2", size, list(tree.roots)
    )
    return f"to {size}"


async def take_a_checkpoint(at: Administrator, random: Random) -> str:
    size = random.choice(SIZES)
    await at.execute("delete from checkpoint where size = $1", size)
    return str(size)


async def change_a_checkpoint(at: Administrator, random: Random) -> str:
    size = random.choice(SIZES)
    column = random.choice(["note", "root"])
    place = random.randrange(32)
    await at.execute(
        f"update checkpoint set {column} = set_byte({column}, $2, get_byte({column}, $2) # 1)"  # noqa: S608
        " where size = $1",
        size,
        place,
    )
    return f"{column} of {size} at {place}"


async def change_the_head(at: Administrator, random: Random) -> str:
    place = random.randrange(32)
    await at.execute(
        "update tree_head set"
        " frontier[1] = set_byte(frontier[1], $1, get_byte(frontier[1], $1) # 1)",
        place,
    )
    return str(place)


CHANGES: tuple[Change, ...] = (
    flip_a_body,
    change_a_column,
    take_an_entry,
    take_an_entry_and_close_the_gap,
    swap_two,
    add_an_entry,
    go_back,
    take_a_checkpoint,
    change_a_checkpoint,
    change_the_head,
)


async def disarm(administrator: Administrator) -> None:
    for table in ("entry", "checkpoint", "tree_head"):
        await administrator.execute(f"alter table {table} disable trigger user")
    await administrator.execute("alter table entry drop constraint entry_sequence_check")


async def test_whatever_a_superuser_changes_is_named(
    log: Work, administrator: Administrator
) -> None:
    silent = []
    for case in range(CASES):
        random = Random(case)  # noqa: S311 - the same cases each time
        change = CHANGES[case % len(CHANGES)]
        transaction = administrator.transaction()
        await transaction.start()
        try:
            await disarm(administrator)
            what = await change(administrator, random)
            if not told(await verified(log, administrator)):
                silent.append(f"{case}: {change.__name__} {what}")
        finally:
            await transaction.rollback()
    assert silent == []
