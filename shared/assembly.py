"""What every service is put together from: its plan, its door to personal data, its pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.privacy.plan import load_plan
from shared.privacy.privacy import Privacy
from shared.runtime.database import Pool, open_pool
from shared.runtime.key_source import read_key_encryption_key
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one service, open."""

    pool: Pool
    privacy: Privacy


@asynccontextmanager
async def open_parts(settings: ServiceSettings, *, service: str) -> AsyncIterator[Parts]:
    """Load the plan, read the secrets, connect as the service's role; close at the end.

    Raises PlanError, SecretsError, and what connecting raises (`is_transient` tells it apart).
    """
    plan = load_plan(settings.plan)
    key_encryption_key = await asyncio.to_thread(read_key_encryption_key, settings)
    privacy = Privacy.open(
        plan,
        SecretsFolder(settings.secrets),
        service=service,
        key_encryption_key=key_encryption_key,
    )
    pool = await open_pool(settings, service=service)
    try:
        async with pool.acquire() as connection:
            await privacy.check(connection)
        privacy.record_attempts_in(pool)
        yield Parts(pool, privacy)
    finally:
        await pool.close()
