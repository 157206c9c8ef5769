"""Single entries and checkpoints, held against what is published: what was changed is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.columns import named
from services.audit.domain.entries import log_entry
from services.audit.domain.growth import Head
from services.audit.domain.merkle import EMPTY_ROOT, Frontier, leaf_hash, leaf_hashes
from services.audit.domain.notes import Kind, SigningKey, parse_note
from services.audit.handlers.inspect import (
    PublishedHead,
    Verdict,
    inspect_checkpoints,
    inspect_entry,
    inspect_head,
    judge_head,
)
from services.audit.store.console import KeptCheckpoint
from services.audit.store.folder import CHECKPOINT, FolderError, checkpoint_path
from services.audit.store.sources import PublishedLog
from services.audit.store.tree import Progress
from shared.contract.audit import DataDisclosed
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.published import published_files
from tests.support.trees import root_of

KEY = SigningKey("example.org/audit", bytes(range(32)))
WITNESS = SigningKey("w.example.org", bytes(range(1, 33)))
KEYS = [KEY.verifier(), WITNESS.verifier(Kind.COSIGNATURE)]
SIZES = (5, 256, 300)

FACTS = Facts()
ENTRIES = [log_entry(FACTS.message(make_entry(DataDisclosed))) for _ in range(310)]
BODIES = [entry.body for entry in ENTRIES]
NO_ENTRIES = (
    b"{}",
    b"[]",
    b'"x"',
    b'{"data":"x","id":"a","type":"b"}',
    b'{"data":[],"id":"a","type":"b"}',
    b'{"data":{},"id":"a","type":"b"}',
)


@pytest.fixture
def files() -> dict[str, bytes]:
    return published_files(BODIES, SIZES, KEY)


def log_of(files: dict[str, bytes]) -> PublishedLog:
    return PublishedLog("folder", files.get, lambda: iter(()))


def row(sequence: int, **over: object) -> dict[str, Any]:
    """The entry as the database has it: arrays are lists there."""
    entry = ENTRIES[sequence]
    columns = {"body": entry.body, "at": entry.at, "categories": list(entry.categories)}
    return {"sequence": sequence, **columns, "named": named(entry), **over}


def kept(size: int, root: bytes | None = None, key: SigningKey = KEY) -> KeptCheckpoint:
    root = root_of(BODIES[:size]) if root is None else root
    note = Checkpoint(key.name, size, root).signed(key).encode()
    return KeptCheckpoint(size, root, note, NOON)


def verdict_on(files: dict[str, bytes], one: KeptCheckpoint) -> Verdict:
    log = log_of(files)
    head = inspect_head(log, KEYS)
    return inspect_checkpoints([one], head, log, KEYS)[0].verdict


@pytest.mark.parametrize("sequence", [0, 4, 255, 256, 299])
def test_an_entry_is_proven_to_be_in_the_tree(files: dict[str, bytes], sequence: int) -> None:
    inspected = inspect_entry(row(sequence), log_of(files), KEYS)
    assert inspected.leaf == leaf_hash(BODIES[sequence])
    assert inspected.verdict == Verdict(
        "verified", "proven to be in the tree of the checkpoint of 300 entries"
    )


def test_an_entry_that_is_not_signed_yet_waits(files: dict[str, bytes]) -> None:
    assert inspect_entry(row(300), log_of(files), KEYS).verdict.standing == "waiting"
    assert inspect_entry(row(0), log_of({}), KEYS).verdict.standing == "waiting"


def spoil(path: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        data = files[path]
        files[path] = data[:-1] + bytes([data[-1] ^ 1])

    return change


@pytest.mark.parametrize(
    ("over", "what"),
    [
        ({"body": BODIES[8].replace(b"diet.text", b"diet.all_")}, "columns|not what was signed"),
        ({"body": BODIES[9]}, "columns do not say"),
        *(({"body": body}, "its bytes are no entry") for body in NO_ENTRIES),
        (
            {"named": named(ENTRIES[8]._replace(recipient="hotel", purpose=None))},
            "columns do not say what its bytes say: recipient, purpose",
        ),
        (
            {"at": ENTRIES[8].at + timedelta(seconds=1), "categories": ["else"]},
            "columns do not say what its bytes say: at, categories",
        ),
    ],
)
def test_an_entry_that_the_database_changed_is_wrong(
    files: dict[str, bytes], over: dict[str, object], what: str
) -> None:
    verdict = inspect_entry(row(8, **over), log_of(files), KEYS).verdict
    assert verdict.standing == "wrong"
    assert any(one in verdict.says for one in what.split("|"))


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", CHECKPOINT])
def test_an_entry_that_the_published_log_does_not_prove_is_wrong(
    files: dict[str, bytes], path: str
) -> None:
    spoil(path)(files)
    assert inspect_entry(row(8), log_of(files), KEYS).verdict.standing == "wrong"


@pytest.mark.parametrize("size", SIZES)
def test_a_published_checkpoint_is_verified(files: dict[str, bytes], size: int) -> None:
    assert verdict_on(files, kept(size)).standing == "verified"


def test_a_checkpoint_that_is_not_published_yet_waits(files: dict[str, bytes]) -> None:
    assert verdict_on(files, kept(310)).standing == "waiting"
    assert verdict_on({}, kept(5)).standing == "waiting"


def test_a_checkpoint_of_another_tree_is_wrong_although_it_is_signed_and_published(
    files: dict[str, bytes],
) -> None:
    other = kept(256, root=leaf_hash(b"another log"))
    files[checkpoint_path(256)] = other.note
    assert "not the beginning of the newest one" in verdict_on(files, other).says


def test_a_checkpoint_that_differs_from_the_published_one_is_wrong(
    files: dict[str, bytes],
) -> None:
    assert "another one" in verdict_on(files, kept(256, root=EMPTY_ROOT)).says
    del files[checkpoint_path(5)]
    assert "another one, or none" in verdict_on(files, kept(5)).says


def test_a_checkpoint_of_another_key_or_root_is_wrong(files: dict[str, bytes]) -> None:
    forged = kept(256, key=SigningKey(KEY.name, bytes(32)))
    assert verdict_on(files, forged).says == "the note has no signature of a known key"
    true = kept(256)
    filed = KeptCheckpoint(true.size, EMPTY_ROOT, true.note, NOON)
    assert "root hash is not the one that was signed" in verdict_on(files, filed).says


def test_a_head_whose_hashes_lead_elsewhere_is_wrong(files: dict[str, bytes]) -> None:
    spoil("tile/0/001.p/44")(files)
    assert "do not lead to the root" in inspect_head(log_of(files), KEYS).verdict.says


def test_a_folder_that_cannot_be_read_is_told() -> None:
    def fail(_: str) -> bytes | None:
        raise FolderError("the folder of the audit log cannot be used")

    head = inspect_head(PublishedLog("folder", fail, lambda: iter(())), KEYS)
    assert head.verdict == Verdict("wrong", "the folder of the audit log cannot be used")


def test_who_has_cosigned_the_newest_checkpoint_and_when(files: dict[str, bytes]) -> None:
    log_key, witness = KEYS
    assert inspect_head(log_of(files), KEYS).cosigned_at(witness) is None
    note = parse_note(files[CHECKPOINT])
    signed = note.signed_also(WITNESS.cosign(note.text, int(NOON.timestamp())))
    files[CHECKPOINT] = signed.encode()
    head = inspect_head(log_of(files), KEYS)
    assert head.cosigned_at(witness) == NOON
    assert head.cosigned_at(log_key) is None


@pytest.mark.parametrize(
    ("size", "signed_root", "standing"),
    [
        (300, root_of(BODIES[:300]), "verified"),
        (299, None, "wrong"),
        (300, EMPTY_ROOT, "wrong"),
    ],
    ids=["alike", "behind", "unlike"],
)
def test_a_database_that_is_behind_or_unlike_what_is_published_is_wrong(
    files: dict[str, bytes], size: int, signed_root: bytes | None, standing: str
) -> None:
    head: PublishedHead = inspect_head(log_of(files), KEYS)
    tree = Frontier().extended(leaf_hashes(BODIES[:size]))
    progress = Progress(Head(size, tree, size), signed_root, size)
    assert judge_head(300, head, progress).standing == standing


def test_what_was_announced_and_is_published_no_more_is_wrong(files: dict[str, bytes]) -> None:
    tree = Frontier().extended(leaf_hashes(BODIES[:310]))
    progress = Progress(Head(310, tree, 310), root_of(BODIES[:300]), 310)
    for log, announced, standing in (
        (log_of(files), 300, "verified"),
        (log_of(files), 310, "wrong"),
        (log_of({}), 5, "wrong"),
        (log_of({}), -1, "waiting"),
    ):
        assert judge_head(announced, inspect_head(log, KEYS), progress).standing == standing
