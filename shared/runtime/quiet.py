"""What PostgreSQL's own log must not get: statements of services, parameters, errors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import structlog

from shared.runtime.database import Connection, queries

# A service's statements and their parameters hold references and, for a moment, aliases: the
# server's log gets neither. `fatal`, because the text of an error quotes values. The last two
# belong to extensions that a server may have loaded; where it has not, they mean nothing.
QUIET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "log_statement": "none",
        "log_min_messages": "fatal",
        "log_min_error_statement": "panic",
        "log_min_duration_statement": "-1",
        "log_min_duration_sample": "-1",
        "log_transaction_sample_rate": "0",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        "auto_explain.log_min_duration": "-1",
        "pgaudit.log_parameter": "off",
    }
)

_sql = queries("quiet.sql", __file__)
_log = structlog.get_logger(__name__)


async def loud_settings(connection: Connection) -> list[str]:
    """Names of settings by which this session's statements could get into the server's log.

    `steward migrate` sets them for each role; what is set for a role in one database prevails.
    """
    rows = _sql.loud_settings(connection, names=list(QUIET), wanted=list(QUIET.values()))
    return [row["name"] async for row in rows]


async def tell_if_loud(connection: Connection) -> None:
    """Log a warning that names the settings, where there are any."""
    if loud := await loud_settings(connection):
        _log.warning("the database may log personal data", settings=loud)
