"""Columns of a batch on their way to the database."""

from __future__ import annotations

import asyncpg
import pytest

from shared.runtime import database as _database  # noqa: F401 - the import is what is tested


async def test_an_array_is_a_list_and_its_elements_are_not_asked_what_they_are(
    postgres: str,
) -> None:
    """Were a set taken for one, asyncpg would still ask Python of each element what it is: see
    `shared.runtime.database`.
    """
    connection = await asyncpg.connect(postgres)
    try:
        lists = await connection.fetchval("select $1::bytea[]", [b"one", None, b"three"])
        assert lists == [b"one", None, b"three"]
        assert await connection.fetchval("select $1::int[]", [[1, 2], [3, 4]]) == [[1, 2], [3, 4]]
        with pytest.raises(asyncpg.DataError, match="a sized iterable container expected"):
            await connection.fetchval("select $1::text[]", {"one"})
    finally:
        await connection.close()
