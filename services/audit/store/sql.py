"""The statements, by name."""

from __future__ import annotations

from typing import Final

from shared.runtime.database import queries

SQL: Final = queries("../queries.sql", __file__)
