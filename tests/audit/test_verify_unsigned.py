"""What no checkpoint is over is held against the topic, after a superuser made the head fit too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any, TypeAlias

import asyncpg
import pytest

from services.audit.domain.merkle import Frontier, leaf_hashes
from services.audit.domain.verification import Findings
from services.audit.handlers.verify_unsigned import UnsignedVerifier
from services.audit.store.database_log import DatabaseLog, OneConnection
from shared.contract.audit import DataDisclosed, DeadLetterDiscarded
from shared.contract.message import Message, Record
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to, publish_all
from tests.support.records import MadeRecord
from tests.support.work import Work

Administrator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SIGNED, SIZE = 20, 30
LAST = SIZE - 1
PLACES = (SIGNED, 25, LAST)


class Topic:
    """The topic `audit`, as this test has it."""

    def __init__(self, messages: Sequence[Message[Any]]) -> None:
        self.records: list[Record] = [message.record for message in messages]

    async def read(self, begin: int, end: int) -> AsyncIterator[Sequence[Record]]:
        found = [record for record in self.records if begin <= record.offset < end]
        for at in range(0, len(found), 4):
            yield found[at : at + 4]


@pytest.fixture
async def topic(work: Work) -> Topic:
    """What was said to a log of which the last entries are not signed."""
    facts = Facts()
    messages = [facts.message(make_entry(DataDisclosed)) for _ in range(SIZE)]
    await work.do(appending_to(work), messages[:SIGNED])
    await publish_all(work)
    await work.do(appending_to(work), messages[SIGNED:])
    return Topic(messages)


async def told(at: Administrator, topic: Topic, *, next_offset: int = SIZE) -> list[str]:
    findings = Findings()
    log = DatabaseLog(OneConnection(at), findings)
    size = (await log.claimed()).size
    unsigned = await log.unsigned(SIGNED, size, next_offset)
    await UnsignedVerifier(log, topic.read, findings).run(unsigned)
    return [str(finding) for finding in findings.told]


async def change(at: Administrator, statement: str, *values: object) -> None:
    """As a superuser who knows how the head is made."""
    await at.execute("alter table entry disable trigger user")
    await at.execute("alter table tree_head disable trigger user")
    await at.execute("alter table entry drop constraint entry_sequence_check")
    await at.execute(statement, *values)
    await at.execute(
        "update entry set sequence = -1 - place from"
        " (select id, row_number() over (order by sequence) - 1 as place from entry) as numbered"
        " where entry.id = numbered.id"
    )
    await at.execute("update entry set sequence = -1 - sequence")
    bodies = await at.fetchval("select array(select body from entry order by sequence)")
    tree = Frontier().extended(leaf_hashes(bodies))
    await at.execute(
        "update tree_head set size = $1, hashed = $1, frontier = $2", tree.size, list(tree.roots)
    )


async def test_what_both_have_agrees(topic: Topic, administrator: Administrator) -> None:
    assert await told(administrator, topic) == []


async def test_a_log_without_entries_agrees(work: Work, administrator: Administrator) -> None:
    await publish_all(work)
    log = DatabaseLog(OneConnection(administrator), Findings())
    unsigned = await log.unsigned(0, 0, 0)
    assert (unsigned.first, unsigned.begin, unsigned.end) == (0, 0, 0)
    assert await told(administrator, Topic([]), next_offset=0) == []


MISSING = "topic audit: the database does not have the entry at offset"
ANOTHER = "update entry set body = body || ' ' where sequence = $1"
REMOVED = "delete from entry where sequence = $1"
MOVED = "update entry set sequence = 1000 where sequence = $1"
INVENTED = (
    "insert into entry (sequence, id, topic_offset, type, at, actor, body)"
    " select 1000, gen_random_uuid(), $1, type, at, actor, body from entry where sequence = 0"
)
AWAY = "update entry set topic_offset = 500 where sequence = $1"
CHANGES = [
    *((ANOTHER, n, f"database: entry {n}: it has other bytes than the topic") for n in PLACES),
    *(
        (REMOVED, n, f"topic audit: the database does not have the entry at offset {n}")
        for n in PLACES
    ),
    (MOVED, 22, "database: entry 28: it does not stand where it stands in the topic"),
    (INVENTED, SIZE, f"database: entry {SIZE}: the topic does not have it at offset {SIZE}"),
    (AWAY, SIGNED - 1, f"database: entry {SIGNED - 1}: the topic does not have it at offset 500"),
]


async def test_whatever_is_changed_behind_the_last_checkpoint_is_named(
    topic: Topic, administrator: Administrator
) -> None:
    for statement, place, due in CHANGES:
        transaction = administrator.transaction()
        await transaction.start()
        await change(administrator, statement, place)
        assert any(one.startswith(due) for one in await told(administrator, topic)), statement
        await transaction.rollback()


async def test_what_is_a_dead_letter_or_was_given_up_is_not_missed(
    work: Work, topic: Topic, administrator: Administrator
) -> None:
    facts = Facts(count(SIZE))
    dead, given_up = (facts.message(make_entry(DataDisclosed)) for _ in range(2))
    said = make_entry(
        DeadLetterDiscarded,
        letter_topic="audit",
        letter_partition=0,
        letter_offset=given_up.record.offset,
    )
    discarded = facts.message(said)
    topic.records += [message.record for message in (dead, given_up, discarded)]
    missed = [f"{MISSING} {SIZE}", f"{MISSING} {SIZE + 1}"]
    assert await told(administrator, topic, next_offset=SIZE + 2) == missed
    await work.do(appending_to(work), [discarded])
    await administrator.execute(
        "insert into dead_letter (topic, partition, record_offset, status, holds_key, reason,"
        " detail, sealed, taken_at) values ('audit', 0, $1, 'dead', false, '', '', '', now())",
        dead.record.offset,
    )
    assert await told(administrator, topic) == []


async def test_what_says_that_something_was_given_up_excuses_nothing_once_it_was_changed(
    work: Work, topic: Topic, administrator: Administrator
) -> None:
    """Nor does it keep what else is found from being told."""
    facts = Facts(count(SIZE))
    given_up = facts.message(make_entry(DataDisclosed))
    said = make_entry(
        DeadLetterDiscarded,
        letter_topic="audit",
        letter_partition=0,
        letter_offset=given_up.record.offset,
    )
    discarded = facts.message(said)
    topic.records += [given_up.record, discarded.record]
    await work.do(appending_to(work), [discarded])
    await change(
        administrator, "update entry set body = $1 where type = $2", b"\xff", said.message_type
    )
    found = await told(administrator, topic)
    assert f"{MISSING} {SIZE}" in found


async def test_what_was_said_twice_or_redriven_is_where_it_may_be(
    work: Work, administrator: Administrator
) -> None:
    facts = Facts()
    messages = [facts.message(make_entry(DataDisclosed)) for _ in range(SIZE)]
    late, twice = messages[5], messages[SIGNED]
    await work.do(appending_to(work), [*messages[:5], *messages[6 : SIGNED + 1]])
    await publish_all(work)
    await work.do(appending_to(work), messages[SIGNED + 1 :])
    await work.do(appending_to(work), [late])
    topic = Topic(messages)
    topic.records.append(MadeRecord(twice.record.value, twice.record.headers, offset=SIZE))
    assert await told(administrator, topic, next_offset=SIZE + 1) == []
    topic.records[5] = Facts(count(5)).message(make_entry(DataDisclosed)).record
    due = f"database: entry {LAST}: the topic does not have it at offset 5"
    assert await told(administrator, topic, next_offset=SIZE + 1) == [due]
