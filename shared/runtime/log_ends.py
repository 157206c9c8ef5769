"""Where logs end, and whether a service has read up to there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from shared.runtime.database import Connection, queries

LogEnds: TypeAlias = Mapping[str, Mapping[int, int]]
"""By topic and partition, where the log ended at some moment: what stands before it was said."""

_sql = queries("log_ends.sql", __file__)


async def has_read(connection: Connection, log_ends: LogEnds) -> bool:
    """Whether the service of the connection has read these logs up to there."""
    logs = [(topic, part, end) for topic, ends in log_ends.items() for part, end in ends.items()]
    read: bool = await _sql.has_read(
        connection,
        topics=[topic for topic, _, _ in logs],
        partitions=[part for _, part, _ in logs],
        ends=[end for _, _, end in logs],
    )
    return read
