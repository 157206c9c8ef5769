"""What became of each disclosure to one recipient."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.audit.domain.entries import StoredEntry, log_entry
from services.audit.domain.recipient_history import Counted, recipient_history
from shared.contract.audit import (
    DataDisclosed,
    DisclosureDelivered,
    DisclosureFailed,
    DisclosureRefused,
    Entry,
)
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts

DISCLOSURE = uuid4()


def stored(kind: type[Entry]) -> StoredEntry:
    entry = make_entry(kind, disclosure_id=DISCLOSURE, reason="recipient-away")
    return StoredEntry(7, log_entry(Facts().message(entry)).body)


@pytest.mark.parametrize(
    ("released", "first", "last_word", "outcome", "reason"),
    [
        (2, DataDisclosed, None, "not delivered yet", None),
        (2, DataDisclosed, DisclosureDelivered, "delivered", None),
        (2, DataDisclosed, DisclosureFailed, "failed", "recipient-away"),
        (2, DisclosureRefused, DisclosureDelivered, "delivered", None),
        (0, DisclosureRefused, None, "refused", None),
        (0, DisclosureRefused, DisclosureDelivered, "refused", None),
    ],
)
def test_the_outcome_of_a_disclosure(
    released: int,
    first: type[Entry],
    last_word: type[Entry] | None,
    outcome: str,
    reason: str | None,
) -> None:
    counted = Counted(DISCLOSURE, stored(first), released, 1)
    (one,) = recipient_history([counted], [stored(last_word)] if last_word else [])
    assert (one.outcome, one.reason) == (outcome, reason)
    assert (one.sequence, one.at, one.released, one.refused) == (7, NOON, released, 1)
    assert one.fields == ("contact.name", "diet.text")
