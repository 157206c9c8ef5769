"""Where marks are looked for. One name for each kind of place, as the report has it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg

from shared.contract.topics import TOPICS
from tests.canary.kafka_files import compressed_batches
from tests.canary.stack import Stack
from tests.canary.survey import May, Survey, files_below, nowhere
from tests.canary.tables import search_sessions, search_tables
from tests.canary.wal_files import look_at_wal

SEGMENTS: Final = "Kafka: segments and other files"
COMPRESSED: Final = "Kafka: compressed batches, opened"
INBOUND: Final = "Kafka: segments of inbound topics"
FILES: Final = "PostgreSQL: data files"
WAL: Final = "PostgreSQL: write-ahead log"
TABLES: Final = "PostgreSQL: every column of every table"
SESSIONS: Final = "PostgreSQL: statements of sessions"
LOGS: Final = "logs of all processes"
TEMPORARY: Final = "temporary files"
HOME: Final = "other files of the system"
ARGUMENTS: Final = "arguments and environments of processes"
STRAY_FILES: Final = "files that processes write elsewhere"
METRICS: Final = "metrics"
TRACES: Final = "traces"
PAGES: Final = "pages and error pages"
OUTPUTS: Final = "outputs of commands"
LISTS: Final = "lists for recipients"

_INBOUND_TOPICS: Final = tuple(f"{topic.name}-" for topic in TOPICS if topic.inbound)


async def search_at_rest(stack: Stack, survey: Survey, inbound: May) -> None:
    """Search all that is on disk, all that Postgres gives, and all spans that were sent. `inbound`:
    whose marks may be in segments of inbound topics.
    """
    # A checkpoint removes what of the WAL is not needed any more.
    look_at_wal(survey, WAL, stack.postgres_folder / "pg_wal")
    connection = await asyncpg.connect(stack.system.database_url)
    try:
        await connection.execute("checkpoint")
        await search_tables(connection, survey, TABLES)
        await search_sessions(connection, survey, SESSIONS)
    finally:
        await connection.close()
    survey.look(TRACES, "spans", stack.collector.bodies)
    await asyncio.to_thread(search_files, stack, survey, inbound)


def search_files(stack: Stack, survey: Survey, inbound: May) -> None:
    """Every file of the system."""
    data = stack.postgres_folder
    look_at_wal(survey, WAL, data / "pg_wal")
    survey.look_below(FILES, data, without={data / "pg_wal"})
    kafka = stack.folder / "kafka"
    for file in sorted(files_below(kafka)):
        may = inbound if _is_inbound(file) else nowhere
        name = str(file.relative_to(kafka))
        survey.look_at_file(INBOUND if _is_inbound(file) else SEGMENTS, file, name, may)
        if file.suffix == ".log" and file.parent.parent.name == "data":
            for opened in compressed_batches(file):
                survey.look(COMPRESSED, name, [opened], may)
    logs, temporary = stack.folder / "logs", stack.folder / "tmp"
    survey.look_below(LOGS, logs)
    survey.look_below(TEMPORARY, temporary)
    survey.look_below(HOME, stack.folder, without={logs, temporary, kafka, data})


def _is_inbound(file: Path) -> bool:
    return file.parent.name.startswith(_INBOUND_TOPICS)


def segments_of_inbound(stack: Stack) -> Iterator[Path]:
    """Files that hold, or held a moment ago, what upstream sent."""
    return (file for file in files_below(stack.folder / "kafka") if _is_inbound(file))
