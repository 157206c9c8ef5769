"""Databases for tests: made, cloned and dropped through the administrator's address."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


def with_database(url: str, name: str) -> str:
    """The same server and account, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def create_database(url: str) -> str:
    """A new database on this server, with a name of its own; its address."""
    return await clone_database(with_database(url, "template1"))


async def clone_database(url: str) -> str:
    """A copy of this database, to which nobody may be connected; its address."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    await _execute(url, f'create database "{name}" template "{_name(url)}"')
    return with_database(url, name)


async def drop_database(url: str) -> None:
    """Drop the database of this address, whoever is still connected."""
    await _execute(url, f'drop database if exists "{_name(url)}" with (force)')


@contextmanager
def cloned(url: str) -> Iterator[str]:
    """The address of a copy of this database, for several tests: making one is what takes time."""
    clone = asyncio.run(clone_database(url))
    yield clone
    asyncio.run(drop_database(clone))


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(with_database(url, "postgres"), timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
