"""Inspects single entries and checkpoints: is what the database has what was signed and published?

Reads the published folder, so it blocks for some milliseconds. All of the log is verified by
`steward audit verify`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.columns import Row, fault_of
from services.audit.domain.growth import Refused, refuse_foreign_database
from services.audit.domain.merkle import leaf_hash
from services.audit.domain.notes import NoteError, Verified, VerifierKey, verify_note
from services.audit.domain.proofs import ProofError, root_hash, verify_consistency
from services.audit.domain.tiles import BundleError
from services.audit.domain.verification import Finding, Kept, read_checkpoint
from services.audit.handlers.prove import (
    ProveError,
    hashes_of,
    newest_checkpoint,
    prove_consistency,
    prove_entry,
)
from services.audit.store.console import KeptCheckpoint
from services.audit.store.folder import FolderError
from services.audit.store.sources import PublishedLog
from services.audit.store.tree import Progress

Standing = Literal["verified", "waiting", "wrong"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How something stands, and a sentence that says why."""

    standing: Standing
    says: str


@dataclass(frozen=True, slots=True)
class InspectedEntry:
    """The hash of an entry's leaf in the tree, and whether it is proven to be in it."""

    leaf: bytes
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class InspectedCheckpoint:
    """A checkpoint of the database, and whether it verifies."""

    kept: KeptCheckpoint
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """The newest published checkpoint where it verifies, and who has cosigned it when (POSIX)."""

    checkpoint: Checkpoint | None
    cosigned: tuple[Verified, ...]
    verdict: Verdict

    def cosigned_at(self, witness: VerifierKey) -> datetime | None:
        """When a witness has cosigned it; None where it has not."""
        times = (one.time for one in self.cosigned if one.key == witness)
        return next((datetime.fromtimestamp(time, UTC) for time in times if time is not None), None)


def inspect_head(log: PublishedLog, keys: Sequence[VerifierKey]) -> PublishedHead:
    """The newest published checkpoint. `keys`: the log's own first, then those of witnesses."""
    try:
        if log.newest() is None:
            return PublishedHead(None, (), Verdict("waiting", f"{log.where} has no checkpoint yet"))
        note, checkpoint = newest_checkpoint(log)
        read = read_checkpoint(Kept(note.encode()), keys, log.where)
        if isinstance(read, Finding):
            return PublishedHead(None, (), Verdict("wrong", f"newest checkpoint: {read.what}"))
        if root_hash(checkpoint.size, hashes_of(log, checkpoint.size)) != checkpoint.root:
            what = "the published hashes do not lead to the root of the newest checkpoint"
            return PublishedHead(None, (), Verdict("wrong", what))
        cosigned = tuple(one for one in verify_note(note, keys) if one.time is not None)
    except (ProveError, FolderError, NoteError, BundleError) as error:
        return PublishedHead(None, (), Verdict("wrong", str(error)))
    says = "signed by the log's key, and the published hashes lead to its root"
    return PublishedHead(checkpoint, cosigned, Verdict("verified", says))


def judge_head(announced: int, published: PublishedHead, progress: Progress) -> Verdict:
    """How the database stands to what is published.

    `announced`: the largest size whose checkpoint was in the outbox before the published one was
    read, -1 for none; it was in the folder by then. `progress`: read after that one.
    """
    size = -1 if published.checkpoint is None else published.checkpoint.size
    if size < announced and published.verdict.standing != "wrong":
        what = (
            f"the checkpoint of {announced:,} entries was announced, and is not published any more"
        )
        return Verdict("wrong", what)
    try:
        refuse_foreign_database(progress.head, published.checkpoint, progress.signed_root)
    except Refused as refused:
        return Verdict("wrong", str(refused))
    return published.verdict


def inspect_entry(row: Row, log: PublishedLog, keys: Sequence[VerifierKey]) -> InspectedEntry:
    """An entry of the database, held against the published tree."""
    return InspectedEntry(leaf_hash(row["body"]), _verdict_on(row, log, keys))


def _verdict_on(row: Row, log: PublishedLog, keys: Sequence[VerifierKey]) -> Verdict:
    if what := fault_of(row):
        return Verdict("wrong", what)
    head = inspect_head(log, keys)
    if head.checkpoint is None:
        return head.verdict
    sequence: int = row["sequence"]
    if sequence >= head.checkpoint.size:
        return Verdict("waiting", "under no published checkpoint yet: that takes some ten seconds")
    try:
        size = prove_entry(log, sequence).verify_entry(row["body"]).size
    except (ProveError, ProofError, FolderError) as error:
        return Verdict("wrong", f"not what was signed: {error}")
    return Verdict("verified", f"proven to be in the tree of the checkpoint of {size:,} entries")


def inspect_checkpoints(
    kept: Sequence[KeptCheckpoint],
    head: PublishedHead,
    log: PublishedLog,
    keys: Sequence[VerifierKey],
) -> list[InspectedCheckpoint]:
    """Checkpoints of the database, each held against the published one and against the newest.

    Raises FolderError.
    """
    return [InspectedCheckpoint(one, _verdict_of(one, head, log, keys)) for one in kept]


def _verdict_of(
    kept: KeptCheckpoint, head: PublishedHead, log: PublishedLog, keys: Sequence[VerifierKey]
) -> Verdict:
    read = read_checkpoint(Kept(kept.note, kept.size, kept.root), keys, "database")
    if isinstance(read, Finding):
        return Verdict("wrong", read.what)
    if head.checkpoint is None:
        return Verdict(head.verdict.standing, f"signed; {head.verdict.says}")
    if kept.size > head.checkpoint.size:
        return Verdict("waiting", "signed, not published yet: that takes some seconds")
    if log.checkpoint_of(kept.size) != kept.note:
        return Verdict("wrong", "the published folder has another one, or none, of this size")
    return _consistent(read, head.checkpoint, log)


def _consistent(one: Checkpoint, newest: Checkpoint, log: PublishedLog) -> Verdict:
    try:
        proof = prove_consistency(log, one.size, newest.size)
        verify_consistency(one.size, newest.size, one.root, newest.root, proof)
    except ProveError as error:
        return Verdict("wrong", str(error))
    except ProofError as error:
        return Verdict("wrong", f"it is not the beginning of the newest one: {error}")
    if one.size == newest.size:
        return Verdict("verified", "signed, published, the newest")
    return Verdict("verified", "signed, published, and the beginning of the newest")
