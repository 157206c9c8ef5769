"""`steward audit export`: entries of a span as JSON lines, with the checkpoint and proofs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

import orjson
import typer

from services.audit.commands.spans import span
from services.audit.commands.verify import progress_bar
from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.entries import EntryFilter, StoredEntry
from services.audit.domain.merkle import leaf_hash
from services.audit.domain.proofs import HashOf, ProofError, inclusion_proof, verify_inclusion
from services.audit.domain.tiles import BundleError
from services.audit.handlers.prove import ProveError, hashes_of, newest_checkpoint
from services.audit.handlers.read import read_entries, survey
from services.audit.handlers.verify import Progress
from services.audit.settings import Settings
from services.audit.store.folder import FolderError
from services.audit.store.sources import folder_log
from shared.privacy.in_force import InForce
from shared.runtime.database import open_pool

ENTRIES: Final = "entries.jsonl"
PROOFS: Final = "proofs.jsonl"
CHECKPOINT: Final = "checkpoint"


def run_export(folder: Path, since: str | None, until: str | None) -> int:
    """Export; the exit code."""
    settings = Settings.load()
    span(since, until, UTC)  # what is no date is refused before anything is made
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            typer.echo(f"{folder} is not empty: name a new folder", err=True)
            return 1
        with progress_bar("exporting", quiet=False) as progress:
            many = asyncio.run(_export(settings, (since, until), folder, progress))
    except (ProveError, FolderError) as error:
        typer.echo(str(error), err=True)
        return 1
    except OSError as error:
        typer.echo(f"{folder} cannot be written: {error.strerror}", err=True)
        return 1
    if not many:
        typer.echo("nothing is recorded of that span, or nothing of it is published yet", err=True)
        return 1
    typer.echo(f"{many:,} entries with their proofs are in {folder}", err=True)
    return 0


async def _export(
    settings: Settings, written: tuple[str | None, str | None], folder: Path, progress: Progress
) -> int:
    log = folder_log(settings.published_folder)
    note, checkpoint = newest_checkpoint(log)
    hash_of = hashes_of(log, checkpoint.size)
    pool = await open_pool(settings, service="audit", max_size=1)
    many = 0
    try:
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            plan = (await InForce.open(connection)).plan
        begins, ends = span(*written, ZoneInfo(plan.organisation.time_zone))
        asked = EntryFilter(since=begins, until=ends)
        total = (await survey(pool, asked)).total
        with (folder / ENTRIES).open("wb") as entries, (folder / PROOFS).open("wb") as proofs:
            async for page in read_entries(pool, asked):
                signed = [entry for entry in page if entry.sequence < checkpoint.size]
                _write(signed, checkpoint, hash_of, entries, proofs)
                many += len(signed)
                progress(many, total)
                if len(signed) < len(page):
                    break
    finally:
        await pool.close()
    if many:
        # The last: what broke off before leads to nothing, and cannot be taken for all of the span.
        (folder / CHECKPOINT).write_bytes(note.encode())
    else:
        for name in (ENTRIES, PROOFS):
            (folder / name).unlink()
    return many


def _write(
    page: Sequence[StoredEntry],
    checkpoint: Checkpoint,
    hash_of: HashOf,
    entries: BinaryIO,
    proofs: BinaryIO,
) -> None:
    """Raises ProveError, also where the database has another entry than was published."""
    size, root = checkpoint.size, checkpoint.root
    for entry in page:
        entries.write(entry.body + b"\n")
        try:
            hashes = inclusion_proof(entry.sequence, size, hash_of)
            verify_inclusion(entry.sequence, size, leaf_hash(entry.body), hashes, root)
        except BundleError as error:
            raise ProveError(f"the published log is damaged ({error})") from None
        except ProofError:
            raise ProveError(
                f"entry {entry.sequence} of the database is not what was published: see"
                " `steward audit verify`"
            ) from None
        proof = {"index": entry.sequence, "hashes": [base64.b64encode(one) for one in hashes]}
        proofs.write(orjson.dumps(proof, default=bytes.decode) + b"\n")
