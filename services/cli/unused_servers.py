"""What a demonstration may use of an environment that may be another system's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg

from shared.contract.topics import TOPICS
from shared.runtime.roles import is_there
from shared.runtime.settings import KafkaSettings
from shared.runtime.topics import topics_there

_OF_ANY_SYSTEM: Final = ("STEWARD_LOG_FORMAT", "STEWARD_LOG_LEVEL")


def without_another_system(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what names a system's own: its folders, keys, witnesses."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("STEWARD_") or name in _OF_ANY_SYSTEM
    }


async def used_by_another(environ: Mapping[str, str]) -> list[str]:
    """Variables that name a server on which there is a Steward already; it is not changed.

    Whatever joins its consumers takes their messages, and gives its roles other passwords. Raises
    SettingsError, and what connecting raises.
    """
    return [
        variable
        for variable, is_used in (
            ("KAFKA_BOOTSTRAP_SERVERS", _has_topics),
            ("DATABASE_URL", _has_roles),
        )
        if environ.get(variable) and await is_used(environ)
    ]


async def _has_topics(environ: Mapping[str, str]) -> bool:
    return bool(await topics_there(KafkaSettings.load(environ).cluster, TOPICS))


async def _has_roles(environ: Mapping[str, str]) -> bool:
    """Roles are of the whole server: another database on it would not do."""
    connection = await asyncpg.connect(environ["DATABASE_URL"], timeout=10)
    try:
        return await is_there(connection)
    finally:
        await connection.close()
