"""What is wrong with a plan, said so that it can be put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction: where it is, what one side says, what the other says, what to do."""

    file: str
    line: int
    rule: str
    says: str
    but: str
    remedy: str
    other_line: int | None = None

    def __str__(self) -> str:
        other = "" if self.other_line is None else f" (line {self.other_line})"
        return (
            f"{self.file}:{self.line}: [{self.rule}] {self.says}, but {self.but}{other}. "
            f"{self.remedy}"
        )


class PlanError(Exception):
    """The plan cannot be used. `findings` has everything that is wrong, in the file's order."""

    def __init__(self, path: Path, findings: Sequence[Finding]) -> None:
        self.path = path
        self.findings = tuple(sorted(findings, key=lambda finding: (finding.line, finding.rule)))
        super().__init__("\n".join(str(finding) for finding in self.findings))
