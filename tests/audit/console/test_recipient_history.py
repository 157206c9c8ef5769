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


def stored(kind: type[Entry], **said: object) -> StoredEntry:
    entry = make_entry(kind, disclosure_id=DISCLOSURE, **{"reason": "recipient-away", **said})
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
    counted = Counted(DISCLOSURE, stored(first), released, refused=1, withheld=0, unsure=0)
    (one,) = recipient_history([counted], [stored(last_word)] if last_word else [])
    assert (one.outcome, one.reason) == (outcome, reason)
    assert (one.sequence, one.at, one.released, one.refused) == (7, NOON, released, 1)
    assert one.fields == ("contact.name", "diet.text")


@pytest.mark.parametrize(
    ("reason", "may_have_reached", "outcome"),
    [
        ("not-written", True, "may have arrived"),
        ("not-written", False, "failed"),
        ("not-written", None, "failed"),
        ("interrupted", None, "may have arrived"),
        ("interrupted", False, "failed"),
        ("delivery-failed", None, "may have arrived"),
    ],
)
def test_what_failed_says_itself_whether_it_may_have_arrived_and_else_the_reason_tells(
    reason: str, may_have_reached: bool | None, outcome: str
) -> None:
    last_word = stored(DisclosureFailed, reason=reason, may_have_reached=may_have_reached)
    counted = Counted(DISCLOSURE, stored(DataDisclosed), 2, refused=0, withheld=0, unsure=0)
    (one,) = recipient_history([counted], [last_word])
    assert (one.outcome, one.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("released", "withheld", "unsure", "last_word", "outcome"),
    [
        (0, 2, 0, None, "withheld"),
        (0, 2, 0, DisclosureFailed, "withheld"),
        (2, 0, 2, None, "may have arrived"),
        (1, 1, 1, DisclosureFailed, "may have arrived"),
        (2, 0, 1, None, "not delivered yet"),
        (2, 1, 1, DisclosureDelivered, "delivered"),
        (2, 1, 1, DisclosureFailed, "failed"),
    ],
)
def test_where_everybody_was_withheld_that_is_the_outcome(
    released: int, withheld: int, unsure: int, last_word: type[Entry] | None, outcome: str
) -> None:
    counted = Counted(DISCLOSURE, stored(DataDisclosed), released, 0, withheld, unsure)
    (one,) = recipient_history([counted], [stored(last_word)] if last_word else [])
    assert (one.outcome, one.withheld) == (outcome, withheld)
