"""What a service is made of, as its own `app.py` puts it together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from starlette.routing import BaseRoute

from shared.contract.types import Sealed
from shared.messaging.subscription import Subscription
from shared.messaging.unit_of_work import HeldPlan
from shared.runtime.application import LoopFunction
from shared.runtime.database import Connection, Pool
from shared.runtime.settings import ServiceSettings


class RecordSealer(Protocol):
    """Seals what may hold personal data and cannot be read by anything else: whole records.

    `shared.privacy` has one. Bodies are sealed under a key of (service, day) that is destroyed
    after 30 days; what was sealed under a destroyed key opens as None.
    """

    def reference(self, text: bytes) -> bytes:
        """A keyed digest (HMAC-SHA256, 32 bytes) that stands for text from upstream."""
        ...

    async def seal_records(
        self, connection: Connection, day: date, bodies: Sequence[bytes]
    ) -> list[Sealed]: ...

    async def open_records(
        self, connection: Connection, sealed: Sequence[Sealed]
    ) -> list[bytes | None]: ...

    async def purge_record_keys(self, connection: Connection, today: date) -> int:
        """Destroy the keys of this service that are older than they may be; how many it were."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """One service, ready to be run, or to be asked by a command."""

    name: str
    settings: ServiceSettings
    pool: Pool
    sealer: RecordSealer
    subscriptions: Sequence[Subscription]
    loops: Mapping[str, LoopFunction] = field(default_factory=dict)
    topics: Collection[str] | None = None
    """Those that it may say facts to; None for its own and `audit`."""
    routes: Sequence[BaseRoute] = ()
    """What it serves beside its health."""
    plan: HeldPlan | None = None
    """None for one that decides nothing by the plan."""
