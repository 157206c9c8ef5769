"""What a stranger finds published of the audit log, held against the database by slow means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from services.audit.domain.checkpoints import parse_checkpoint
from services.audit.domain.merkle import root_of
from services.audit.domain.notes import parse_note
from services.audit.domain.proofs import root_hash
from services.audit.domain.tiles import all_tiles, bundles, decode_bundle, hashes_from
from services.audit.store.folder import TileFolder, checkpoint_path


def faults_of(folder: Path, bodies: Sequence[bytes], signed: Sequence[int]) -> Iterator[str]:
    """In which way the folder is not of a log of these entries with checkpoints of these sizes."""
    published = TileFolder(folder)
    note = published.checkpoint()
    if note is None:
        yield "nothing is published"
        return
    newest = parse_checkpoint(parse_note(note).text)
    for size in (one for one in signed if one <= newest.size):
        kept = published.read(checkpoint_path(size))
        if kept is None:
            yield f"the checkpoint of {size} is missing"
        elif parse_checkpoint(parse_note(kept).text).root != root_of(bodies[:size]):
            yield f"the checkpoint of {size} is of another log"
    tiles = {tile: published.read(tile.path) or b"" for tile in all_tiles(newest.size)}
    if root_hash(newest.size, hashes_from(tiles, newest.size)) != newest.root:
        yield "the tiles are not of the checkpoint"
    entries: list[bytes] = []
    for bundle in bundles(0, newest.size):
        entries += decode_bundle(published.read(bundle.path) or b"")
    if entries != list(bodies[: newest.size]):
        yield "the entries are not those of the database"
