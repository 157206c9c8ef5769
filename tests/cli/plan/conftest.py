from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.privacy.plan import Plan, load_plan
from tests.support.plans import PLAN, changed, written

Changed = Callable[..., Plan]
"""`changed_plan(("old", "new"), …)`: the plan that is shipped, changed, and still in order."""


@pytest.fixture(scope="session")
def plan() -> Plan:
    return load_plan(PLAN)


@pytest.fixture
def changed_plan(tmp_path: Path) -> Changed:
    def change(*changes: tuple[str, str]) -> Plan:
        return load_plan(written(tmp_path, changed(*changes), "changed.toml"))

    return change
