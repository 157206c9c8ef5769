"""Databases for tests: made, cloned and dropped through the administrator's address."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit, urlunsplit

import asyncpg


def with_database(url: str, name: str) -> str:
    """The same server and account, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def create_database(url: str, *, template: str = "template1") -> str:
    """A new database with a name of its own; its address."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    await _execute(url, f'create database "{name}" template "{template}"')
    return with_database(url, name)


async def drop_database(url: str) -> None:
    """Drop the database of this address, whoever is still connected."""
    name = urlsplit(url).path.removeprefix("/")
    await _execute(with_database(url, "postgres"), f'drop database if exists "{name}" with (force)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
