"""What the consent service reads from the environment."""

from __future__ import annotations

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service needs."""
