"""Who the log is: its name and the key that signs for it."""

from __future__ import annotations

from services.audit.domain.notes import SigningKey
from services.audit.settings import Settings
from shared.runtime.secrets import SecretsFolder


def signing_key(settings: Settings) -> SigningKey:
    """What checkpoints are signed with, under the log's name. Raises SecretsError."""
    return SigningKey(settings.audit_origin, SecretsFolder(settings.secrets).audit_signing_key())
