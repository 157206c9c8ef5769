"""Personal data before the eyes of a member of staff: what may be read, and the entries. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from shared.contract.audit import DataAccessed
from shared.contract.types import SubjectId
from shared.privacy.errors import NotGrantedError
from shared.privacy.plan import Plan
from shared.privacy.values import Disclosed, ToOpen


def refuse_reading(plan: Plan, categories: Collection[str]) -> None:
    """NotGrantedError where no duty of the plan reads one of the categories: then nobody does."""
    readable = {category for duty in plan.duties.values() for category in duty.reads}
    if missing := set(categories) - readable:
        names = ", ".join(sorted(missing & plan.categories.keys())) or "an unknown one"
        raise NotGrantedError(f"no duty of the plan reads the category: {names}")


def entries(
    items: Sequence[ToOpen],
    opened: Sequence[Disclosed | None],
    *,
    actor: str,
    purpose: str,
    plan: Plan,
    service: str,
    at: datetime,
) -> list[DataAccessed]:
    """One entry for each person of whom something is shown, with the names of what is."""
    fields: dict[SubjectId, set[str]] = {}
    for item, value in zip(items, opened, strict=True):
        if value is not None:
            shown = {f"{item.category}.{name}" for name in value.reveal()}
            fields.setdefault(item.subject_id, set()).update(shown)
    return [
        DataAccessed(
            at=at,
            actor=actor,
            plan_digest=plan.digest,
            service=service,
            subject_id=subject_id,
            purpose=purpose,
            categories=tuple(sorted({name.partition(".")[0] for name in names})),
            fields=tuple(sorted(names)),
            by="staff",
        )
        for subject_id, names in fields.items()
    ]
