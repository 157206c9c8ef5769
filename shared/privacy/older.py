"""Data that is older than the purpose it was to be used for: left sealed, and the log says so."""

from __future__ import annotations

from collections.abc import Sequence
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


def refuse_older(
    tx: Transaction | None, use: Use, items: Sequence[ToOpen], begins: datetime | None
) -> list[bool]:
    """Of each value whether it is older than the purpose; an entry for each person of whom one is.

    NotGrantedError where there is no transaction to say that in.
    """
    older = [is_earlier(item.collected_at, begins) for item in items]
    if not any(older):
        return older
    if tx is None:
        raise NotGrantedError(
            "data is older than the purpose, and there is no transaction to record that in"
        )
    categories: dict[SubjectId, set[str]] = {}
    for item, is_older in zip(items, older, strict=True):
        if is_older:
            categories.setdefault(item.subject_id, set()).add(item.category)
    for subject_id, refused in categories.items():
        entry = UseRefused(
            at=tx.now,
            actor=f"service:{use.service}",
            plan_digest=use.plan_digest,
            service=use.service,
            subject_id=subject_id,
            purpose=use.purpose,
            categories=tuple(sorted(refused)),
            reason=BEFORE_PURPOSE,
        )
        tx.say(entry, key=None, subject=subject_id)
    return older
