"""What a batch that failed waits for, as it is told, and how much of it is tried next."""

from __future__ import annotations

from typing import Final

import structlog

from shared.messaging.subscription import Halted
from shared.runtime.database import causes_of, describe, is_transient, lacks_migration
from shared.runtime.health import Heartbeats
from shared.runtime.unavailable import UnavailableError

QUICK_SHARE: Final = 0.25
LONG_SHARE: Final = 0.5
"""Of the time limit of a transaction; the server's is shorter (`shared.runtime.database`)."""

_TOOK_TOO_LONG: Final = frozenset({"25P04", "57014"})
"""SQLSTATE: the transaction's time limit; a statement was cancelled."""

_log = structlog.get_logger(__name__)


def is_at_fault(error: Exception) -> bool:
    """Whether a message, and not the world around it, made this happen."""
    world = isinstance(error, Halted) or is_transient(error) or lacks_migration(error)
    return not world


def tell_why(error: Exception, heartbeats: Heartbeats, name: str) -> None:
    """Say in log and readiness, under this name, what keeps a batch from its end."""
    if isinstance(error, Halted):
        _log.error("a batch is held back", why=str(error))
        heartbeats.missing(name, str(error))
    elif isinstance(error, UnavailableError):
        _log.warning("a batch has to wait", why=str(error))
        heartbeats.missing(name, str(error))
    elif is_transient(error):
        _log.warning("a batch has to wait", **describe(error))
        heartbeats.missing(name, "waits for the database")
    elif lacks_migration(error):
        _log.error("a batch waits for a migration", **describe(error))
        heartbeats.missing(name, "the database lacks what this release asks of it")
    else:
        _log.error("a batch cannot even be set aside", **describe(error))
        heartbeats.missing(name, "fails, and cannot be set aside either")


class Portion:
    """How many records are tried at once: half as many after it took too long, and twice as many
    again while that is done in a small part of the time limit. A database that was silent for a
    while must not leave a thousand records to be brought to their end one by one.
    """

    def __init__(self, most: int, limit_s: float) -> None:
        self.most = most
        self._quick_s = limit_s * QUICK_SHARE
        self._long_s = limit_s * LONG_SHARE

    def failed(self, error: BaseException, tried: int, took_s: float) -> None:
        """Try fewer, where fewer may succeed.

        Where the server ends a session at its time limit, asyncpg may say no more than that it is
        closed: then how long it took has to tell.
        """
        if took_s >= self._long_s or took_too_long(error):
            self.most = max(1, tried // 2)

    def succeeded(self, took_s: float) -> None:
        """Try more, if twice as many will surely be done in time."""
        if took_s < self._quick_s:
            self.most *= 2


def took_too_long(error: BaseException) -> bool:
    """Whether a smaller batch may succeed where this one was too much for the time limits."""
    return any(
        isinstance(one, TimeoutError) or getattr(one, "sqlstate", None) in _TOOK_TOO_LONG
        # What the server said is hidden behind what follows from it: the rollback fails as well.
        for one in (error, *causes_of(error))
    )
