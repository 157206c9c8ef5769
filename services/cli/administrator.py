"""Commands that are the administrator's: how they find him, and sign in."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from services.cli.environment import secrets_path
from shared.runtime.database import Administrator

ADMINISTRATORS_PASSWORD = "administrator"  # noqa: S105 - the name of its file
"""Beside the passwords of the services, where `steward up` has started PostgreSQL."""


class NotAdministratorError(Exception):
    """Who signed in may not do what the administrator may."""


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Administrator]:
    """The administrator's connection, while it is needed. NotAdministratorError for another's."""
    user, password = administrator_of(database_url)
    connection = await asyncpg.connect(database_url, user=user, password=password, timeout=10)
    try:
        yield connection
    except asyncpg.InsufficientPrivilegeError:
        raise NotAdministratorError(
            "DATABASE_URL has to sign in as the administrator, as for `steward migrate`"
        ) from None
    finally:
        await connection.close()


def administrator_of(
    database_url: str, environ: MutableMapping[str, str] = os.environ
) -> tuple[str | None, str | None]:
    """User and password to sign in with as the administrator, None where the address has them.

    `steward up` leaves the password of the PostgreSQL that it started in the folder of secrets, and
    tells services and commands an address without it.
    """
    from shared.local.postgres import ADMINISTRATOR
    from shared.runtime.secrets import SecretsFolder

    folder = SecretsFolder(secrets_path(environ))
    has_one = (folder.path / "database" / ADMINISTRATORS_PASSWORD).exists()
    if urlsplit(database_url).username or not has_one:
        return None, None
    return ADMINISTRATOR, folder.database_password(ADMINISTRATORS_PASSWORD)
