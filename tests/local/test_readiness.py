"""Whether a server does its work is asked of the server, not of the kernel."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from shared.local import readiness
from shared.local.ports import choose_port
from shared.local.readiness import HELLOS, missing_from_port


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a process that is stopped: connections are accepted, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_servers_answer_a_greeting(kafka: str, postgres: str) -> None:
    assert await missing_from_port(int(kafka.split(":")[1]), hello=HELLOS["kafka"]) is None
    port = urlsplit(postgres).port
    assert port is not None
    assert await missing_from_port(port, hello=HELLOS["postgres"]) is None


@pytest.mark.parametrize("server", HELLOS)
async def test_a_server_that_is_stuck_is_not_ready(
    server: str, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_TIMEOUT_S", 0.1)
    missing = await missing_from_port(silent, hello=HELLOS[server])
    assert missing == f"127.0.0.1:{silent} does not answer"
    assert await missing_from_port(silent) is None, "without a greeting it cannot be told"


async def test_where_nobody_listens_that_is_said() -> None:
    port = choose_port(None, option="--kafka-port")
    assert await missing_from_port(port) == f"nothing listens on 127.0.0.1:{port}"
