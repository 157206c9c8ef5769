"""Which services there are, and which folders of migrations make their schemas."""

from __future__ import annotations

from pathlib import Path

from shared.contract import services
from shared.runtime.migration_files import Schema

SERVICES = tuple(service.name for service in services.SERVICES)

_ROOT = Path(__file__).parents[2]


def schemas() -> tuple[Schema, ...]:
    """The keyring first: the grants of a service's schema may name what is in it."""
    keyring = Schema("keyring", (_ROOT / "shared/privacy/migrations/keyring",), service=False)
    return (
        keyring,
        *(
            Schema(
                service,
                (
                    _ROOT / "shared/messaging/migrations",
                    _ROOT / "shared/privacy/migrations/service",
                    _ROOT / "services" / service / "migrations",
                ),
            )
            for service in SERVICES
        ),
    )
