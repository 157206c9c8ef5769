"""No value of a person reaches a log: not from an error, a library, or somebody's oversight."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import sys
import uuid
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from pydantic import BaseModel, ValidationError

from shared.runtime.logging import configure_logging
from shared.runtime.redaction import WITHHELD, looks_personal

CANARY = "Maija Meikäläinen"
EMAIL = "maija.meikalainen@example.org"
PHONE = "+358 40 123 4567"


class Logged(io.StringIO):
    """Where a process of the audit service logs to."""

    def lines(self) -> list[dict[str, Any]]:
        """What was logged; a canary anywhere in it fails the test."""
        for value in (CANARY, EMAIL, PHONE, "Maija", "40 123"):
            assert value not in self.getvalue()
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def logged(logging_as_it_was: None) -> Logged:
    stream = Logged()
    configure_logging("audit", "json", "debug", stream=stream)
    return stream


def test_a_log_line_is_json_with_service_time_and_level(logged: Logged) -> None:
    one = uuid.uuid4()
    structlog.get_logger().info("batch", subject_id=one, rows=3, ok=True, at=datetime.now(UTC))
    (line,) = logged.lines()
    assert line["event"] == "batch"
    assert line["service"] == "audit"
    assert line["level"] == "info"
    assert line["subject_id"] == str(one)
    assert line["rows"] == 3
    assert str(line["timestamp"]).endswith("Z")
    assert line["at"] != WITHHELD


@pytest.mark.parametrize("value", [EMAIL, PHONE, f"mail {EMAIL}!", "040 1234567", "(09) 123 4567"])
def test_what_looks_like_an_address_is_withheld(logged: Logged, value: str) -> None:
    structlog.get_logger().info("seen", value=value, deep=[{"deeper": value}])
    (line,) = logged.lines()
    assert line["value"] == WITHHELD
    assert line["deep"] == [{"deeper": WITHHELD}]


def test_an_address_in_the_sentence_or_in_a_name_is_withheld(logged: Logged) -> None:
    structlog.get_logger().info(f"hello {EMAIL}", counts={EMAIL: 1})
    (line,) = logged.lines()
    assert line["event"] == WITHHELD
    assert line["counts"] == {WITHHELD: 1}


@pytest.mark.parametrize(
    "text",
    [
        "0192f0c4-1234-7123-8123-012345678901",
        "2026-11-23T14:34:47.834+00:00",
        "127.0.0.1:25028",
        "inbound.registrations",
        "0.7.8",
        "4.4.0",
        "1234567890",
        "services/audit/store.py:42 append",
        "sha256:0123456789abcdef0123456789abcdef",
    ],
)
def test_ids_times_and_addresses_of_machines_are_shown(text: str) -> None:
    assert not looks_personal(text)


class _Person(BaseModel):
    name: str


def test_what_is_no_simple_value_is_shown_by_its_class_only(logged: Logged) -> None:
    structlog.get_logger().info("oops", person=_Person(name=CANARY), raw=CANARY.encode())
    (line,) = logged.lines()
    assert line["person"] == "<_Person>"
    assert line["raw"] == "<bytes>"


def test_an_error_of_pydantic_is_logged_without_what_it_quotes(logged: Logged) -> None:
    with pytest.raises(ValidationError) as caught:
        _Person.model_validate({"name": [CANARY, EMAIL]})
    structlog.get_logger().error("refused", exc_info=caught.value, error_value=caught.value)
    (line,) = logged.lines()
    assert line["error"] == "pydantic_core._pydantic_core.ValidationError"
    assert line["error_value"] == "<ValidationError>"
    assert "frames" in line


async def test_an_error_of_the_database_is_logged_without_what_it_quotes(
    postgres: str, logged: Logged
) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute("create temp table person (name text unique)")
    log = structlog.get_logger()
    try:
        for statement, value in (
            ("insert into person values ($1), ($1)", CANARY),
            ("select $1::text::int", CANARY),
            ("select $1::int", CANARY),
        ):
            with pytest.raises((asyncpg.PostgresError, asyncpg.DataError)) as caught:
                await connection.execute(statement, value)
            assert CANARY in f"{caught.value} {getattr(caught.value, 'detail', '')}"
            log.error("failed", exc_info=caught.value)
    finally:
        await connection.close()
    lines = logged.lines()
    assert [line.get("sqlstate") for line in lines] == ["23505", "22P02", "22000"]
    assert all(line["frames"] for line in lines)


def test_of_a_librarys_sentence_the_template_stays(logged: Logged) -> None:
    log = logging.getLogger("library")
    log.warning("sent %s to %s, %d times", CANARY, "inbound.registrations", 3)
    log.warning("an object %r", _Person(name=CANARY))
    log.warning(f"first line\n{CANARY}")  # noqa: G004 - as libraries do
    log.warning("by name %(name)s", {"name": CANARY})
    first, second, third, fourth = logged.lines()
    assert first["event"] == "sent <str> to inbound.registrations, 3 times"
    assert first["logger"] == "library"
    assert second["event"] == "an object '<_Person>'"
    assert third["event"] == "first line"
    assert fourth["event"] == "by name %(name)s"


def test_a_librarys_error_is_described(logged: Logged) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        logging.getLogger("library").exception(str(error))
    (line,) = logged.lines()
    assert line["error"] == "ValueError"
    assert line["event"] == "a library logged an error"


async def test_a_task_that_nobody_awaited_is_described(logged: Logged) -> None:
    async def fail() -> None:
        raise ValueError(CANARY)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    (line,) = logged.lines()
    assert line["error"] == "ValueError"
    assert line["logger"] == "asyncio"


def test_what_ends_the_process_is_described(logged: Logged) -> None:
    error = ValueError(CANARY)
    sys.excepthook(ValueError, error, None)
    (line,) = logged.lines()
    assert line["error"] == "ValueError"
    assert line["level"] == "critical"


def test_a_warning_does_not_quote(logged: Logged) -> None:
    warnings.showwarning(f"input {CANARY}", UserWarning, "x.py", 1)
    (line,) = logged.lines()
    assert line["logger"] == "py.warnings"
    assert line["event"] == "x.py:1: UserWarning"


@pytest.mark.usefixtures("logging_as_it_was")
def test_on_a_terminal_it_is_readable_and_keeps_the_same_silence() -> None:
    stream = io.StringIO()
    configure_logging("audit", "console", stream=stream)
    try:
        raise ValueError(CANARY)
    except ValueError:
        structlog.get_logger().exception("failed", value=EMAIL)
    text = stream.getvalue()
    assert "failed" in text
    assert "ValueError" in text
    assert CANARY not in text
    assert EMAIL not in text


@pytest.mark.usefixtures("logging_as_it_was")
def test_below_the_level_nothing_is_logged() -> None:
    stream = io.StringIO()
    configure_logging("audit", "json", "warning", stream=stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("aiokafka").info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_full_disk_costs_lines_of_the_log_and_nothing_else() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails too
    try:
        configure_logging("audit", "json", stream=full)
        structlog.get_logger("ours").error("a line")
        logging.getLogger("library").error("another")
        with pytest.raises(OSError, match="No space left"):
            full.flush()
    finally:
        with contextlib.suppress(OSError):
            full.close()
