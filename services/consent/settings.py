"""What the consent service reads from the environment."""

from __future__ import annotations

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service needs."""

    # A withdrawal counts at once (article 7(3)): whoever is busy with anything else gives way.
    niceness: int = Field(
        default=0, ge=0, le=19, description="0: as others; 19: others go first as far as can be"
    )
