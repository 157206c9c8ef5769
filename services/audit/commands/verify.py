"""`steward audit verify`: is the log whole, and do all who have it have the same?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from services.audit.commands.keys import read_key
from services.audit.domain.notes import VerifierKey
from services.audit.domain.verification import Finding
from services.audit.handlers.identity import signing_key
from services.audit.handlers.verify import (
    Progress,
    Report,
    verify_announced,
    verify_database,
    verify_published,
)
from services.audit.handlers.verify_unsigned import UnsignedVerifier
from services.audit.handlers.witnesses import witnesses_of
from services.audit.settings import Settings
from services.audit.store.database_log import DatabaseLog
from services.audit.store.sources import PublishedLog, folder_log
from services.audit.store.topic_log import TopicLog, audit_records
from services.audit.store.web import Site, WebError
from shared.runtime.database import open_pool


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for: a folder, a URL, or else the database and all else."""

    folder: Path | None
    url: str | None
    public_key: str | None
    as_json: bool


def run_verify(request: Request) -> int:
    """Verify and tell; the exit code, 1 where anything is wrong."""
    if request.folder is not None and request.url is not None:
        raise typer.BadParameter("give one of both", param_hint="--from-folder/--url")
    began, report = time.monotonic(), Report()
    with progress_bar("verifying", quiet=request.as_json) as progress:
        try:
            asyncio.run(_verify(request, report, progress))
        except Exception:
            # What ended it is told too, and is no verdict on what was found before.
            _tell_findings(report, aside=request.as_json)
            raise
    _tell(report, time.monotonic() - began, as_json=request.as_json)
    return 1 if report.findings.count else 0


async def _verify(request: Request, report: Report, progress: Progress) -> None:
    if request.folder is None and request.url is None:
        await _verify_all(request, report, progress)
        return
    key = _key(request.public_key)
    with _published(request) as log:
        await verify_published(log, [key], report, progress)


@contextmanager
def _published(request: Request) -> Iterator[PublishedLog]:
    if request.url is not None:
        with closing(_site(request.url)) as site:
            yield PublishedLog(site.url, site.read, lambda: iter(()))
        return
    folder = request.folder or Path()
    if not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {folder}", param_hint="--from-folder")
    yield folder_log(folder)


def _site(url: str) -> Site:
    try:
        return Site(url)
    except WebError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None


def _key(given: str | None) -> VerifierKey:
    if given is not None:
        return read_key(given, "--public-key")
    return signing_key(Settings.load()).verifier()


async def _verify_all(request: Request, report: Report, progress: Progress) -> None:
    settings = Settings.load()
    keys = [_key(request.public_key), *(key for key, _ in witnesses_of(settings))]
    pool = await open_pool(settings, service="audit", max_size=2)
    try:
        topic = TopicLog(settings.cluster)
        if not await topic.begin():
            report.findings.add(Finding("topic", "checkpoints at its beginning were removed"))
        log = DatabaseLog(pool, report.findings)
        folder = folder_log(settings.published_folder)
        next_offset = await log.next_offset()
        await verify_database(log, folder, keys, report, progress)
        await verify_announced(log, topic.checkpoints(), keys, report, folder)
        unsigned = await log.unsigned(report.signed, report.size, next_offset)
        read = partial(audit_records, settings.cluster)
        await UnsignedVerifier(log, read, report.findings).run(unsigned)
    except KafkaError as error:
        raise ConnectionError("Kafka does not answer") from error
    finally:
        await pool.close()


@contextmanager
def progress_bar(what: str, *, quiet: bool) -> Iterator[Progress]:
    """A bar on standard error, of entries."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _tell(report: Report, seconds: float, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(_as_json(report)).decode())
        return
    _tell_findings(report)
    unsigned = report.size - max(report.signed, 0)
    typer.echo(
        f"{report.size:,} entries and {report.checkpoints:,} checkpoints in {seconds:.1f} s:"
        f" {'NOT WHOLE' if report.findings.count else 'whole'}"
        + (f"; the last {unsigned:,} entries are not signed yet" if unsigned > 0 else "")
    )


def _tell_findings(report: Report, *, aside: bool = False) -> None:
    """`aside`: a program reads standard output."""
    for finding in report.findings.told:
        typer.echo(str(finding), err=aside)
    untold = report.findings.count - len(report.findings.told)
    if untold:
        typer.echo(f"and {untold:,} more", err=aside)


def _as_json(report: Report) -> dict[str, object]:
    return {
        "whole": report.findings.count == 0,
        "entries": report.size,
        "signed": max(report.signed, 0),
        "root": report.root.hex(),
        "checkpoints": report.checkpoints,
        "count": report.findings.count,
        "findings": [
            {"where": one.where, "entry": one.entry, "checkpoint": one.size, "what": one.what}
            for one in report.findings.told
        ],
    }
