from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.plan import app
from tests.support.plans import PLAN, changed, written

BROKEN = changed(('period = "P6Y"', 'period = "P1Y"'), ('hears = ["audit"]', 'hears = ["audits"]'))


def test_a_plan_that_agrees_is_approved() -> None:
    result = CliRunner().invoke(app, ["check", str(PLAN)])
    assert result.exit_code == 0
    assert "agrees with itself" in result.output


def test_every_contradiction_is_named_and_the_exit_code_is_1(tmp_path: Path) -> None:
    file = written(tmp_path, BROKEN)
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert [line.partition("[")[2].partition("]")[0] for line in result.stderr.splitlines()] == [
        "accounting-kept-too-shortly",
        "unknown-topic",
        "",
    ]
    assert result.stderr.endswith("2 contradictions\n")


def test_findings_come_as_json_too(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(written(tmp_path, BROKEN)), "--json"])
    assert result.exit_code == 1
    assert [f["rule"] for f in json.loads(result.stdout)["findings"]] == [
        "accounting-kept-too-shortly",
        "unknown-topic",
    ]


def test_the_plan_of_the_environment_is_the_one_that_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEWARD_PLAN", str(written(tmp_path, "plan_version = 9")))
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert "other-version" in result.stderr
