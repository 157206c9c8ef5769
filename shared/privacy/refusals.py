"""Who is left out of a use, and the entries that say so. Pure.

Data is stored and no more where it is restricted (GDPR article 18(2)), is not used for what the
person objected to (article 21), nor for a purpose that began after it was collected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.contract.audit import UseRefused
from shared.contract.types import SubjectId
from shared.privacy.beginnings import BEFORE_PURPOSE, is_earlier
from shared.privacy.disclosure import Transaction
from shared.privacy.errors import NotGrantedError
from shared.privacy.values import ToOpen


@dataclass(frozen=True, slots=True)
class Use:
    """What for, by which service, and the digest of the plan in force."""

    purpose: str
    service: str
    plan_digest: str


def judge_use(
    items: Sequence[ToOpen], limits: Mapping[SubjectId, str], begins: datetime | None
) -> list[str | None]:
    """A reason code for each value that may not be used; None where it may.

    `limits` has that of those who objected to the purpose or whose data is restricted; the purpose
    covers what was collected from `begins` on.
    """
    return [
        limits.get(item.subject_id)
        or (BEFORE_PURPOSE if is_earlier(item.collected_at, begins) else None)
        for item in items
    ]


def say_refused(
    tx: Transaction | None, use: Use, items: Sequence[ToOpen], reasons: Sequence[str | None]
) -> None:
    """An entry for each person and reason. NotGrantedError where there is no transaction for it."""
    categories: dict[tuple[SubjectId, str], set[str]] = {}
    for item, reason in zip(items, reasons, strict=True):
        if reason is not None:
            categories.setdefault((item.subject_id, reason), set()).add(item.category)
    if not categories:
        return
    if tx is None:
        raise NotGrantedError(
            "some data may not be used for the purpose, and there is no transaction to record that"
        )
    for (subject_id, reason), refused in categories.items():
        entry = UseRefused(
            at=tx.now,
            actor=f"service:{use.service}",
            plan_digest=use.plan_digest,
            service=use.service,
            subject_id=subject_id,
            purpose=use.purpose,
            categories=tuple(sorted(refused)),
            reason=reason,
        )
        tx.say(entry, key=None, subject=subject_id)
