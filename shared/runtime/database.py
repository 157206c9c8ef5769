"""Connections to the service's own schema, queries by name, and what an error may tell.

A service connects as its own role, whatever user `DATABASE_URL` names, and finds only its own
schema.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import aiosql
import asyncpg
from asyncpg.protocol import protocol

from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from shared.runtime.unavailable import UnavailableError

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Administrator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection of who owns the server, never a service's."""


class Queries(Protocol):
    """The queries of one file. Their names and parameters stand in SQL, out of sight of types."""

    def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401 - see above


# asyncpg 0.32 asks of each element of an array whether it is an array in turn, and asks abstract
# base classes: Python code, which takes longer than to write the element. Our arrays are lists.
protocol.IterableABC = (list, tuple)  # type: ignore[attr-defined]

OWNER = "steward_owner"
"""Owns every schema and everything in it; nobody can sign in as it."""

# Shares of the consumer's session time-out. A process that was stopped and wakes up must find its
# transaction gone before its partitions belong to another; half of the time-out is left for the
# commit and for clocks that run apart.
_TRANSACTION_SHARE = 0.8
_IDLE_IN_TRANSACTION_SHARE = 0.5
_KEEPALIVE_IDLE_S = 5
_KEEPALIVE_INTERVAL_S = 2
_KEEPALIVE_COUNT = 3

_ROOT = Path(__file__).resolve().parents[2]
_OWN_FOLDERS = frozenset({"shared", "services", "bench", "examples", "tests"})

# SQLSTATE (PostgreSQL, appendix A) of failures that the same work can survive when done again.
_TRANSIENT_CLASSES = frozenset({"08", "28", "53"})  # connection, sign-in, resources
_TRANSIENT_STATES = frozenset(
    {
        "25006",  # read-only: a standby answers, the primary is being replaced
        "25P03",  # idle in transaction for too long
        "25P04",  # transaction took too long
        "3D000",  # no such database (yet)
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock not available
        "57014",  # cancelled by a time-out
        "57P01",  # administrator's shutdown
        "57P02",  # crash shutdown
        "57P03",  # cannot connect now
        "57P05",  # idle session
        "58000",  # system error
        "58030",  # input or output error
    }
)
_NOT_THERE = frozenset({"42P01", "42703", "42704", "42883"})
"""Undefined: a table, a column, an object such as a type, a function."""

_LOST = re.compile(r"closed|closing|released|in progress", re.IGNORECASE)


def role_name(service: str) -> str:
    """The database role that a service signs in as."""
    return f"steward_{service}"


def without_credentials(database_url: str) -> str:
    """The same address, without user and password: those belong to the administrator."""
    bare = re.sub(r"^(postgres(?:ql)?://)[^/?#]*@", r"\1", database_url)
    bare = re.sub(r"(?<=[?&])(user|password|passfile)=[^&#]*&?", "", bare)
    return bare.rstrip("?&")


async def open_pool(
    settings: ServiceSettings, *, service: str, min_size: int = 1, max_size: int = 6
) -> Pool:
    """Open a pool as `steward_<service>`.

    Raises what connecting raises (`is_transient` tells whether to try again) and `SecretsError`.
    """
    pool: Pool = await asyncpg.create_pool(
        without_credentials(settings.database_url),
        user=role_name(service),
        password=SecretsFolder(settings.secrets).database_password(service),
        min_size=min_size,
        max_size=max_size,
        reset=_reset,
        timeout=settings.session_timeout_ms / 1000,
        command_timeout=settings.session_timeout_ms / 1000,
        server_settings=_server_settings(settings, service),
    )
    return pool


