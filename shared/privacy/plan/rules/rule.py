"""What a rule is given, and how it says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.lines import Lines, Path
from shared.privacy.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Case:
    """A plan under examination."""

    plan: Plan
    lines: Lines
    file: str

    def finding(
        self, rule: str, at: Path, says: str, but: str, remedy: str, *, other: Path | None = None
    ) -> Finding:
        """A contradiction between what stands `at` one place and at `other`, or in general."""
        other_line = None if other is None else self.lines.of(other)
        return Finding(self.file, self.lines.of(at), rule, says, but, remedy, other_line)


Rule = Callable[[Case], Iterator[Finding]]


def listed(names: Iterable[str]) -> str:
    """Names for a sentence, sorted; `none` where there are none."""
    return ", ".join(sorted(names)) or "none"
