from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shared.local.errors import PortInUseError
from shared.local.ports import HOST, choose_port, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_was_asked_for_and_is_in_use_is_named_with_its_option(taken: int) -> None:
    with pytest.raises(PortInUseError, match=rf"port {taken} is in use.*--kafka-port"):
        choose_port(taken, preferred=9092, option="--kafka-port")


def test_a_port_beyond_the_last_is_named_with_its_option() -> None:
    """Of several that follow the one that was asked for."""
    with pytest.raises(PortInUseError, match=r"no port 65536, .*lower one with --http-port"):
        choose_port(65_536, option="--http-port")


def test_without_a_wish_the_next_free_port_is_taken(taken: int) -> None:
    port = choose_port(None, preferred=taken, option="--kafka-port")
    assert port > taken
    assert is_free(port)


def test_ports_that_are_promised_to_another_are_left_out() -> None:
    free = choose_port(None, option="--http-port")
    assert choose_port(None, preferred=free, option="--http-port", taken=frozenset({free})) > free
