"""Proofs out of the published log: tiles are all that they need, whatever its size."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from services.audit.domain.checkpoints import Checkpoint, CheckpointError, parse_checkpoint
from services.audit.domain.merkle import HASH_SIZE
from services.audit.domain.notes import Note, NoteError, parse_note
from services.audit.domain.proof_files import InclusionProof
from services.audit.domain.proofs import HashOf, consistency_proof, inclusion_proof
from services.audit.domain.tiles import (
    WIDTH,
    Bundle,
    BundleError,
    Tile,
    decode_bundle,
    hashes_from,
)
from services.audit.store.sources import PublishedLog

TILES_AT_ONCE: Final = 64
"""That are kept while several proofs are made: half a megabyte."""


class ProveError(Exception):
    """There is no proof of what was asked; the text says why and what to do."""


def prove_entry(log: PublishedLog, sequence: int) -> InclusionProof:
    """That an entry is in the tree of the newest checkpoint. Raises `ProveError`."""
    note, checkpoint = newest_checkpoint(log)
    if sequence >= checkpoint.size:
        raise ProveError(
            f"entry {sequence} is under no published checkpoint yet, the newest one has"
            f" {checkpoint.size:,} entries: try again in half a minute"
        )
    try:
        hashes = inclusion_proof(sequence, checkpoint.size, hashes_of(log, checkpoint.size))
        entry = _entry(log, sequence, checkpoint.size)
    except BundleError as error:
        raise _damaged(error) from None
    return InclusionProof(sequence, tuple(hashes), note, entry)


def prove_consistency(log: PublishedLog, old: int, size: int) -> list[bytes]:
    """That a tree is the beginning of another one, of a published size. Raises `ProveError`."""
    try:
        return consistency_proof(old, size, hashes_of(log, size))
    except BundleError as error:
        raise _damaged(error) from None


def newest_checkpoint(log: PublishedLog) -> tuple[Note, Checkpoint]:
    """The newest checkpoint, with whatever signatures it has. Raises `ProveError`."""
    kept = log.newest()
    if kept is None:
        raise ProveError(f"{log.where} has no checkpoint: is it the published folder of the log?")
    try:
        note = parse_note(kept.note)
        return note, parse_checkpoint(note.text)
    except (NoteError, CheckpointError) as error:
        raise _damaged(error) from None


def hashes_of(log: PublishedLog, size: int) -> HashOf:
    """Hashes of subtrees of a tree of a published size; `BundleError` where a tile is missing."""

    @lru_cache(TILES_AT_ONCE)
    def read(tile: Tile) -> bytes:
        data = log.read(tile)
        if data is None or len(data) != tile.width * HASH_SIZE:
            raise BundleError(f"{tile.path} is missing or cut off")
        return data

    return hashes_from(read, size)


def _entry(log: PublishedLog, sequence: int, size: int) -> bytes:
    number, place = divmod(sequence, WIDTH)
    bundle = Bundle(number, min(WIDTH, size - number * WIDTH))
    entries = decode_bundle(log.read(bundle) or b"")
    if len(entries) != bundle.width:
        raise BundleError(f"{bundle.path} is missing or cut off")
    return entries[place]


def _damaged(error: Exception) -> ProveError:
    return ProveError(f"the published log is damaged ({error}): see `steward audit verify`")
