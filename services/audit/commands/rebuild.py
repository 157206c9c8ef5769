"""`steward audit rebuild`: the log anew from its topic, if that gives what was published."""

from __future__ import annotations

import asyncio

import asyncpg
import typer
from aiokafka.errors import KafkaError

from services.audit.commands.verify import progress_bar
from services.audit.handlers.identity import signing_key
from services.audit.handlers.rebuild import (
    Order,
    Rebuild,
    RebuildError,
    gather_checkpoints,
    published_ids,
)
from services.audit.handlers.verify import (
    Progress,
    Report,
    newest_of,
    verify_announced,
    verify_database,
)
from services.audit.settings import Settings
from services.audit.store.database_log import DatabaseLog, OneConnection
from services.audit.store.sources import folder_log
from services.audit.store.sql import SQL
from services.audit.store.topic_log import TopicLog, audit_records
from shared.runtime.clock import utc_now


class NotTheSameError(Exception):
    """What the topic gives is not what was published: nothing is kept of it."""


def run_rebuild(*, confirmed: bool) -> int:
    """Make the log anew; the exit code, 1 where it stays as it was."""
    settings = Settings.load()
    typer.echo(
        "The log is emptied and filled again from the topic, in one transaction: readers and the"
        " service wait meanwhile. It is kept only if every published checkpoint is reached again.",
        err=True,
    )
    if not confirmed:
        typer.confirm("Make the log anew?", abort=True, err=True)
    report = Report()
    try:
        with progress_bar("rebuilding", quiet=False) as progress:
            asyncio.run(_rebuild(settings, report, progress))
    except (NotTheSameError, RebuildError) as error:
        for finding in report.findings.told:
            typer.echo(str(finding))
        typer.echo(f"{error}; the log is as it was", err=True)
        return 1
    except KafkaError:
        typer.echo("Kafka does not answer; the log is as it was", err=True)
        return 1
    typer.echo(f"{report.size:,} entries, root hash {report.root.hex()}: as it was published")
    return 0


async def _rebuild(settings: Settings, report: Report, progress: Progress) -> None:
    keys = [signing_key(settings).verifier()]
    servers = settings.kafka_bootstrap_servers
    topic, folder = TopicLog(servers), folder_log(settings.published_folder)
    await topic.begin()
    # The administrator's: the service may not take anything out of its log, nor may its owner.
    connection = await asyncpg.connect(
        settings.database_url, server_settings={"search_path": "audit"}
    )
    try:
        async with connection.transaction():
            await SQL.empty_log(connection)
            size = await gather_checkpoints(
                connection, folder, topic.checkpoints(), keys, report, utc_now()
            )
            newest = newest_of(folder, keys, Report())
            order = Order(published_ids(folder, 0 if newest is None else newest.size))
            await Rebuild(connection, size, order, progress).run(audit_records(servers))
            await SQL.restore_checkpoints(connection)
            await SQL.close_log(connection)
            log = DatabaseLog(OneConnection(connection), report.findings)
            await verify_database(log, folder, keys, report, progress)
            await verify_announced(log, topic.checkpoints(), keys, report, folder)
            if report.findings.count:
                raise NotTheSameError("what the topic gives is not what was published")
    finally:
        await connection.close()
