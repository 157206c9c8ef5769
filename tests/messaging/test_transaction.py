"""What a transaction collects, and what it refuses to say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contract.message import Envelope, Message
from shared.contract.topics import MAX_MESSAGE_BYTES
from shared.messaging.kept_records import KeptRecord
from shared.messaging.unit_of_work import Speaker, Transaction, Unsayable, topics_said_by
from tests.support.messaging import Types

TYPES = Types.on("inbound", "facts")
NOW = datetime(2026, 11, 20, tzinfo=UTC)
OURS = "6a0d1a4c-5c52-4d9b-9f21-0f1f0a6f8f10"


def transaction() -> Transaction:
    speaker = Speaker("tests", lambda: UUID(int=7), {"facts"}, lambda text: b"digest")
    return Transaction(None, now=NOW, speaker=speaker)  # type: ignore[arg-type] # asks nothing


def message(source: str, identity: str) -> Message[Any]:
    record = KeptRecord("inbound", 3, 14, 0, b"k", b"", ())
    envelope = Envelope(identity, source, "Told", 1)
    return Message(record, envelope, TYPES.told.model_validate({"number": 1}))


def causes(tx: Transaction) -> list[str | None]:
    return [encoded.headers.get("ce_causationid") for encoded in tx.said]


def test_a_service_says_facts_to_its_own_topic_and_to_audit_only() -> None:
    assert topics_said_by("registration") == {"registration", "audit"}
    with pytest.raises(Unsayable, match="tests may not say Told"):
        transaction().say(TYPES.told.model_validate({"number": 1}), key=None)


@pytest.mark.parametrize(("spare", "fits"), [(1500, True), (100, False), (-1, False)])
def test_a_fact_larger_than_its_topic_takes_is_refused_at_once(spare: int, fits: bool) -> None:
    fact = TYPES.written.model_construct(number=1, key="x" * (MAX_MESSAGE_BYTES - spare))
    tx = transaction()
    if fits:
        tx.say(fact, key=uuid4())
        assert len(tx.said) == 1
    else:
        with pytest.raises(Unsayable, match="larger than its topic takes"):
            tx.say(fact, key=uuid4())


def test_a_cause_from_upstream_is_named_by_its_digest_and_our_own_by_its_id() -> None:
    tx = transaction()
    fact = TYPES.written(number=1, key="")
    tx.say(fact, key=None, because=message("https://forms.example.org/", "maija@example.org"))
    tx.say(fact, key=None, because=message("/steward/consent", OURS))
    tx.say(fact, key=None, because=message("/steward/consent", "maija@example.org"))
    tx.say(fact, key=None)
    assert causes(tx) == [b"digest".hex(), OURS, b"digest".hex(), None]


def test_what_a_savepoint_collected_is_forgotten_with_it() -> None:
    tx = transaction()
    fact = TYPES.written(number=1, key="")
    kept = message("s", "1")
    tx.say(fact, key=None)
    tx.decline(kept)
    mark = tx.mark()
    tx.say(fact, key=None)
    tx.wait(kept)
    tx.dead_letter(kept, "r", "d")
    tx.dropped(["contact.email"])
    tx.settle("inbound", 3, "accepted")
    tx.undo_to(mark)
    assert len(tx.said) == 1
    assert tx.outcomes == [(("inbound", 3, 14), "refused")]
    assert (tx.marked, tx.surplus, tx.counts) == ([], [], [])


def test_messages_that_waited_are_counted_once_when_they_are_settled() -> None:
    tx = transaction()
    tx.settle("inbound", 3, "refused", 2)
    assert tx.counts == [("inbound", 3, "waiting", -2), ("inbound", 3, "refused", 2)]
