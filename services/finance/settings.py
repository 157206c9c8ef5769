"""What the finance service reads from the environment."""

from __future__ import annotations

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing beyond what every service needs."""
