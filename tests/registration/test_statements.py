"""Hot statements find their rows by an index, however many there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.registration.store.sql import SQL

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
ID, DIGEST = [uuid4()], [b"0" * 32]

HOT: dict[str, tuple[Any, ...]] = {
    "events_by_reference": (DIGEST,),
    "events_by_id": (ID,),
    "answered_references": (DIGEST,),
    "people_at_events": (ID, ID),
    "registrations_by_reference": (DIGEST,),
    "whereabouts": (DIGEST,),
    "events_of_registrations": (DIGEST,),
    "keep_counts": (ID, [1], [0], [0]),
    "change_registrations": (ID, ["{}"], [NOON]),
    "cancel_registrations": (ID, [NOON]),
    "move_up": (ID, [1], [None], [NOON]),
    "waiting_for_events": (DIGEST, 100),
    "take_waiting_for_events": (DIGEST, 100),
    "take_waiting_for_registrations": (DIGEST, 100),
    "any_waited_since": (NOON,),
    "take_expired": (NOON, 100),
    "events_to_end": (NOON, 10),
    "events_to_clear": (10,),
    "events_after": (uuid4(), 1000),
    "registrations_after": (uuid4(), 1000),
    "ready_events": (1,),
}

FILL = """
insert into event
select gen_random_uuid(), 's', n::text, sha256(n::text::bytea), 1, 1, 'ended', now(), '{}', null,
       0, 0, 0, now()
  from generate_series(1, 20000) n;
insert into registration
select gen_random_uuid(), 's', sha256(('r' || number)::bytea), gen_random_uuid(), id, 'registered',
       1, 'en', '{}', '[]', '[]', null, now(), now(), null, null
  from event;
insert into declined select reference, id, 'event_full', now() from event;
insert into waiting_message (topic, partition, request, source, awaits_event, sealed, waits_since)
select 't', 0, 'r', 's', sha256(reference), reference, now() from event;
insert into waiting_message
       (topic, partition, request, source, awaits_registration, registration, sealed, waits_since)
select 't', 0, 'r', 's', sha256(sha256(reference)), sha256(reference), reference, now() from event;
"""


@pytest.fixture
async def full(database: str) -> asyncpg.Connection[asyncpg.Record]:
    connection = await asyncpg.connect(database, server_settings={"search_path": "registration"})
    await connection.execute(FILL)
    await connection.execute("analyze event, registration, declined, waiting_message")
    return connection


async def test_no_hot_statement_reads_a_whole_table(
    full: asyncpg.Connection[asyncpg.Record],
) -> None:
    scanning = {}
    for name, arguments in HOT.items():
        lines = await full.fetch(f"explain {getattr(SQL, name).sql}", *arguments)
        plan = "\n".join(line[0] for line in lines)
        if "Seq Scan" in plan:
            scanning[name] = plan
    await full.close()
    assert not scanning, "\n\n".join(scanning.values())