async def connect_alone(
    settings: ServiceSettings,
    *,
    service: str,
    idle_session_timeout_ms: int = 0,
    synchronous_commit: bool = True,
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection outside any pool, for advisory locks and LISTEN, which a pool would drop.

    `idle_session_timeout_ms`: the server ends a session that asks nothing for so long (0: never),
    so that a stopped process lets go of its locks; who sets it must ping more often.
    `synchronous_commit`: without it a commit does not wait for the disk, and the last moments of
    what was committed can be lost when the server dies: for what may be done once more.
    """
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        without_credentials(settings.database_url),
        user=role_name(service),
        password=SecretsFolder(settings.secrets).database_password(service),
        timeout=settings.session_timeout_ms / 1000,
        command_timeout=settings.session_timeout_ms / 1000,
        server_settings={
            **_server_settings(settings, service),
            "idle_session_timeout": str(idle_session_timeout_ms),
            **({} if synchronous_commit else {"synchronous_commit": "off"}),
            # It reads a table that is empty most of the time, and is planned as if it were so; its
            # dead rows are passed by index alone.
            "enable_seqscan": "off",
        },
    )
    return connection


@asynccontextmanager
async def bounded_transaction(pool: Pool, within_s: float) -> AsyncIterator[Connection]:
    """A transaction that comes to its end within a bound, also where the server has fallen silent.

    Raises TimeoutError then. Who does not answer a statement answers neither its cancellation nor
    a rollback, and asyncpg waits for both: the connection is dropped instead. The pool's others
    lead to the same silence, and are replaced before they are used again.
    """
    async with pool.acquire(timeout=within_s) as connection:
        silent = False

        def give_up() -> None:
            nonlocal silent
            silent = True
            connection.terminate()

        limit = asyncio.get_running_loop().call_later(within_s, give_up)
        try:
            async with connection.transaction():
                yield connection
        except Exception as error:
            if not silent:
                raise
            await pool.expire_connections()
            raise TimeoutError("the database did not answer in time") from error
        finally:
            limit.cancel()


def _server_settings(settings: ServiceSettings, service: str) -> dict[str, str]:
    session_ms = settings.session_timeout_ms
    return {
        "application_name": role_name(service),
        "search_path": service,
        "timezone": "UTC",
        "transaction_timeout": str(int(session_ms * _TRANSACTION_SHARE)),
        "idle_in_transaction_session_timeout": str(int(session_ms * _IDLE_IN_TRANSACTION_SHARE)),
        "tcp_keepalives_idle": str(_KEEPALIVE_IDLE_S),
        "tcp_keepalives_interval": str(_KEEPALIVE_INTERVAL_S),
        "tcp_keepalives_count": str(_KEEPALIVE_COUNT),
        "tcp_user_timeout": str(session_ms),
        # An error must not repeat a statement's parameters into the server's log. The rest of
        # statement logging only the administrator may switch off; `migrate` does, per role.
        "log_parameter_max_length_on_error": "0",
        # Batches are short statements: compiling them costs more than it gives.
        "jit": "off",
    }


async def _reset(connection: Connection) -> None:
    """What a pool does with a connection that comes back. asyncpg's own way asks the server each
    time to drop locks, cursors, listeners and settings of the session: ours have none.
    """
    if connection.is_in_transaction():
        await connection.reset()


def queries(name: str, module: str) -> Queries:
    """Load the named queries of a file beside a module: `queries("queries.sql", __file__)`.

    Every query declares its parameters (`-- name: find_seats(event_ids)`). A select is an
    asynchronous generator of rows; `^` gives one row, `$` one value, `!` runs a statement.
    """
    return cast("Queries", aiosql.from_path(Path(module).resolve().parent / name, "asyncpg"))


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is done again: nothing in it was at fault."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_transient(inner) for inner in error.exceptions)
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        # A cached plan or a cached type went out of date with a migration: gone from the cache now.
        stale = asyncpg.exceptions.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError
        return (
            isinstance(error, stale)
            or state[:2] in _TRANSIENT_CLASSES
            or state in _TRANSIENT_STATES
        )
    if isinstance(error, asyncpg.InterfaceError):
        return _LOST.search(str(error)) is not None
    return isinstance(error, asyncpg.InternalClientError | OSError | EOFError | UnavailableError)


def lacks_migration(error: BaseException) -> bool:
    """Whether the database has not what this release asks of it, for whatever is asked."""
    return getattr(error, "sqlstate", None) in _NOT_THERE


def describe(error: BaseException) -> dict[str, object]:
    """What a log may say of an error: class, SQLSTATE and own frames.

    Never its text: asyncpg and pydantic quote values in it.
    """
    described: dict[str, object] = {"error": _class_name(error)}
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        described["sqlstate"] = state
    described["frames"] = list(_own_frames(error))
    causes = [_class_name(cause) for cause in causes_of(error)]
    if causes:
        described["causes"] = causes
    return described


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _own_frames(error: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(_ROOT):
            inside = file.relative_to(_ROOT)
            if inside.parts[0] in _OWN_FOLDERS:
                yield f"{inside.as_posix()}:{line} {frame.f_code.co_name}"


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """What led to an error, the nearest first."""
    seen = {id(error)}
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield inner
            yield from causes_of(inner)
    following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (
            None if following.__suppress_context__ else following.__context__
        )
