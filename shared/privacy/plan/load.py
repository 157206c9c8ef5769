"""From the file to the plan, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from shared.privacy.plan.plan import Plan


def load_plan(path: Path) -> Plan:
    """Read and check a plan. PlanError names every contradiction; nothing is loaded in part."""
    raw = path.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    return Plan.model_validate({**tomllib.loads(raw.decode()), "digest": digest})
