"""The statements, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from services.audit.domain.entries import SpoiledEntryError
from shared.runtime.database import queries

SQL: Final = queries("../queries.sql", __file__)

_NO_JSON: Final = (
    asyncpg.InvalidTextRepresentationError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
)


@contextmanager
def reading_bodies() -> Iterator[None]:
    """SpoiledEntryError where a statement reads the bytes of entries, and some are none."""
    try:
        yield
    except _NO_JSON:
        raise SpoiledEntryError from None
