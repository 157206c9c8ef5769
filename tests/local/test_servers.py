"""Kafka and Postgres survive being killed, and find their data again."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import sys
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.local import postgres as postgres_module
from shared.local import postgres_folder
from shared.local.errors import LocalError
from shared.local.kafka import LocalKafka, new_cluster_id
from shared.local.logs import tail
from shared.local.postgres import LocalPostgres, shared_buffers
from shared.local.postgres_folder import remove_data
from shared.local.state import clear_orphans, read_state

# A server with a starter of its own, so that both can be killed.
STARTER = """
import asyncio, pathlib, sys
sys.path.insert(0, sys.argv[3])
from shared.local.kafka import LocalKafka
from shared.local.postgres import LocalPostgres
async def main():
    kind = {"kafka": LocalKafka, "postgres": LocalPostgres}[sys.argv[1]]
    server = kind(pathlib.Path(sys.argv[2]))
    await server.__aenter__()
    print(server.port, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Reachable for `nobody`, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o711)
        yield Path(path)


@asynccontextmanager
async def started_apart(kind: str, folder: Path) -> AsyncIterator[int]:
    """The port of a server; at the end its starter is killed with -9."""
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, kind, str(folder), str(Path(__file__).parents[2])),
        stdout=asyncio.subprocess.PIPE,
    )
    assert starter.stdout is not None
    yield int(await starter.stdout.readline())
    starter.kill()
    await starter.wait()


def kill_server(folder: Path) -> None:
    state = read_state(folder / "run")
    assert state is not None
    os.kill(state.processes[0].pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("memory_bytes", "buffers"),
    [(256 * 2**20, "128MB"), (8 * 2**30, "2048MB"), (64 * 2**30, "4096MB")],
)
def test_postgres_keeps_pages_in_a_quarter_of_the_memory(memory_bytes: int, buffers: str) -> None:
    """Neither so few that it crawls nor so many that nothing is left for others."""
    assert shared_buffers(memory_bytes) == buffers


def test_a_cluster_id_never_begins_with_a_hyphen() -> None:
    """Kafka's tools take such a value for an option: one of 64 new folders could not start."""
    hyphen, other = uuid.UUID(bytes=b"\xf8" + bytes(15)), uuid.UUID(int=1)
    ids = iter([hyphen, hyphen, other])

    assert new_cluster_id(lambda: next(ids)) == "AAAAAAAAAAAAAAAAAAAAAQ"
    assert next(ids, None) is None


@pytest.mark.parametrize("server_too", [True, False], ids=["everything", "only the starter"])
async def test_postgres_has_its_data_after_kill_9(folder: Path, *, server_too: bool) -> None:
    async with started_apart("postgres", folder) as port:
        password = (folder / "password").read_text("utf-8")
        url = f"postgresql://postgres:{password}@127.0.0.1:{port}/steward"
        connection = await asyncpg.connect(url)
        await connection.execute("create table kept as select 42 as answer")
        await connection.close()
    if server_too:
        kill_server(folder)
    async with LocalPostgres(folder) as postgres:
        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("select answer from kept") == 42
        await connection.close()


async def test_a_postgres_that_is_dying_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, look = threading.Event(), postgres_module._processes_in

    def seen(data: Path) -> list[int]:
        found = look(data)
        looked.set()
        return found

    monkeypatch.setattr(postgres_module, "_processes_in", seen)
    async with started_apart("postgres", folder):
        pass
    (again,) = await LocalPostgres(folder).prepare()
    starting = asyncio.ensure_future(again.before_start())
    await asyncio.to_thread(looked.wait)
    kill_server(folder)
    await starting
    assert again.cwd is not None
    assert not (again.cwd / "postmaster.pid").exists()


async def test_a_postgres_that_runs_on_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_module, "DYING_S", 0.2)
    async with LocalPostgres(folder):
        (again,) = await LocalPostgres(folder).prepare()
        with pytest.raises(LocalError, match=r"runs on .*; stop it first"):
            await again.before_start()


