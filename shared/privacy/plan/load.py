"""From the file to the plan, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.privacy.plan import form
from shared.privacy.plan.findings import Finding, PlanError
from shared.privacy.plan.lines import Lines, without
from shared.privacy.plan.plan import Plan
from shared.privacy.plan.rules import RULES, RULES_OF_FILES, check
from shared.privacy.plan.rules.rule import Rule

VERSION = 1
"""The form of plans that this release reads."""


def load_plan(path: Path) -> Plan:
    """Read and check a plan that is to be in force. PlanError has every contradiction; nothing is
    loaded in part.
    """
    return load_with_text(path)[0]


def load_with_text(path: Path) -> tuple[Plan, bytes]:
    """The same, and the very bytes that were checked: read once more, a pipe is empty, and a file
    may be another one.
    """
    raw = _read(path)
    return _judged(raw, path, RULES_OF_FILES), raw


def load_former_plan(path: Path) -> Plan:
    """The same of one that is or was in force, maybe with other services than this release has."""
    return read_plan(_read(path), path)


def read_plan(raw: bytes, path: Path) -> Plan:
    """The same of the bytes of one that was in force; `path` is what findings call it."""
    return _judged(raw, path, RULES)


def _judged(raw: bytes, path: Path, rules: tuple[Rule, ...]) -> Plan:
    text, data = _parse(path, raw)
    lines = Lines(text)
    _refuse_other_version(path, data, lines)
    plan, findings = _build(path, data, lines, hashlib.sha256(raw).hexdigest())
    if plan is not None:
        findings += check(plan, lines, str(path), rules)
    if plan is None or findings:
        raise PlanError(path, findings)
    return plan


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _single(
            path,
            1,
            "unreadable",
            "this file should be the plan",
            f"it cannot be read: {error.strerror}",
            "Name the plan, or set STEWARD_PLAN",
        ) from None


def _text(path: Path, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _single(
            path,
            line,
            "not-utf-8",
            "TOML is written in UTF-8",
            f"byte {error.start} is not",
            "Save the file as UTF-8",
        ) from None
    if text.startswith("\ufeff"):
        raise _single(
            path,
            1,
            "not-utf-8",
            "TOML begins with its first letter",
            "this file begins with a byte order mark",
            "Save the file as UTF-8 without a byte order mark",
        )
    return text.replace("\r\n", "\n")


def _parse(path: Path, raw: bytes) -> tuple[str, dict[str, Any]]:
    text = _text(path, raw)
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        said = re.sub(r" \(at .*\)$", "", str(error))
        raise _single(
            path,
            line,
            "not-toml",
            "a plan is written in TOML",
            f"this line is not: {said}",
            "Put the line right; https://toml.io has the grammar",
        ) from None


def _single(path: Path, line: int, rule: str, says: str, but: str, remedy: str) -> PlanError:
    return PlanError(path, [Finding(str(path), line, rule, says, but, remedy)])


def _refuse_other_version(path: Path, data: dict[str, Any], lines: Lines) -> None:
    """A plan of another form would only give findings that mislead."""
    version = data.get("plan_version", VERSION)
    if type(version) is not int or version != VERSION:
        raise _single(
            path,
            lines.of(("plan_version",)),
            "other-version",
            f"this plan has plan_version {version!r}",
            f"this release reads version {VERSION}",
            "Use the release that the plan was written for, or rewrite the plan",
        )


def _build(
    path: Path, data: dict[str, Any], lines: Lines, digest: str
) -> tuple[Plan | None, list[Finding]]:
    """The plan as far as it has a form. Unknown keys are left out, so that the rest is judged."""
    findings: list[Finding] = []
    if "digest" in data:
        findings.append(
            Finding(
                str(path),
                lines.of(("digest",)),
                "unknown-key",
                "digest is written",
                "the digest is reckoned from the file",
                "Remove it",
            )
        )
    for _ in range(2):
        try:
            return Plan.model_validate({**data, "digest": digest}), findings
        except ValidationError as error:
            findings += form.findings(error, lines, str(path))
            unknown = [f["loc"] for f in error.errors() if f["type"] == "extra_forbidden"]
            if len(unknown) < error.error_count():
                break
            for location in unknown:
                without(data, location)
    return None, findings
