"""Commands that are the administrator's: how they sign in to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from shared.local.postgres import ADMINISTRATOR
from shared.runtime.database import Administrator
from shared.runtime.secrets import SecretsFolder

_PASSWORD = "administrator"  # noqa: S105 - the name of its file


class NotAdministratorError(Exception):
    """Who signed in may not do what the administrator may."""


def password_file(folder: SecretsFolder) -> Path:
    """Where the password of a PostgreSQL that was started here is, beside those of services."""
    return folder.path / "database" / _PASSWORD


@asynccontextmanager
async def connected(
    database_url: str, folder: SecretsFolder, *, schema: str = "public"
) -> AsyncIterator[Administrator]:
    """The administrator's connection, while it is needed. NotAdministratorError for another's."""
    user, password = administrator_of(database_url, folder)
    connection = await asyncpg.connect(
        database_url,
        user=user,
        password=password,
        timeout=10,
        server_settings={"search_path": schema},
    )
    try:
        yield connection
    except asyncpg.InsufficientPrivilegeError:
        raise NotAdministratorError(
            "DATABASE_URL has to sign in as the administrator, as for `steward migrate`"
        ) from None
    finally:
        await connection.close()


def administrator_of(database_url: str, folder: SecretsFolder) -> tuple[str | None, str | None]:
    """User and password to sign in with as the administrator, None where the address has them.

    `steward up` leaves the password of the PostgreSQL that it started in the folder of secrets, and
    tells services and commands an address without it.
    """
    if urlsplit(database_url).username or not password_file(folder).exists():
        return None, None
    return ADMINISTRATOR, folder.database_password(_PASSWORD)
