"""Entries of the audit log, with nothing personal in them."""

from __future__ import annotations

from typing import TypeVar
from uuid import uuid4

from shared.contract.audit import Entry
from tests.support.facts import NOON

E = TypeVar("E", bound=Entry)


def make_entry(type_: type[E], **over: object) -> E:
    """`make_entry(DataDisclosed, recipient="hotel")`: what is not given is made up."""
    given: dict[str, object] = {
        "at": NOON,
        "actor": "cli:maija",
        "plan_digest": "00",
        "service": "registration",
        "disclosure_id": uuid4(),
        "subject_id": uuid4(),
        "recipient": "caterer",
        "purpose": "dietary-needs",
        "legal_basis": "explicit-consent",
        "categories": ["contact", "diet"],
        "fields": ["contact.name", "diet.text"],
        "content_digest": "ab",
        "people": 1,
        "reason": "no-consent",
    }
    return type_.model_validate({**given, **over})
