"""The page about the plan names everything that can be written in one, and everything that can be
found wrong with it.
"""

from __future__ import annotations

import inspect
import re
import tomllib
import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from shared.privacy.plan import Plan, load, models
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "plan.md").read_text("utf-8")
RECKONED = {"digest"}
"""What a plan has and nobody writes."""


def keys() -> Iterator[str]:
    for part in (Plan, *vars(models).values()):
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from part.model_fields.keys() - RECKONED


@pytest.mark.parametrize("key", sorted(set(keys())))
def test_every_key_is_on_the_page(key: str) -> None:
    assert re.search(rf"[`\[.]{key}\b", PAGE)


def test_every_finding_is_on_the_page_and_no_other() -> None:
    table = PAGE[PAGE.index("| about | findings |") :]
    told = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", table))
    broken = (ROOT / "tests/privacy/plan/contradictions.toml").read_text("utf-8")
    found = {case["rule"] for case in tomllib.loads(broken)["contradiction"]}
    found |= set(re.findall(r'"(unreadable|not-[a-z0-9-]+)"', inspect.getsource(load)))
    assert told == found


def test_every_choice_is_on_the_page() -> None:
    for choices in (models.LegalBasis, models.RecipientRole, models.TransferGround, models.Anchor):
        for choice in typing.get_args(choices):
            assert f"`{choice}`" in PAGE
