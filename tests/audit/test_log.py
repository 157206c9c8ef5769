"""The log on a real Postgres: order, no gaps, nothing twice, nothing ever changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.audit.domain.entries import EntryFilter
from services.audit.handlers import read
from services.audit.handlers.read import (
    Page,
    Reach,
    history_of,
    reach_of,
    read_entries,
    read_pages,
    survey,
)
from services.audit.store.console import Period, disclosures_per_day, disclosures_to
from shared.contract import audit
from shared.contract.audit import DataDisclosed, DisclosureDelivered, DisclosureRefused
from shared.contract.message import Message
from shared.messaging.unit_of_work import Transaction
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts, with_header
from tests.support.log import appending_to
from tests.support.work import Work


async def sequences(work: Work) -> list[tuple[int, int]]:
    rows = await work.rows("select sequence, topic_offset from entry order by sequence")
    return [(row["sequence"], row["topic_offset"]) for row in rows]


async def test_entries_are_in_the_order_of_the_topic_without_a_gap(work: Work) -> None:
    facts = Facts()
    kinds: list[type[audit.Entry]] = [
        DataDisclosed,
        DisclosureDelivered,
        DisclosureRefused,
        DataDisclosed,
    ]
    messages = [facts.message(make_entry(kind)) for kind in kinds * 70]
    shuffled = messages[:100]
    shuffled.reverse()
    await work.do(appending_to(work), shuffled)
    await work.do(appending_to(work), messages[100:])
    assert await sequences(work) == [(place, place) for place in range(len(messages))]
    assert await work.value("select size from tree_head") == len(messages)


async def test_an_entry_that_comes_again_is_not_appended_again(work: Work) -> None:
    facts = Facts()
    entry, entry_id = make_entry(DataDisclosed), uuid4()
    other = facts.message(make_entry(DataDisclosed))
    once, again = (facts.message(entry, id=entry_id) for _ in range(2))
    await work.do(appending_to(work), [other, once, again])
    await work.do(appending_to(work), [again, other])
    assert await sequences(work) == [(0, 0), (1, 1)]


async def test_writers_at_one_time_leave_no_gap_and_no_double(work: Work) -> None:
    facts = Facts()
    messages = [facts.message(make_entry(DataDisclosed)) for _ in range(60)]
    batches = [messages[start : start + 30] for start in (0, 10, 20, 30)]
    await asyncio.gather(*(work.do(appending_to(work), batch) for batch in batches))
    assert [sequence for sequence, _ in await sequences(work)] == list(range(60))
    assert await work.value("select size from tree_head") == 60


async def test_what_is_rolled_back_leaves_no_gap(work: Work) -> None:
    facts = Facts()

    async def append_and_fail(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        await appending_to(work)(tx, messages)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await work.do(append_and_fail, [facts.message(make_entry(DataDisclosed))])
    await work.do(appending_to(work), [facts.message(make_entry(DataDisclosed))])
    assert await sequences(work) == [(0, 1)]


async def test_an_entry_without_a_uuid_is_a_dead_letter_and_the_others_stay(work: Work) -> None:
    facts = Facts()
    good = facts.message(make_entry(DataDisclosed))
    bad = with_header(facts.message(make_entry(DataDisclosed)), "ce_id", b"maija@example.org")
    effect = await work.do(appending_to(work), [bad, good])
    assert effect.at_fault == ["envelope_invalid"]
    assert await sequences(work) == [(0, 0)]


async def test_not_even_a_superuser_changes_the_log(
    work: Work, administrator: asyncpg.Connection[asyncpg.Record]
) -> None:
    await work.do(appending_to(work), [Facts().message(make_entry(DataDisclosed))])
    assert await administrator.fetchval("select rolsuper from pg_roles where rolname = user")
    for role in ("origin", "replica"):
        await administrator.execute(f"set session_replication_role = {role}")
        for statement in (
            "update entry set actor = 'nobody'",
            "update entry set actor = actor where false",
            "delete from entry",
            "truncate entry",
        ):
            with pytest.raises(asyncpg.PostgresError, match="append only"):
                await administrator.execute(statement)
    assert await sequences(work) == [(0, 0)]


async def test_the_service_itself_may_only_read_and_append(work: Work) -> None:
    for statement in (
        "update entry set actor = 'nobody'",
        "delete from entry",
        "truncate entry",
        "alter table entry disable trigger all",
        "drop table entry",
        "delete from tree_head",
        "insert into tree_head (size) values (0)",
        "update tree_head set size = size",
        "update tree_head set hashed = hashed, frontier = frontier",
        "select from tree_head for update",
        "update checkpoint set note = note",
        "delete from checkpoint",
        "truncate checkpoint",
        "delete from announced",
        "insert into announced (size) values (0)",
        "alter function grow_tree owner to current_user",
        # Partitions, and whatever else is made or removed, are their owner's.
        "create table entry_2026 (like entry)",
        (
            "create table inbox_20260101 partition of inbox"
            " for values from ('2026-01-01') to ('2026-01-02')"
        ),
        "drop table inbox_default",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
            await work.rows(statement)
        # By privilege, before any trigger has a say.
        assert "append only" not in str(refused.value)


async def test_the_head_only_moves_forward_over_entries_that_are_there(
    work: Work, administrator: asyncpg.Connection[asyncpg.Record]
) -> None:
    facts = Facts()
    await work.do(appending_to(work), [facts.message(make_entry(DataDisclosed)) for _ in range(3)])
    root = b"x" * 32
    for before, after, hashed, roots in (
        (3, 4, 4, [root]),  # an entry is missing
        (2, 3, 3, [root, root]),  # not where it is
        (3, 2, 2, [root]),  # back
        (3, 3, 2, [root]),  # a smaller tree
        (3, 3, 4, [root]),  # a tree of more than there is
        (3, 3, 3, [root]),  # roots that cannot be
    ):
        with pytest.raises(asyncpg.PostgresError):
            await work.rows("select grow_tree($1, $2, $3, $4)", before, after, hashed, roots)
    for statement in (
        "update tree_head set size = 2, hashed = 2, frontier = frontier[:1]",
        "delete from tree_head",
        "truncate tree_head",
    ):
        with pytest.raises(asyncpg.PostgresError, match=r"only grows|append only"):
            await administrator.execute(statement)
    head = (await work.rows("select size, hashed from tree_head"))[0]
    assert (head["size"], head["hashed"]) == (3, 3)


async def test_an_entry_that_comes_again_with_another_body_is_a_dead_letter(work: Work) -> None:
    facts, entry_id = Facts(), uuid4()
    await work.do(appending_to(work), [facts.message(make_entry(DataDisclosed), id=entry_id)])
    other = facts.message(make_entry(DataDisclosed), id=entry_id)
    effect = await work.do(appending_to(work), [other])
    assert effect.at_fault == ["identity_reused"]
    assert await sequences(work) == [(0, 0)]


async def test_what_is_signed_is_on_disk_when_the_commit_returns(work: Work) -> None:
    async def append_and_ask(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        await tx.connection.execute("set local synchronous_commit = off")
        await appending_to(work)(tx, messages)
        assert await tx.connection.fetchval("show synchronous_commit") == "on"

    await work.do(append_and_ask, [Facts().message(make_entry(DataDisclosed))])


async def found(work: Work, asked: EntryFilter, after: int = -1) -> list[int]:
    return [
        entry.sequence
        async for page in read_entries(work.parts.pool, asked, after=after)
        for entry in page
    ]


@pytest.mark.parametrize("window", [2, 100])
async def test_filters_hold_all_together_and_pages_go_on_where_the_last_ended(
    work: Work, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(read, "PAGE_SIZE", 3)
    monkeypatch.setattr(read, "WINDOW", window)
    facts = Facts()
    subject, other, event = uuid4(), uuid4(), uuid4()
    entries = [
        make_entry(
            DisclosureRefused if place == 10 else DataDisclosed,
            at=NOON + timedelta(minutes=place),
            recipient="hotel" if place % 2 else "caterer",
            purpose="travel" if place == 9 else "event-catering",
            categories=["contact"] if place in {1, 7} else ["contact", "diet"],
            actor="cli:maija" if place < 2 else "cli:matti",
            subject_id=subject if place < 8 else (other if place == 9 else uuid4()),
            event_id=event if place > 3 else None,
        )
        for place in range(12)
    ]
    await work.do(appending_to(work), [facts.message(entry) for entry in entries])
    assert await found(work, EntryFilter()) == list(range(12))
    assert await found(work, EntryFilter(), after=4) == [5, 6, 7, 8, 9, 10, 11]
    assert await found(work, EntryFilter(), after=11) == []
    for asked, places in (
        (EntryFilter(recipient="hotel"), [1, 3, 5, 7, 9, 11]),
        (EntryFilter(recipient="nobody"), []),
        (EntryFilter(purpose="travel"), [9]),
        (EntryFilter(category="diet"), [0, 2, 3, 4, 5, 6, 8, 9, 10, 11]),
        (EntryFilter(type="DisclosureRefused"), [10]),
        (EntryFilter(actor="cli:maija"), [0, 1]),
        (EntryFilter(subject_ids=(subject, other), recipient="hotel"), [1, 3, 5, 7, 9]),
        (EntryFilter(subject_ids=(subject,), event_id=event), [4, 5, 6, 7]),
        (EntryFilter(subject_ids=()), []),
        (EntryFilter(since=NOON + timedelta(minutes=9)), [9, 10, 11]),
        (EntryFilter(until=NOON + timedelta(minutes=2)), [0, 1]),
        (
            EntryFilter(since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=5)),
            [2, 3, 4],
        ),
    ):
        assert await found(work, asked) == places
        counted = await survey(work.parts.pool, asked)
        assert counted.total == len(places)
        assert (counted.first, counted.last) == (
            (places[0], places[-1]) if places else (None, None)
        )
    by_type = (await survey(work.parts.pool, EntryFilter(), after=8)).by_type
    assert by_type == {"DataDisclosed": 2, "DisclosureRefused": 1}


async def test_a_page_says_how_far_the_log_was_looked_through(work: Work) -> None:
    facts = Facts()
    await work.do(appending_to(work), [facts.message(make_entry(DataDisclosed)) for _ in range(5)])
    nothing = EntryFilter(recipient="nobody")
    reach = await reach_of(work.parts.pool, nothing)
    assert [page async for page in read_pages(work.parts.pool, nothing, reach)] == [Page([], 4)]


async def test_a_span_of_time_is_looked_for_only_where_it_lies(work: Work) -> None:
    facts = Facts()
    minutes = (0, 1, 3, 2, 4)
    entries = [make_entry(DataDisclosed, at=NOON + timedelta(minutes=one)) for one in minutes]
    await work.do(appending_to(work), [facts.message(entry) for entry in entries])
    pool = work.parts.pool
    span = EntryFilter(since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=4))
    assert await reach_of(pool, span) == Reach(after=1, before=4, size=5)
    assert await reach_of(pool, span, after=2) == Reach(after=2, before=4, size=5)
    assert await reach_of(pool, span, after=3) == Reach(after=4, before=5, size=5)
    pages = read_pages(pool, span, await reach_of(pool, span))
    (page,) = [page async for page in pages]
    assert ([entry.sequence for entry in page.entries], page.through) == ([2, 3], 4)


async def test_each_day_is_counted_with_all_who_got_data_authorities_too(work: Work) -> None:
    call = uuid4()
    asked = {"recipient": "police", "law": "Police Act", "request_reference": "A-1"}
    entries = [
        make_entry(DataDisclosed, recipient="hotel"),
        make_entry(audit.DisclosureRefused, recipient="hotel"),
        make_entry(audit.DataDisclosedToAuthority, disclosure_id=call, **asked),
        make_entry(DisclosureDelivered, disclosure_id=call, recipient="police"),
    ]
    await work.do(appending_to(work), [Facts().message(entry) for entry in entries])
    period = Period(NOON, NOON + timedelta(days=1), "UTC")
    async with work.parts.pool.acquire() as connection:
        days = await disclosures_per_day(connection, period)
        (found,) = await disclosures_to(connection, "police", period, before=9, most=9)
    assert sorted(days) == [(NOON.date(), "hotel", 1, 1, 0), (NOON.date(), "police", 1, 0, 0)]
    assert (found.disclosure_id, found.released, found.refused) == (call, 1, 0)


async def test_whoever_was_withheld_before_it_left_is_counted_apart(work: Work) -> None:
    call, in_time, too_late = (uuid4() for _ in range(3))
    disclosed = [
        make_entry(DataDisclosed, disclosure_id=call, subject_id=subject)
        for subject in (in_time, too_late, uuid4(), uuid4())
    ]
    withheld = [
        make_entry(
            audit.DisclosureWithheld,
            at=NOON + timedelta(days=2),
            disclosure_id=call,
            subject_id=subject,
            may_have_reached=subject == too_late,
        )
        for subject in (in_time, too_late)
    ]
    refused = make_entry(audit.DisclosureRefused, disclosure_id=call)
    entries = [*disclosed, refused, *withheld]
    await work.do(appending_to(work), [Facts().message(entry) for entry in entries])
    period = Period(NOON, NOON + timedelta(days=1), "UTC")
    async with work.parts.pool.acquire() as connection:
        (day,) = await disclosures_per_day(connection, period)
        (same,) = await disclosures_per_day(connection, period, "caterer")
        (found,) = await disclosures_to(connection, "caterer", period, before=9, most=9)
    assert day == same == (NOON.date(), "caterer", 3, 1, 1)
    assert (found.released, found.refused, found.withheld, found.unsure) == (3, 1, 1, 1)


async def test_a_history_is_of_one_person_with_what_became_of_it(work: Work) -> None:
    facts = Facts()
    subject, disclosure = uuid4(), uuid4()
    entries = [
        make_entry(DataDisclosed, subject_id=subject, disclosure_id=disclosure),
        make_entry(DataDisclosed, disclosure_id=disclosure),
        make_entry(audit.DisclosureFailed, disclosure_id=disclosure, reason="unreachable"),
        make_entry(DisclosureDelivered, disclosure_id=disclosure, people=2),
    ]
    await work.do(appending_to(work), [facts.message(entry) for entry in entries])
    async with work.parts.pool.acquire() as connection:
        told = await history_of(connection, [subject], readings_since=NOON)
        nobody = await history_of(connection, [uuid4()], readings_since=NOON)
    assert nobody is None
    assert told is not None
    ((only,), accesses) = told.disclosures, told.accesses
    assert (only.outcome, only.disclosure_id, accesses) == ("delivered", disclosure, ())
