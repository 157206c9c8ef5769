from __future__ import annotations

import pytest

from shared.contract.codec import CONTRACTS
from shared.contract.registry import REGISTRY
from shared.contract.topics import TOPICS, topic

assert CONTRACTS


def test_every_type_travels_on_a_topic_that_is_made() -> None:
    assert {registered.topic for registered in REGISTRY} <= {spec.name for spec in TOPICS}


def test_no_topic_takes_its_time_from_a_producer_and_none_is_compacted() -> None:
    for spec in TOPICS:
        assert spec.settings["message.timestamp.type"] == "LogAppendTime"
        assert spec.settings["cleanup.policy"] == "delete"


def test_clear_text_is_kept_for_days_and_the_audit_log_for_ever() -> None:
    week, month = 7 * 86_400_000, 30 * 86_400_000
    for spec in TOPICS:
        kept = -1 if spec.owner == "audit" else week if spec.inbound else month
        assert int(spec.settings["retention.ms"]) == kept


def test_the_log_has_one_order_and_everything_else_is_for_eight_processes() -> None:
    for spec in TOPICS:
        assert spec.partitions == (1 if spec.owner == "audit" else 8), spec.name


def test_what_is_to_be_gone_is_in_a_segment_that_is_closed_soon() -> None:
    """Only a closed one is deleted: clear text within ten minutes of its time."""
    minute, day = 60_000, 86_400_000
    for spec in TOPICS:
        closed = 7 * day if spec.owner == "audit" else 10 * minute if spec.inbound else day
        assert int(spec.settings["segment.ms"]) == closed, spec.name


def test_what_upstream_compresses_the_broker_opens() -> None:
    for spec in TOPICS:
        compressed = "uncompressed" if spec.inbound else None
        assert spec.settings.get("compression.type") == compressed, spec.name


def test_a_topic_that_is_not_registered_has_no_settings() -> None:
    with pytest.raises(KeyError):
        topic("elsewhere")
