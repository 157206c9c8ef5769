"""Which schemas Steward has and where their migrations are."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from shared.runtime.migration_files import Schema

SERVICES = ("registration", "audit", "consent", "finance", "retention")


def _folder(package: str, *parts: str) -> Path:
    # Migrations are read by another program, so they must be files: Steward is never a zip.
    return Path(str(resources.files(package))).joinpath(*parts)


_EVERY_SERVICE = (
    _folder("shared.messaging", "migrations"),
    _folder("shared.privacy", "migrations", "service"),
)

SCHEMAS: tuple[Schema, ...] = (
    # First: what services' migrations grant or call is there.
    Schema("keyring", (_folder("shared.privacy", "migrations", "keyring"),), service=False),
    *(
        Schema(service, (*_EVERY_SERVICE, _folder(f"services.{service}", "migrations")))
        for service in SERVICES
    ),
)
