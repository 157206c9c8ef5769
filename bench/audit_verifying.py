"""How fast the audit log is verified, in how much memory, and how long one proof takes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

import asyncpg
import orjson

from bench.figures import median, percentile
from bench.ground import Ground
from bench.load import Record
from bench.registry import Measured, benchmark
from bench.stage import Stage
from bench.watched import Watched, watch
from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.entries import StoredEntry, published
from services.audit.domain.growth import SIGN_EVERY, Head, sign
from services.audit.domain.merkle import Frontier, leaf_hashes
from services.audit.domain.notes import SigningKey
from services.audit.domain.tiles import WIDTH, Bundle, RightEdge, encode_bundle
from services.audit.handlers.identity import signing_key
from services.audit.handlers.prove import prove_entry
from services.audit.handlers.tiles import TileWriter
from services.audit.settings import Settings
from services.audit.store import bodies, tree
from services.audit.store.folder import CHECKPOINT, TileFolder
from services.audit.store.sources import PublishedLog
from shared.contract.audit import CHECKPOINTS, TOPIC, CheckpointPublished
from shared.contract.codec import encode
from shared.contract.message import Outgoing
from shared.runtime.ids import new_id

STAGE = "audit log"
VERIFY = "audit-verify"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILLED_AT_ONCE = 100_000
PROOFS = 300


@benchmark(VERIFY, unit="s", aim=10.0, better="lower", repeated=True)
async def verify(ground: Ground) -> Measured:
    """`steward audit verify` of that many entries: database, folder and topic, with its start."""
    done = await _verified(ground)
    details = {
        "entries": ground.sizes.verified,
        "cpu_s": round(done.cpu_s, 2),
        "MB": round(done.megabytes),
    }
    return Measured([done.took_s], details)


@benchmark("audit-verify-memory", unit="MB", aim=150.0, better="lower", needs=(VERIFY,))
async def memory(ground: Ground) -> Measured:
    """The most that verifying took of memory, the interpreter included."""
    done = await _verified(ground)
    return Measured([done.megabytes], {"entries": ground.sizes.verified})


async def _verified(ground: Ground) -> Watched:
    stage = await ground.stage(STAGE)
    await stage.once("log", lambda: _fill(stage.settings(Settings), stage, ground.sizes.verified))
    return await asyncio.to_thread(_command, stage, ground.sizes.verified)


async def _fill(settings: Settings, stage: Stage, size: int) -> bool:
    """A log as the service leaves it after so many entries, signed at each thousand."""
    connection = await asyncpg.connect(
        settings.database_url, server_settings={"search_path": "audit"}
    )
    try:
        statement = Path(__file__).with_name("audit_filling.sql").read_text("utf-8")
        for begin in range(0, size, FILLED_AT_ONCE):
            await connection.fetch(statement, begin, min(begin + FILLED_AT_ONCE, size), size)
        key = signing_key(settings)
        writer = TileWriter(TileFolder(settings.published_folder), key.verifier())
        await _sign_and_publish(connection, writer, key, size)
        await stage.produce([_as_said(*await bodies(connection, size - 1, 1))])
        await stage.produce(
            _announcements(
                [
                    row["note"]
                    for row in await connection.fetch("select note from checkpoint order by size")
                ]
            )
        )
        await connection.execute("vacuum analyze entry")
    finally:
        await connection.close()
    return True


async def _sign_and_publish(
    connection: asyncpg.Connection[asyncpg.Record], writer: TileWriter, key: SigningKey, size: int
) -> None:
    head, frontier = Head(0, Frontier(), -1), Frontier()
    pending = []
    while frontier.size < size:
        page = await bodies(connection, frontier.size, min(SIGN_EVERY, size - frontier.size))
        frontier = frontier.extended(leaf_hashes(page))
        pending.append(sign(frontier, key))
        await tree.keep_checkpoint(connection, pending[-1], NOW)
        if len(pending) == 100 or frontier.size == size:
            await writer.write(connection, pending)
            await writer.publish(pending)
            pending = []
    await tree.grow(connection, head, frontier)


def _as_said(entry: bytes) -> Record:
    record = published(StoredEntry(0, entry))
    return TOPIC, None, record.data, list(record.headers)


def _announcements(notes: list[bytes]) -> Iterator[Record]:
    for note in notes:
        size = int(note.split(b"\n")[1])
        said = encode(
            Outgoing(CheckpointPublished(size=size, checkpoint=note.decode()), None),
            id=new_id(),
            source="/steward/audit",
            now=NOW,
        )
        written = [(name, value.encode()) for name, value in said.headers.items()]
        yield CHECKPOINTS, None, said.value, written


def _command(stage: Stage, entries: int) -> Watched:
    """`steward audit verify`; AssertionError where it does not find so many entries whole."""
    with tempfile.TemporaryFile() as output:
        code, done = watch(stage, output, "audit", "verify", "--json")
        output.seek(0)
        told = orjson.loads(output.read())
    if code:
        raise AssertionError(f"the log is not whole: {told['findings'][:1]}")
    if told["entries"] != entries:
        raise AssertionError(f"{told['entries']} entries were verified")
    return done


@benchmark("audit-prove", unit="ms", aim=1.0, better="lower")
async def prove(ground: Ground) -> Measured:
    """An inclusion proof out of tiles in a folder: the median of some hundreds, of random entries.

    Hashes are of made-up entries; bundles are there of those that are asked for.
    """
    stage = await ground.stage(STAGE)
    folder = stage.folder / "proofs"
    size = ground.sizes.rows
    random = Random(1)  # noqa: S311 - the same entries each time
    asked = [random.randrange(size) for _ in range(PROOFS)]
    await asyncio.to_thread(_write_tree, folder, size, asked)
    log = PublishedLog("folder", TileFolder(folder).read, lambda: iter(()))
    runs = []
    for sequence in asked:
        began = time.perf_counter()
        proof = prove_entry(log, sequence)
        runs.append((time.perf_counter() - began) * 1e3)
        proof.verify_entry(_entry(sequence))
    slow = {"p95": round(percentile(runs, 0.95), 3), "most": round(max(runs), 3)}
    return Measured([median(runs)], {"entries": size, **slow})


def _entry(number: int) -> bytes:
    return b"%0600d" % number


def _write_tree(folder: Path, size: int, asked: list[int]) -> None:
    """Without syncing: this is not the log, it only has its form."""
    edge = RightEdge()
    files = TileFolder(folder)

    def put(path: str, data: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    while edge.size < size:
        numbers = range(edge.size, min(edge.size + 64 * WIDTH, size))
        leaves = [sha256(b"\0%0600d" % number).digest() for number in numbers]
        for tile, data in edge.append(leaves):
            put(tile.path, data)
    for tile, data in edge.partial():
        put(tile.path, data)
    for number in {sequence // WIDTH for sequence in asked}:
        bundle = Bundle(number, min(WIDTH, size - number * WIDTH))
        first = bundle.begin
        put(bundle.path, encode_bundle(_entry(one) for one in range(first, first + bundle.width)))
    key = SigningKey("localhost/audit", bytes(32))
    files.write({CHECKPOINT: Checkpoint(key.name, size, edge.root).signed(key).encode()})
