"""How far a service's process gives way to others on the same processors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.contract.services import ServiceSpec
from shared.runtime.settings import ServiceSettings, SettingsError

GIVES_WAY: Final = 10
"""Added to the `nice` value of a process that hears nothing that people wait for."""

SESSION: Final = Path("/proc/self/autogroup")
"""Where Linux is told how far all processes of this one's session give way, sched(7)."""

TRIES: Final = 50
AGAIN_S: Final = 0.1
"""Without privileges it may be said ten times a second, by all processes of the machine."""


def niceness_of(service: ServiceSpec, settings: ServiceSettings) -> int:
    """How far a process of the service gives way to others. Raises SettingsError where it is to
    hear what people wait for, and they wait for nothing that the service hears.
    """
    if settings.hears == "urgent" and not service.urgent:
        raise SettingsError(
            f"STEWARD_HEARS: nothing that the {service.name} service hears is urgent; expected"
            " 'all' or 'rest'"
        )
    if settings.niceness is not None:
        return settings.niceness
    return 0 if service.urgent and settings.hears != "rest" else GIVES_WAY


def give_way(niceness: int) -> None:
    """Let others go first from now on; called before there is a thread: each has its own value.

    Where Linux groups processes by session, all sessions have the same share of the processors and
    `nice` counts within one alone. Whoever has a session of his own says it for that, too.
    """
    os.nice(niceness)
    if niceness and os.getsid(0) == os.getpid():
        let_session_give_way(niceness)


def let_session_give_way(
    niceness: int,
    write: Callable[[str], object] = SESSION.write_text,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Where there are no such groups, or it may not be said, `nice` has to do alone."""
    for _ in range(TRIES):
        try:
            write(str(niceness))
        except BlockingIOError:
            pause(AGAIN_S)
        except OSError:
            return
        else:
            return
