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


def test_the_audit_log_has_one_order() -> None:
    assert topic("audit").partitions == 1


def test_a_topic_that_is_not_registered_has_no_settings() -> None:
    with pytest.raises(KeyError):
        topic("elsewhere")
