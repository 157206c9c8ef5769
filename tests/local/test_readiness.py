"""Whether a server does its work is asked of the server, not of the kernel."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from shared.local import readiness
from shared.local.ports import choose_port
from shared.local.readiness import HELLOS, missing_from_port, missing_from_service


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


READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NOT_READY = b'HTTP/1.0 503 Service Unavailable\r\n\r\n{"missing": {"batch": "waits"}}'
REFUSED = b"HTTP/1.0 403 Forbidden\r\n\r\n<html>not through here</html>"
A_LIST = b"HTTP/1.0 404 Not Found\r\n\r\n[]"
NO_HTTP = b"220 mail.example.org\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of something that answers every request so."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (READY, None),
        (NOT_READY, "batch: waits"),
        (REFUSED, "it does not answer"),
        (A_LIST, "it does not answer"),
        (NO_HTTP, "it does not answer"),
    ],
)
async def test_what_a_service_lacks_it_says_itself(answer: bytes, missing: str | None) -> None:
    with answering(answer) as port:
        assert await missing_from_service(port) == missing


async def test_a_proxy_is_not_asked_about_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(READY) as port, answering(REFUSED) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        assert await missing_from_service(port) is None
