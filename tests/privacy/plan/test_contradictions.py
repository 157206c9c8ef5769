"""Each rule: the plan that is shipped is broken in one respect, and the finding says it all."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import TypedDict

import pytest

from shared.privacy.plan.rules import RULES_OF_FILES
from tests.support.plans import changed, findings


class Contradiction(TypedDict, total=False):
    """One table of `contradictions.toml`."""

    rule: str
    changes: list[tuple[str, str]]
    line: str
    other_line: str
    says: str
    but: str
    remedy: str


CONTRADICTIONS: list[Contradiction] = tomllib.loads(
    Path(__file__).with_name("contradictions.toml").read_text("utf-8")
)["contradiction"]


@pytest.mark.parametrize("case", CONTRADICTIONS, ids=lambda case: case["rule"])
def test_a_contradiction_is_told_with_file_line_both_sides_and_remedy(
    case: Contradiction, tmp_path: Path
) -> None:
    text = changed(*case["changes"])
    found = findings(tmp_path, text)
    mine = [finding for finding in found if finding.rule == case["rule"]]
    assert mine, [str(finding) for finding in found]
    lines = text.split("\n")
    finding = mine[0]
    assert lines[finding.line - 1] == case["line"]
    other = None if finding.other_line is None else lines[finding.other_line - 1]
    assert other == case.get("other_line")
    assert (finding.says, finding.but, finding.remedy) == (
        case["says"],
        case["but"],
        case["remedy"],
    )
    assert str(finding).startswith(f"{tmp_path}/plan.toml:{finding.line}: [{case['rule']}] ")


def test_every_rule_has_a_test() -> None:
    sources = "\n".join(inspect.getsource(rule) for rule in RULES_OF_FILES)
    named = set(re.findall(r"finding\(\s*\"([a-z-]+)\"", sources))
    tested = {case["rule"] for case in CONTRADICTIONS}
    assert named <= tested, named - tested
    assert len(named) >= 25
