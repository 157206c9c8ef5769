"""Whatever is changed in a published log, `verify` names it.

`STEWARD_TEST_CORRUPTIONS` says in how many ways it is tried; `make test-corruption` in 10,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random

import pytest

from services.audit.domain.notes import SigningKey
from services.audit.domain.tiles import decode_bundle, encode_bundle
from services.audit.handlers.verify import Report, verify_published
from services.audit.store.folder import CHECKPOINT, CHECKPOINTS, checkpoint_path
from services.audit.store.sources import PublishedLog
from tests.support.published import published_files

CASES = int(os.environ.get("STEWARD_TEST_CORRUPTIONS", "300"))
KEY = SigningKey("example.org/audit", bytes(range(32)))
SIZES = (0, 1, 10, 255, 300, 512, 530)
ENTRIES = [f'{{"id":{number}}}'.encode() for number in range(SIZES[-1])]
WHOLE = published_files(ENTRIES, SIZES, KEY)
Files = dict[str, bytes]


def log_of(files: Files) -> PublishedLog:
    def sizes() -> Iterator[int]:
        names = [path for path in files if path.startswith(f"{CHECKPOINTS}/")]
        yield from sorted(int(name[len(CHECKPOINTS) + 1 :]) for name in names)

    return PublishedLog("folder", files.get, sizes)


async def verified(files: Files) -> Report:
    report = Report()
    await verify_published(log_of(files), [KEY.verifier()], report, lambda _done, _of: None)
    return report


def entry_files(files: Files) -> list[str]:
    return [path for path in files if "entries" in path]


def flip(files: Files, random: Random) -> str:
    path = random.choice(sorted(path for path, data in files.items() if data))
    data = bytearray(files[path])
    place = random.randrange(len(data))
    data[place] ^= 1 << random.randrange(8)
    files[path] = bytes(data)
    return f"bit of byte {place} of {path}"


def remove(files: Files, random: Random) -> str:
    # An earlier partial file may go when the full one is there, and an earlier checkpoint is known
    # to be missing only by who has another copy.
    last = {path for path in WHOLE if path not in without(ENTRIES[:-1])}
    path = random.choice(sorted({*last, CHECKPOINT} - {checkpoint_path(SIZES[-1])}))
    del files[path]
    return path


def without(entries: list[bytes]) -> Files:
    return published_files(entries, SIZES[:-1], KEY)


def truncate(files: Files, random: Random) -> str:
    path = random.choice(sorted(path for path, data in files.items() if data))
    files[path] = files[path][: random.randrange(len(files[path]))]
    return path


def change_entries(files: Files, random: Random, change: Callable[[list[bytes]], None]) -> str:
    path = random.choice(entry_files(files))
    entries = decode_bundle(files[path])
    change(entries)
    files[path] = encode_bundle(entries)
    return path


def take_entry(files: Files, random: Random) -> str:
    return change_entries(files, random, lambda held: held.__delitem__(random.randrange(len(held))))


def insert_entry(files: Files, random: Random) -> str:
    def insert(held: list[bytes]) -> None:
        held.insert(random.randrange(len(held) + 1), b'{"id":-1}')

    return change_entries(files, random, insert)


def swap_entries(files: Files, random: Random) -> str:
    path = random.choice([path for path in entry_files(files) if not path.endswith("/1")])
    entries = decode_bundle(files[path])
    one, other = random.sample(range(len(entries)), 2)
    entries[one], entries[other] = entries[other], entries[one]
    files[path] = encode_bundle(entries)
    return f"{one} and {other} in {path}"


def rewrite(files: Files, random: Random) -> str:
    """Everything is consistent, save what only the signing key could have signed."""
    entries = [*ENTRIES]
    entries[random.randrange(len(entries))] = b"{}"
    other = published_files(entries, SIZES, SigningKey(KEY.name, bytes(32)))
    checkpoints = {path: data for path, data in files.items() if path.startswith(CHECKPOINT)}
    files.update(other | checkpoints)
    return "all but the checkpoints"


def fork(files: Files, random: Random) -> str:
    """The holder of the signing key shows another log, and cannot take back what was signed."""
    place = random.randrange(SIZES[-2])
    entries = [*ENTRIES]
    entries[place] = b"{}"
    other = published_files(entries, SIZES, KEY)
    kept = checkpoint_path(random.choice([size for size in SIZES if size > place]))
    if kept == checkpoint_path(SIZES[-1]):
        kept = checkpoint_path(SIZES[-2])
    files.update(other | {kept: files[kept]})
    return f"from {place}, seen by {kept}"


def put_back(files: Files, random: Random) -> str:
    """The folder as it was, save the checkpoints by their size."""
    count = random.randrange(1, len(SIZES))
    earlier = published_files(ENTRIES, SIZES[:count], KEY)
    checkpoints = {path: data for path, data in files.items() if path.startswith(CHECKPOINTS)}
    files.clear()
    files.update(earlier | checkpoints)
    return f"at {SIZES[count - 1]}"


def resign(files: Files, random: Random) -> str:
    """A checkpoint signed by another key of the same name."""
    size = random.choice(SIZES)
    other = published_files(ENTRIES, SIZES, SigningKey(KEY.name, bytes(32)))
    files[checkpoint_path(size)] = other[checkpoint_path(size)]
    return f"of {size}"


CORRUPTIONS = (
    *[flip] * 4,
    remove,
    truncate,
    take_entry,
    insert_entry,
    swap_entries,
    rewrite,
    fork,
    put_back,
    resign,
)


async def test_a_whole_log_is_whole_at_every_size() -> None:
    for count in range(1, len(SIZES) + 1):
        report = await verified(published_files(ENTRIES, SIZES[:count], KEY))
        assert report.findings.told == []
        assert report.size == report.signed == SIZES[count - 1]


async def test_whatever_is_changed_is_named() -> None:
    silent = []
    for case in range(CASES):
        files, random = dict(WHOLE), Random(case)  # noqa: S311 - the same cases each time
        corruption = CORRUPTIONS[case % len(CORRUPTIONS)]
        what = corruption(files, random)
        report = await verified(files)
        if not report.findings.told:
            silent.append(f"{case}: {corruption.__name__} {what}")
    assert silent == []


@pytest.mark.parametrize("place", [0, 255, 256, 299, 511, 512, 529])
async def test_a_changed_entry_is_named_by_its_number(place: int) -> None:
    entries = [*ENTRIES]
    entries[place] = b"{}"
    files = dict(WHOLE)
    changed = published_files(entries, SIZES, KEY)
    files |= {path: changed[path] for path in entry_files(files)}
    report = await verified(files)
    named = {one.entry for one in report.findings.told if one.entry is not None}
    assert named == {place}


async def test_a_changed_hash_is_named_by_the_entry_and_not_by_what_stands_above() -> None:
    files = dict(WHOLE)
    tile = bytearray(files["tile/0/001"])
    tile[32 * 7] ^= 1
    files["tile/0/001"] = bytes(tile)
    report = await verified(files)
    assert [(one.entry, one.what) for one in report.findings.told] == [
        (263, "its hash in tile/0/001 is another")
    ]


async def test_no_log_is_not_a_whole_log() -> None:
    report = await verified({})
    assert "no checkpoint" in str(report.findings.told[0])