async def test_kafka_has_its_messages_after_kill_9_of_everything(folder: Path) -> None:
    async with started_apart("kafka", folder) as port:
        await make_topic(f"127.0.0.1:{port}", "kept")
        async with AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}", acks="all") as producer:
            await producer.send_and_wait("kept", b"still here")
    kill_server(folder)
    async with (
        LocalKafka(folder) as kafka,
        AIOKafkaConsumer(
            "kept", bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer,
    ):
        assert (await consumer.getone()).value == b"still here"


async def test_postgres_asks_for_a_password_and_logs_no_value(folder: Path) -> None:
    async with LocalPostgres(folder) as postgres:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/steward")
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("create table person (email text primary key)")
        await connection.execute("insert into person values ($1)", "canary@example.org")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("insert into person values ($1)", "canary@example.org")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("insert into person values ('canary@example.org')")
        await connection.close()
    log = "\n".join(tail(folder / "logs" / "postgres.log", 1000))
    assert "duplicate key" in log
    assert "canary" not in log


def test_what_lies_in_kafka_can_be_reached_by_nobody_else(folder: Path) -> None:
    """Also where the folder was made before, as it used to be."""
    (folder / "kafka").mkdir(mode=0o755)
    asyncio.run(LocalKafka(folder / "kafka", brokers=3).prepare())
    assert stat.S_IMODE((folder / "kafka").stat().st_mode) == 0o700
    assert (folder / "kafka" / "kafka-3" / "data").is_dir()


def test_the_password_of_the_administrator_can_be_read_by_nobody_else(folder: Path) -> None:
    asyncio.run(LocalPostgres(folder).prepare())
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600


async def test_a_stale_lock_whose_number_another_process_has_is_cleared(folder: Path) -> None:
    async with LocalPostgres(folder):
        pass
    # Of the same user: to Postgres, a stranger of another user is no postmaster anyway.
    user = "nobody" if os.geteuid() == 0 else None
    stranger = await asyncio.create_subprocess_exec("sleep", "100", user=user)
    lock = folder / "data" / "postmaster.pid"
    lock.write_text(f"{stranger.pid}\n{folder / 'data'}\n0\n5432\n\n127.0.0.1\n", "utf-8")
    try:
        async with LocalPostgres(folder) as postgres:
            assert await postgres.missing() is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_lock_that_a_full_disk_left_empty_is_cleared(folder: Path) -> None:
    (process,) = await LocalPostgres(folder).prepare()
    lock = folder / "data" / "postmaster.pid"
    lock.touch()
    await process.before_start()
    assert not lock.exists()


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("17\n", "utf-8")
    with pytest.raises(LocalError, match="made by PostgreSQL 17, this is 18"):
        asyncio.run(LocalPostgres(folder).prepare())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders are closed to Postgres")
def test_in_a_folder_that_is_closed_to_nobody_data_is_a_link_to_one_that_is_open(
    folder: Path,
) -> None:
    folder.chmod(0o700)

    async def use() -> str | None:
        async with LocalPostgres(folder) as postgres:
            return await postgres.missing()

    assert asyncio.run(use()) is None
    place = (folder / "data").resolve()
    assert (folder / "data").is_symlink()
    assert place.is_dir()
    remove_data(folder)
    assert not place.parent.exists()


@pytest.mark.parametrize("linked", ["postgres/data", "postgres"])
@pytest.mark.parametrize("mounted", ["above", "itself"])
def test_while_the_disk_with_its_data_is_away_postgres_makes_none_anew(
    folder: Path, linked: str, mounted: str
) -> None:
    """`mounted`: the folder that is empty while the disk is away, seen from the link."""
    place, link = folder / "disk" / "moved", folder / linked
    (place if mounted == "itself" else place.parent).mkdir(parents=True)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(place)
    (folder / "password").touch()
    before = set(folder.rglob("*"))
    postgres = LocalPostgres(folder / "postgres", password_file=folder / "password")
    with pytest.raises(LocalError, match=r"postgres/data leads to .*, where no database is: mount"):
        asyncio.run(postgres.prepare())
    assert set(folder.rglob("*")) == before


async def test_where_no_database_was_yet_it_is_made_where_a_link_leads(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "data").symlink_to(folder / "disk" / "pgdata")
    await LocalPostgres(folder / "postgres").prepare()
    assert (folder / "disk" / "pgdata" / "PG_VERSION").exists()


def test_of_a_cluster_that_somebody_has_moved_nothing_goes(tmp_path: Path) -> None:
    cluster, folder = tmp_path / "disk" / "pgdata", tmp_path / "postgres"
    for made in (cluster, folder):
        made.mkdir(parents=True)
    (cluster / "PG_VERSION").touch()
    (folder / "data").symlink_to(cluster)
    remove_data(folder)
    assert (folder / "data" / "PG_VERSION").exists()


def test_where_a_cluster_outside_cannot_be_removed_whole_the_link_to_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, **_: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(postgres_folder, "ROOTS_DATA", tmp_path / "roots")
    around, data = postgres_folder.make_outside(), tmp_path / "postgres" / "data"
    (around / "data").mkdir()
    (around / "data" / "base").touch()
    data.parent.mkdir()
    data.symlink_to(around / "data")
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        with pytest.raises(OSError, match=r"Read-only file system: .*base"):
            remove_data(data.parent)
    assert data.resolve() == around / "data"
    remove_data(data.parent)
    assert list(data.parent.iterdir()) == []
    assert not around.exists()


async def test_orphans_of_a_killed_starter_are_stopped(folder: Path) -> None:
    async with started_apart("postgres", folder) as port:
        pass
    assert await clear_orphans(folder / "run") == ["postgres"]
    with pytest.raises(OSError, match=str(port)):
        await asyncio.open_connection("127.0.0.1", port)


async def make_topic(bootstrap_servers: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()
