"""What the topic has and the log has not, for a reason that the database knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from services.audit.store.sql import SQL
from shared.contract.audit import TOPIC
from shared.runtime.database import Connection


async def set_aside(connection: Connection, offsets: Sequence[int]) -> frozenset[int]:
    """Offsets of the topic at which dead letters stand: of these, and of all that was given up."""
    dead = await SQL.dead_letters_at(connection, offsets=offsets)
    return frozenset((*dead, *_given_up(await SQL.discards(connection))))


def _given_up(bodies: Iterable[bytes]) -> Iterator[int]:
    """What was changed says nothing."""
    for body in bodies:
        try:
            data = orjson.loads(body)["data"]
            if data["letter_topic"] == TOPIC:
                yield int(data["letter_offset"])
        except (ValueError, KeyError, TypeError):
            continue
