"""The tree over the log, published: what is seen outside, and what no crash can spoil."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import TypeAlias

import asyncpg
import orjson
import pytest

from services.audit.api.published import routes
from services.audit.domain.checkpoints import Checkpoint, open_checkpoint
from services.audit.domain.growth import Signed
from services.audit.domain.merkle import EMPTY_ROOT
from services.audit.domain.tiles import Bundle, Tile
from services.audit.handlers.identity import signing_key
from services.audit.handlers.publish import Step
from services.audit.handlers.tiles import TileWriter
from services.audit.store import tree
from services.audit.store.folder import CHECKPOINT, FolderError, checkpoint_path
from shared.messaging.subscription import Halted
from shared.runtime.http import HttpServer
from tests.support.facts import NOON, Facts
from tests.support.log import (
    append,
    appending_to,
    entries,
    folder_of,
    publish_all,
    publisher_of,
    settings_of,
)
from tests.support.published import faults_of
from tests.support.trees import root_of
from tests.support.work import Work

Administrator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Killed(BaseException):
    """The process ends here."""


def newest(work: Work) -> Checkpoint:
    note = folder_of(work).checkpoint()
    assert note is not None
    return open_checkpoint(note, signing_key(settings_of(work)).verifier())


async def stored_bodies(work: Work) -> list[bytes]:
    return [row["body"] for row in await work.rows("select body from entry order by sequence")]


async def assert_whole(work: Work) -> None:
    """What a stranger finds in the folder is all that the database has, and the topic is told."""
    bodies = await stored_bodies(work)
    assert newest(work).size == len(bodies) == await work.value("select size from tree_head")
    sizes = [row["size"] for row in await work.rows("select size from checkpoint order by size")]
    assert list(faults_of(folder_of(work).path, bodies, sizes)) == []
    said = [row["value"] for row in await work.rows("select value from outbox order by id")]
    assert [orjson.loads(value)["size"] for value in said] == sizes


async def test_a_log_without_entries_has_a_checkpoint(work: Work) -> None:
    await publish_all(work)
    assert newest(work) == Checkpoint(settings_of(work).audit_origin, 0, EMPTY_ROOT)
    await publish_all(work)
    await assert_whole(work)
    assert await work.value("select count(*) from checkpoint") == 1


async def test_what_is_appended_is_published(work: Work, facts: Facts) -> None:
    # To 1, 255, 256, 257, 511, 512, 513, 1,300, and over some thousands.
    for more in (1, 254, 1, 1, 254, 1, 1, 787, 2_500):
        await append(work, facts, more)
        await publish_all(work)
        await assert_whole(work)


async def test_a_batch_of_a_thousand_is_signed_with_its_commit(work: Work, facts: Facts) -> None:
    await append(work, facts, 999)
    assert await work.rows("select size from checkpoint") == []
    await append(work, facts, 1)
    await append(work, facts, 5)
    assert [row["size"] for row in await work.rows("select size from checkpoint")] == [1_000]


async def test_while_something_comes_the_publisher_looks_again_soon(
    work: Work, facts: Facts
) -> None:
    publisher = publisher_of(work)
    writer = TileWriter(folder_of(work), signing_key(settings_of(work)).verifier())
    async with work.parts.pool.acquire() as connection:
        await append(work, facts, 1_000)
        assert await publisher.publish_next(connection, writer)
        assert newest(work).size == 1_000
        assert not await publisher.publish_next(connection, writer)


async def test_partial_files_stay_until_the_full_one_is_there(work: Work, facts: Facts) -> None:
    for size in (10, 20):
        await append(work, facts, size)
        await publish_all(work)
    folder = folder_of(work)
    for width in (10, 30):
        assert folder.read(Bundle(0, width).path) is not None
    await append(work, facts, 300)
    await publish_all(work)
    assert folder.read(Bundle(0, 10).path) is None
    assert folder.read(Bundle(0).path) is not None
    await assert_whole(work)


async def test_who_read_the_checkpoint_before_still_finds_its_tree(
    work: Work, facts: Facts
) -> None:
    await append(work, facts, 30)
    await publish_all(work)
    folder = folder_of(work)
    read_before = folder.checkpoint()
    assert read_before is not None
    await append(work, facts, 300)
    await publish_all(work)
    folder.write({CHECKPOINT: read_before})
    assert folder.read(Tile(0, 0, 30).path) is None
    assert list(faults_of(folder.path, await stored_bodies(work), [30])) == []


async def test_nothing_new_is_published_as_nothing_new(work: Work, facts: Facts) -> None:
    await append(work, facts, 3)
    await publish_all(work)
    before = {path: path.stat().st_mtime_ns for path in folder_of(work).path.rglob("*")}
    message = entries(facts, 1)
    await work.do(appending_to(work), message)
    await work.do(appending_to(work), message)
    await publish_all(work)
    assert newest(work).size == 4
    await publish_all(work)
    assert await work.value("select count(*) from checkpoint") == 2
    for path, changed in before.items():
        if path.is_file() and path.name != "checkpoint":
            assert path.stat().st_mtime_ns == changed


STEPS: tuple[Step, ...] = ("signed", "written", "published", "announced")


def killer(step: Step) -> Callable[[Step], None]:
    def kill(passed: Step) -> None:
        if passed == step:
            raise Killed

    return kill


async def test_a_process_that_dies_at_a_step_leaves_what_the_next_goes_on_from(
    work: Work, facts: Facts
) -> None:
    for size in (300, 1, 1_100):
        for step in STEPS:
            await append(work, facts, size)
            with pytest.raises(Killed):
                await publish_all(work, killer(step))
            await append(work, facts, 7)
            await publish_all(work)
            await assert_whole(work)


async def test_a_process_that_dies_while_it_writes_leaves_what_the_next_goes_on_from(
    work: Work, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(work, facts, 300)
    await publish_all(work)
    await append(work, facts, 700)
    whole = Path.replace
    for files in range(1, 12):
        left = files

        def replace(path: Path, target: Path) -> Path:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return whole(path, target)

        monkeypatch.setattr(Path, "replace", replace)
        with pytest.raises(Killed):
            await publish_all(work)
        monkeypatch.undo()
        assert newest(work).size in {300, 1_000}
    await publish_all(work)
    await assert_whole(work)


async def test_two_processes_at_one_time_publish_the_same(work: Work, facts: Facts) -> None:
    async def publish_and_append() -> None:
        for _ in range(5):
            await append(work, facts, 100)
            await publish_all(work)

    await append(work, facts, 100)
    await publish_all(work)
    # Appending waits for its turn; of two that publish at once, both write the same bytes.
    await asyncio.gather(publish_and_append(), append(work, facts, 200))
    await publish_all(work)
    bodies = await stored_bodies(work)
    assert (newest(work).size, newest(work).root) == (len(bodies), root_of(bodies))


async def test_a_folder_that_was_lost_is_made_anew(work: Work, facts: Facts) -> None:
    for size in (400, 200):
        await append(work, facts, size)
        await publish_all(work)
    folder = folder_of(work)
    folder.path.rename(folder.path.with_name("lost"))
    await publish_all(work)
    await assert_whole(work)
    for path in folder.path.with_name("lost").rglob("*"):
        again = folder.path / path.relative_to(folder.path.with_name("lost"))
        if path.is_file() and ".p/" not in str(path):
            assert again.read_bytes() == path.read_bytes()


async def test_tiles_that_are_damaged_where_the_tree_grows_are_made_anew(
    work: Work, facts: Facts
) -> None:
    await append(work, facts, 300)
    await publish_all(work)
    for resource in ("tile/0/001.p", "tile/entries/001.p"):
        for damage in (None, b"", b"\0" * 32 * 44):
            (path,) = (folder_of(work).path / resource).glob(f"{newest(work).size - 256}")
            path.unlink() if damage is None else path.write_bytes(damage)
            await append(work, facts, 10)
            await publish_all(work)
            await assert_whole(work)


async def test_an_entry_that_was_changed_before_it_was_published_stops_the_publishing(
    work: Work,
    facts: Facts,
    administrator: Administrator,
) -> None:
    await append(work, facts, 300)
    await administrator.execute("alter table entry disable trigger all")
    await administrator.execute("update entry set body = body || ' ' where sequence = 7")
    with pytest.raises(Halted, match="not those that were signed"):
        await publish_all(work)
    assert folder_of(work).checkpoint() is None


async def test_entries_that_are_gone_before_they_were_published_stop_the_publishing(
    work: Work,
    facts: Facts,
    administrator: Administrator,
) -> None:
    await append(work, facts, 300)
    await administrator.execute("alter table entry disable trigger all")
    await administrator.execute("delete from entry where sequence >= 200")
    with pytest.raises(Halted, match="missing"):
        await publish_all(work)


async def test_a_log_of_an_earlier_release_gets_its_tree(
    work: Work,
    facts: Facts,
    administrator: Administrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await append(work, facts, 600)
    # As the first release left it: entries, and a head that knows how many.
    await administrator.execute("alter table tree_head disable trigger all")
    await administrator.execute("update tree_head set hashed = 0, frontier = '{}'")
    await administrator.execute("alter table tree_head enable always trigger tree_head_only_grows")
    monkeypatch.setattr("services.audit.handlers.publish.HASHED_AT_ONCE", 250)
    with pytest.raises(Halted, match="there before"):
        await append(work, facts, 1)
    with pytest.raises(Killed):
        await publish_all(work, killer("hashed"))
    assert await work.value("select hashed from tree_head") == 250
    await publish_all(work)
    await append(work, facts, 1)
    await publish_all(work)
    await assert_whole(work)
    assert newest(work).size == 601


async def test_a_clock_that_runs_backwards_changes_nothing(work: Work, facts: Facts) -> None:
    clock = iter([datetime(2026, 9, 2, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC), NOON])
    for now in clock:
        await work.do(appending_to(work), entries(facts, 1_000), now=now)
    rows = await work.rows("select size, signed_at from checkpoint order by size")
    assert [row["size"] for row in rows] == [1_000, 2_000, 3_000]
    times = [row["signed_at"] for row in rows]
    assert times == sorted(times)
    publisher = publisher_of(work)
    assert publisher._is_due(-1)
    await publish_all(work)
    await assert_whole(work)


async def test_one_size_is_signed_once(work: Work, facts: Facts) -> None:
    await append(work, facts, 3)
    await publish_all(work)
    signed = (await work.rows("select * from checkpoint"))[-1]
    one = Signed(signed["size"], bytes(32), b"another")
    async with work.parts.pool.acquire() as connection:
        with pytest.raises(Exception, match="duplicate key"):
            await tree.keep_checkpoint(connection, one, NOON)


async def test_a_folder_that_has_another_checkpoint_of_a_size_is_left_as_it_is(
    work: Work, facts: Facts
) -> None:
    await publish_all(work)
    await append(work, facts, 3)
    folder_of(work).write({checkpoint_path(3): b"another"})
    with pytest.raises(Halted, match="another checkpoint of the same size"):
        await publish_all(work)
    assert newest(work).size == 0


async def test_a_folder_that_cannot_be_written_is_named(work: Work, facts: Facts) -> None:
    folder = folder_of(work)
    folder.path.parent.mkdir(parents=True, exist_ok=True)
    folder.path.write_text("a file")
    with pytest.raises((FolderError, Halted)):
        await publish_all(work)


def ask(port: int, path: str) -> tuple[int, bytes, HTTPMessage]:
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", path, headers={"accept-encoding": "gzip"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


async def test_the_log_is_served_as_it_lies(work: Work, facts: Facts) -> None:
    folder = folder_of(work)
    await append(work, facts, 300)
    server = HttpServer("127.0.0.1", 0, routes(folder.path))
    server.start()

    async def get(path: str) -> tuple[int, bytes, HTTPMessage]:
        return await asyncio.to_thread(ask, server.port, path)

    try:
        assert (await get("/checkpoint"))[0] == 404
        await publish_all(work)
        _, body, headers = await get("/checkpoint")
        assert body == folder.checkpoint()
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert headers["cache-control"] == "no-cache"
        for path in ("tile/0/000", "tile/0/001.p/44", "tile/entries/000", "tile/entries/001.p/44"):
            _, body, headers = await get(f"/{path}")
            assert gzip.decompress(body) == folder.read(path), path
            assert headers["content-type"] == "application/octet-stream"
            assert "immutable" in headers["cache-control"]
        (folder.path / "tile" / "secret").write_text("secret")
        for path in ("tile/0/001", "tile/secret", "tile/0/..%2Fsecret", "tile/0/001.p/45"):
            status, body, _ = await get(f"/{path}")
            assert (status, body) == (404, b"not here")
    finally:
        await server.stop()
