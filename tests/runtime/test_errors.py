"""What may be done again, and what a log may tell of an error."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from pydantic import BaseModel, ValidationError

from shared.runtime.database import describe, is_transient, without_credentials

CANARY = "canary-Maija-4711"


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CrashShutdownError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.ConnectionFailureError(),
        asyncpg.IdleInTransactionSessionTimeoutError(),
        asyncpg.QueryCanceledError(),
        asyncpg.InvalidPasswordError(),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("pool is closing"),
        ConnectionRefusedError(),
        TimeoutError(),
        ExceptionGroup("both", [TimeoutError(), ConnectionResetError()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_same_work_is_done_again_after(error: BaseException) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError(),
        asyncpg.CheckViolationError(),
        asyncpg.UndefinedTableError(),
        asyncpg.InsufficientPrivilegeError(),
        asyncpg.DataError("invalid input for query argument $1"),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        ValueError(),
        KeyError(),
        ExceptionGroup("one of each", [TimeoutError(), ValueError()]),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_work_itself_is_at_fault_after(error: BaseException) -> None:
    assert not is_transient(error)


class _Person(BaseModel):
    age: int


def _raise_validation() -> None:
    _Person.model_validate({"age": CANARY})


def test_a_description_has_class_and_own_frames_and_no_text() -> None:
    with pytest.raises(ValidationError) as caught:
        _raise_validation()
    assert CANARY in str(caught.value)  # or this test would prove nothing
    described = describe(caught.value)
    assert described["error"] == "pydantic_core._pydantic_core.ValidationError"
    assert CANARY not in repr(described)
    frames = described["frames"]
    assert isinstance(frames, list)
    assert frames[-1].startswith("tests/runtime/test_errors.py:")
    assert frames[-1].endswith(" _raise_validation")
    assert not any("pydantic" in frame for frame in frames)


def test_a_description_names_the_classes_of_causes() -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError as error:
        described = describe(error)
    assert described["causes"] == ["KeyError"]
    assert CANARY not in repr(described)


def test_a_description_names_what_a_group_holds() -> None:
    described = describe(ExceptionGroup(CANARY, [ValueError(CANARY), KeyError(CANARY)]))
    assert described["causes"] == ["ValueError", "KeyError"]
    assert CANARY not in repr(described)


async def test_a_database_error_is_told_by_its_sqlstate(postgres: str) -> None:
    connection = await asyncpg.connect(postgres)
    try:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.fetchval("select $1::text::int", CANARY)
    finally:
        await connection.close()
    assert CANARY in str(caught.value)
    described = describe(caught.value)
    assert described["sqlstate"] == "22P02"
    assert CANARY not in repr(described)


@pytest.mark.parametrize(
    ("given", "bare"),
    [
        ("postgresql://u:p@h:5/d", "postgresql://h:5/d"),
        ("postgres://u@h/d?sslmode=require", "postgres://h/d?sslmode=require"),
        ("postgresql://h/d?user=u&password=p", "postgresql://h/d"),
        (
            "postgresql://h/d?user=u&sslmode=verify-full&password=p&sslrootcert=/c",
            "postgresql://h/d?sslmode=verify-full&sslrootcert=/c",
        ),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql"),
    ],
)
def test_a_service_takes_the_address_without_the_administrators_credentials(
    given: str, bare: str
) -> None:
    assert without_credentials(given) == bare
