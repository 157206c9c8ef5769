"""What the audit service reads from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.runtime.settings import ServiceSettings


def _is_origin(value: str) -> str:
    if re.fullmatch(r"[^\s+]+", value) is None:
        raise ValueError("expected a URL without scheme, as example.org/audit")
    return value


class Settings(ServiceSettings):
    """What every service needs, and where the log is published under which name."""

    # The topic has one partition, so that batches follow each other: what each costs whatever is in
    # it, the commit above all, is to be shared by many.
    batch_max_records: int = Field(default=4_000, ge=1, le=10_000)
    audit_folder: Path | None = Field(
        default=None, description="where the log is published; else `audit` beside the secrets"
    )
    # The name of the log for ever: a checkpoint of another name is one of another log.
    audit_origin: Annotated[str, AfterValidator(_is_origin)] = Field(
        default="localhost/audit", description="the name of the log in its checkpoints"
    )
    audit_checkpoint_s: float = Field(
        default=10.0, gt=0, le=3600, description="a log that grew is signed after so long"
    )

    audit_witnesses: str = Field(
        default="", description="witnesses of the log: key and URL of each, with commas between"
    )

    @property
    def published_folder(self) -> Path:
        """Where tiles, entries and checkpoints lie."""
        return self.audit_folder or self.secrets.parent / "audit"
