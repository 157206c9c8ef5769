"""What the consent service reads from the environment."""

from __future__ import annotations

from shared.runtime.settings import Niceness, ServiceSettings


class Settings(ServiceSettings):
    """What every service needs."""

    # A withdrawal counts at once (article 7(3)): whoever is busy with anything else gives way.
    niceness: Niceness = 0
