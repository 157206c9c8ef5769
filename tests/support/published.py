"""What a stranger finds published of the audit log, held against the database by slow means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from services.audit.domain.checkpoints import Checkpoint, parse_checkpoint
from services.audit.domain.merkle import leaf_hashes
from services.audit.domain.notes import SigningKey, parse_note
from services.audit.domain.proofs import root_hash
from services.audit.domain.tiles import (
    WIDTH,
    Bundle,
    RightEdge,
    Tile,
    bundles,
    decode_bundle,
    encode_bundle,
    hashes_from,
)
from services.audit.store.folder import CHECKPOINT, checkpoint_path
from services.audit.store.sources import folder_log
from tests.support.trees import all_tiles, root_of


def faults_of(folder: Path, bodies: Sequence[bytes], signed: Sequence[int]) -> Iterator[str]:
    """In which way the folder is not of a log of these entries with checkpoints of these sizes.

    It may grow meanwhile, as under any reader: a partial file that is gone is in the full one.
    """
    published = folder_log(folder)
    kept_newest = published.newest()
    if kept_newest is None:
        yield "nothing is published"
        return
    newest = parse_checkpoint(parse_note(kept_newest.note).text)
    for size in (one for one in signed if one <= newest.size):
        kept = published.checkpoint_of(size)
        if kept is None:
            yield f"the checkpoint of {size} is missing"
        elif parse_checkpoint(parse_note(kept).text).root != root_of(bodies[:size]):
            yield f"the checkpoint of {size} is of another log"
    tiles = {tile: published.read(tile) or b"" for tile in all_tiles(newest.size)}
    if root_hash(newest.size, hashes_from(tiles.__getitem__, newest.size)) != newest.root:
        yield "the tiles are not of the checkpoint"
    entries: list[bytes] = []
    for bundle in bundles(0, newest.size):
        entries += decode_bundle(published.read(bundle) or b"")
    if entries != list(bodies[: newest.size]):
        yield "the entries are not those of the database"


def published_files(
    entries: Sequence[bytes], sizes: Sequence[int], key: SigningKey
) -> dict[str, bytes]:
    """A folder as it comes to be when the log is published at these sizes, as paths and bytes."""
    files: dict[str, bytes] = {}
    edge = RightEdge()
    for size in sizes:
        for tile, data in edge.append(leaf_hashes(entries[edge.size : size])):
            _take_place(files, tile)
            files[tile.path] = data
        files |= {tile.path: data for tile, data in edge.partial()}
        for bundle in bundles(0, size):
            if bundle.width == WIDTH:
                _take_place(files, bundle)
            files[bundle.path] = encode_bundle(entries[bundle.begin : bundle.begin + bundle.width])
        note = Checkpoint(key.name, size, edge.root).signed(key).encode()
        files |= {CHECKPOINT: note, checkpoint_path(size): note}
    return files


def _take_place(files: dict[str, bytes], full: Tile | Bundle) -> None:
    for path in [path for path in files if path.startswith(f"{full.path}.p/")]:
        del files[path]
