"""What the retention service reads from the environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service needs, and how often time's own work is looked for."""

    periodic_interval_s: Annotated[float, Field(gt=0, le=3600)] = 20.0
    """Seconds between two looks for refused accesses, for aliases of the long erased, for what is
    due, and for another plan, which the schedule has to follow."""
