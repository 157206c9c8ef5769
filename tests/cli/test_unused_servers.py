"""The demonstration touches no system that is there already, whatever the environment names."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Never
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from services.cli import demo
from services.cli.unused_servers import used_by_another, without_another_system
from shared.contract.topics import TOPICS
from shared.local.ports import HOST, choose_port
from shared.runtime.cluster import Cluster
from shared.runtime.topics import create_topics
from tests.support.proxy import Proxy


def nothing_starts(_: object) -> Never:
    raise AssertionError("it began")


async def test_servers_that_have_a_steward_already_are_refused_before_anything_is_done(
    kafka: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(Cluster(kafka), TOPICS)
    monkeypatch.setattr(demo, "running_system", nothing_starts)
    named = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database}
    assert await used_by_another(named) == list(named)
    environ = {**named, "STEWARD_HOME": str(tmp_path), "COLUMNS": "400"}
    result = await asyncio.to_thread(CliRunner().invoke, demo.app, [], env=environ)
    assert result.exit_code == 1
    assert "already where KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL point" in result.stdout
    assert not os.listdir(tmp_path)  # noqa: PTH208 - an asynchronous test


async def test_a_server_that_somebody_else_is_just_starting_is_waited_for(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "running_system", nothing_starts)
    proxy = Proxy(choose_port(None, option="--postgres-port"), urlsplit(database).port or 5432)

    async def not_yet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        starting.close()
        await proxy.open()
        writer.close()

    starting = await asyncio.start_server(not_yet, HOST, proxy.port)
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "",
        "DATABASE_URL": database.replace(f":{proxy.target}/", f":{proxy.port}/"),
        "STEWARD_HOME": str(tmp_path),
        "COLUMNS": "400",
    }
    try:
        result = await asyncio.to_thread(CliRunner().invoke, demo.app, [], env=environ)
    finally:
        await proxy.close()
    assert "already where DATABASE_URL point:" in result.stdout, result.exception


async def test_servers_that_are_started_here_are_nobodys() -> None:
    assert await used_by_another({"KAFKA_BOOTSTRAP_SERVERS": "", "PATH": "/bin"}) == []


def test_folders_keys_and_witnesses_of_a_system_are_not_the_demonstrations() -> None:
    environ = {
        "PATH": "/bin",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "STEWARD_LOG_LEVEL": "debug",
        "STEWARD_AUDIT_FOLDER": "/srv/audit",
        "STEWARD_OUTGOING_FOLDER": "/srv/outgoing",
        "STEWARD_AUDIT_WITNESSES": "witness.example.net+1+2 https://witness.example.net",
        "STEWARD_KEY_ENCRYPTION_KEY_COMMAND": "give-key",
    }
    assert list(without_another_system(environ)) == [
        "PATH",
        "KAFKA_BOOTSTRAP_SERVERS",
        "STEWARD_LOG_LEVEL",
    ]
