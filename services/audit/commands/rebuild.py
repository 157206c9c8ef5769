"""`steward audit rebuild`: the log anew from its topic, if that gives what was published."""

from __future__ import annotations

import asyncio
from functools import partial

import typer
from aiokafka.errors import KafkaError

from services.audit.commands.verify import progress_bar
from services.audit.handlers.identity import signing_key
from services.audit.handlers.rebuild import RebuildError, Topics, rebuild
from services.audit.handlers.verify import Progress, Report
from services.audit.settings import Settings
from services.audit.store.sources import folder_log
from services.audit.store.topic_log import TopicLog, audit_records
from shared.local.administrator import NotAdministratorError, connected
from shared.runtime.clock import utc_now
from shared.runtime.confirming import confirm


def run_rebuild(*, confirmed: bool) -> int:
    """Make the log anew; the exit code, 1 where it stays as it was."""
    settings = Settings.load()
    typer.echo(
        "The log is emptied and filled again from the topic, in one transaction: readers and the"
        " service wait meanwhile. It is kept only if every published checkpoint is reached again.",
        err=True,
    )
    if not confirmed:
        confirm("Make the log anew?", err=True)
    report = Report()
    try:
        with progress_bar("rebuilding", quiet=False) as progress:
            asyncio.run(_rebuild(settings, report, progress))
    except RebuildError as error:
        for finding in report.findings.told:
            typer.echo(str(finding))
        typer.echo(f"{error}; the log is as it was", err=True)
        return 1
    except NotAdministratorError as error:
        typer.echo(f"{error}; the log is as it was", err=True)
        return 1
    except KafkaError:
        typer.echo("Kafka does not answer; the log is as it was", err=True)
        return 1
    typer.echo(f"{report.size:,} entries, root hash {report.root.hex()}: as it was published")
    return 0


async def _rebuild(settings: Settings, report: Report, progress: Progress) -> None:
    keys = [signing_key(settings).verifier()]
    cluster = settings.cluster
    topic, folder = TopicLog(cluster), folder_log(settings.published_folder)
    await topic.begin()
    topics = Topics(partial(audit_records, cluster), topic.checkpoints)
    # The administrator's: the service itself may take nothing out of its log.
    async with (
        connected(settings, schema="audit") as connection,
        connection.transaction(),
    ):
        await rebuild(connection, folder, topics, keys, report, utc_now(), progress)
