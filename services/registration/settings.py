"""What the registration service reads from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service needs, how often time's own work is looked for, and what goes out."""

    periodic_interval_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds between two looks for events that ended and messages that waited long enough."""
    outgoing_folder: Path | None = Field(
        default=None,
        description="where lists lie that go to recipients; else `outgoing` beside the secrets",
    )

    @property
    def outgoing(self) -> Path:
        """Where what is disclosed lies until somebody brings it to its recipient."""
        return self.outgoing_folder or self.secrets.parent / "outgoing"
