"""Why data did not go, or is not known to have arrived: the codes that entries tell it by.

Each has a phrase in every language that people are answered in (`services/audit/commands/words`).
"""

from __future__ import annotations

from typing import Literal

Refusal = Literal[
    # The request names what the plan in force does not have, or does not put together.
    "recipient-not-in-plan",
    "purpose-not-in-plan",
    "field-not-in-plan",
    "purpose-not-of-recipient",
    "field-not-of-recipient",
    "field-not-of-purpose",
    "field-not-of-authority",
    "not-granted",
    "recipient-not-designated",
    # The person said no, or not yes, or is not on the list any more.
    "objected",
    "restricted",
    "consent-missing",
    "no-longer-listed",
    # Of the data there is nothing that may go.
    "collected-before-purpose",
    "collected-before-recipient",
    "key-destroyed",
    "no-data",
    # Nobody could tell yet, or somebody ended it.
    "projection-behind",
    "given-up",
]
"""Why one person's data does not go (`DisclosureRefused`, `DisclosureWithheld`)."""

Failure = Literal[
    "projection-behind",
    "not-written",
    "not-taken-back",
    "interrupted",
    "delivery-failed",
]
"""Why what was released has not arrived, as far as is known (`DisclosureFailed`)."""
