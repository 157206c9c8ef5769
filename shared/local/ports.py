"""Ports on the loopback interface."""

from __future__ import annotations

import random
import socket

from shared.local.errors import PortInUseError

HOST = "127.0.0.1"

# Below the range from which systems take ports for outgoing connections: a port that is free here
# is not taken by a client's connection between our looking and the server's binding.
_ANY = range(20_000, 32_000)

_HIGHEST = 65_535


def is_free(port: int) -> bool:
    """Whether a server could bind this port of the loopback interface now."""
    with socket.socket() as probe:
        # As the servers do: a connection that lingers after a killed server does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose_port(
    asked: int | None,
    *,
    preferred: int | None = None,
    option: str,
    taken: frozenset[int] = frozenset(),
) -> int:
    """The port asked for; where none was, the preferred one or the next free one; without a
    preference any free one.

    `option` is how a user asks for the port; it is named in PortInUseError, raised when the port
    asked for is not free.
    """
    if asked:
        if asked > _HIGHEST:  # of several that follow the one that was named
            raise PortInUseError(
                f"there is no port {asked}, the last is {_HIGHEST}: choose a lower one with"
                f" {option}"
            )
        if not is_free(asked):
            raise PortInUseError(
                f"port {asked} is in use by another process; choose another one with {option}, "
                "or leave it out to take the next free one"
            )
        return asked
    candidates = range(preferred, _HIGHEST + 1) if preferred else random.sample(_ANY, 200)
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise PortInUseError(f"no free port was found; choose one with {option}")
