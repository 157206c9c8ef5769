"""Commands that are the administrator's: how they sign in to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg

from shared.local.postgres import ADMINISTRATOR
from shared.runtime.database import Administrator
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings

_PASSWORD = "administrator"  # noqa: S105 - the name of its file
_WANTED = (
    "DATABASE_URL has to sign in as the administrator, as for `steward migrate`; in containers:"
    " `docker compose run --rm administrator` with the command"
)


class NotAdministratorError(Exception):
    """Who signed in may not do what the administrator may."""


def password_file(folder: SecretsFolder) -> Path:
    """Where the password of a PostgreSQL that was started here is, beside those of services."""
    return folder.path / "database" / _PASSWORD


@asynccontextmanager
async def connected(
    settings: ServiceSettings, *, schema: str = "public"
) -> AsyncIterator[Administrator]:
    """The administrator's connection, while it is needed. NotAdministratorError for another's."""
    try:
        connection = await asyncpg.connect(
            administrator_url(settings.database_url, SecretsFolder(settings.secrets)),
            timeout=10,
            server_settings={"search_path": schema},
        )
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise NotAdministratorError(_WANTED) from None
    try:
        yield connection
    except asyncpg.InsufficientPrivilegeError:
        raise NotAdministratorError(_WANTED) from None
    finally:
        await connection.close()


def administrator_url(database_url: str, folder: SecretsFolder) -> str:
    """The address with user and password of the administrator; as it is where it names a user.

    `steward up` leaves the password of the PostgreSQL that it started in the folder of secrets, and
    tells services and commands an address without it.
    """
    parts = urlsplit(database_url)
    if parts.username or not password_file(folder).exists():
        return database_url
    password = quote(folder.database_password(_PASSWORD), safe="")
    return parts._replace(netloc=f"{ADMINISTRATOR}:{password}@{parts.netloc}").geturl()
