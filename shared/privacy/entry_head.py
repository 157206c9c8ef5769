"""What every entry begins with that somebody's doing leads to."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from shared.privacy.disclosure import Transaction
from shared.privacy.privacy import Privacy


class EntryHead(TypedDict):
    """When, by whom, under which plan and in which service."""

    at: datetime
    actor: str
    plan_digest: str
    service: str


def entry_head(tx: Transaction, privacy: Privacy, actor: str) -> EntryHead:
    """Of what is done in a transaction, under the plan in force."""
    return {
        "at": tx.now,
        "actor": actor,
        "plan_digest": privacy.plan.digest,
        "service": privacy.service,
    }
