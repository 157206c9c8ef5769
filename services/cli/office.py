"""The privacy office at the command line: it works with the role and the outbox of `retention`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.cli.choosing import settings_of
from shared.assembly import Parts, open_parts
from shared.messaging.unit_of_work import Transaction
from shared.privacy.asking import email_named
from shared.privacy.office import PrivacyOffice
from shared.privacy.subjects import Alias
from shared.runtime.actor import actor
from shared.runtime.clock import utc_now

SERVICE: Final = "retention"
WITHIN_MS: Final = 3_600_000
"""A command may have much to look through: its sessions may take longer than a service's. Consumers
wait as long for what it locks: who locks keys of many people does so in parts.
"""


@dataclass(frozen=True, slots=True)
class Office:
    """Where commands about people and keys are served."""

    parts: Parts
    privacy: PrivacyOffice

    def work(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction under the plan in force, whose entries go through the outbox."""
        return self.parts.work(now=utc_now())


@asynccontextmanager
async def open_office() -> AsyncIterator[Office]:
    """Open with the settings of the environment, and close."""
    settings = settings_of(SERVICE).model_copy(update={"session_timeout_ms": WITHIN_MS})
    async with open_parts(settings, service=SERVICE) as parts:
        yield Office(parts, PrivacyOffice(parts.privacy, actor()))


def email(argument: str, option: str) -> Alias:
    """The address that is named, or the next line of standard input for `-`.

    Raises what Typer tells as a wrong argument; the address is not repeated.
    """
    return Alias("email", email_named(argument, option))
