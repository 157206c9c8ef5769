"""What a user is told when a command fails."""

from __future__ import annotations

import errno
import sys
from typing import Final

# Errors whose text is written for the user. Looked up among what is loaded: nothing is imported
# here that the command did not need.
_TOLD = (
    ("shared.local.errors", "LocalError"),
    ("shared.runtime.settings", "SettingsError"),
    ("shared.runtime.secrets", "SecretsError"),
    ("shared.runtime.migration_files", "MigrationError"),
    ("shared.runtime.topics", "TopicError"),
    ("shared.runtime.http", "PortError"),
    ("shared.messaging.subscription", "Halted"),
    ("shared.privacy.plan.findings", "PlanError"),
    ("shared.privacy.errors", "WrongKeyError"),
    ("shared.runtime.unavailable", "UnavailableError"),
    ("shared.local.administrator", "NotAdministratorError"),
    ("services.audit.domain.entries", "SpoiledEntryError"),
    ("services.audit.store.folder", "FolderError"),
    ("services.audit.store.web", "WebError"),
    ("shared.privacy.errors", "NoPlanError"),
    ("shared.privacy.errors", "OtherPlanError"),
    ("shared.privacy.ports", "NotTakenBackError"),
)

_SIGN_IN = "28"  # class of SQLSTATE (PostgreSQL, appendix A)

_OF_THIS_MACHINE: Final = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    }
)
"""What no server elsewhere is to blame for, also where the error names no file."""


def sentence(error: Exception) -> str:
    """The error's own text where it is meant to be read; else its class and place, no values.

    Texts of asyncpg, pydantic and the like quote the data that they met.
    """
    return _own_words(error) or _of_this_machine(error) or _of_servers(error)


def _own_words(error: Exception) -> str | None:
    for module, name in _TOLD:
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and isinstance(error, known):
            return str(error)
    return None


def _of_this_machine(error: BaseException) -> str | None:
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, OSError) and (first.filename or first.errno in _OF_THIS_MACHINE):
        return f"{first.filename or 'this machine'}: {first.strerror}"
    return None


def _of_servers(error: Exception) -> str:
    from shared.runtime.database import describe, is_transient, lacks_migration

    # Services go on trying, and so it is transient; who gave a command has to do something.
    if str(getattr(error, "sqlstate", None)).startswith(_SIGN_IN):
        return (
            f"the database refuses the sign-in ({type(error).__name__}): `steward migrate` sets "
            "passwords of services anew; the administrator's user and password are in DATABASE_URL"
        )
    if is_transient(error):
        return (
            f"the database or Kafka cannot be reached ({type(error).__name__}); see "
            "`steward status`, or check DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS"
        )
    if lacks_migration(error):
        return (
            f"the database lacks what this release asks of it ({type(error).__name__}): run"
            " `steward migrate`"
        )
    kafka = getattr(sys.modules.get("aiokafka.errors"), "KafkaError", None)
    if kafka is not None and isinstance(error, kafka):
        return (
            f"Kafka cannot be used ({type(error).__name__}); see `steward status`, or check"
            " KAFKA_BOOTSTRAP_SERVERS, and what its certificate or password may do"
        )
    return f"this should not happen, please report it: {describe(error)}"
