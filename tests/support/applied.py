"""Plans that come into force on a test's database, as `steward plan apply` puts them there."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from services.cli.plan.applying import apply_plan, plan_in_force
from shared.privacy.plan import load_with_text
from tests.support.plans import written


async def apply(database: str, folder: Path, text: str) -> None:
    """Put the plan with this text in force for all services."""
    administrator = await asyncpg.connect(database)
    try:
        before = await plan_in_force(administrator)
        assert before is not None
        wanted = load_with_text(written(folder, text))
        await apply_plan(administrator, wanted, instead_of=before.digest, actor="cli:tester")
    finally:
        await administrator.close()
