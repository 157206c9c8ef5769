"""What every service counts, for Prometheus at `/metrics`.

A label's value is a registered name (topic, type, reason code, field) or a number, never text from
upstream: an unknown type counts under `UNREGISTERED`.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

UNREGISTERED = "unregistered"

REASONS: Final = (
    *("json_broken", "not_utf8", "too_large", "envelope_invalid", "field_missing", "field_invalid"),
    *("type_unknown", "version_unknown", "type_unexpected", "topic_unexpected", "source_unknown"),
    *("type_not_allowed", "identity_reused", "entry_too_large", "wording_unknown"),
    *("purpose_unknown", "category_unknown", "vat_class_unknown", "handler_failed"),
    *("decoder_failed", "admission_failed", "unreadable"),
)
"""Why a message can become a dead letter; docs/operations.md says what to do about each."""

MESSAGES_RECEIVED = Counter(
    "steward_messages_received", "Messages that came to any outcome, in committed batches."
)
"""Without labels, and so told from the start, at 0: what others are a share of."""
MESSAGES_PROCESSED = Counter(
    "steward_messages_processed",
    "Messages that came to an outcome, in committed batches.",
    ["topic", "type", "outcome"],
)
DUPLICATES = Counter(
    "steward_duplicates", "Messages that had been taken before under the same identity."
)
DEAD_LETTERS = Counter("steward_dead_letters", "Messages set aside for a person.", ["reason"])
for _reason in REASONS:
    # Told from the start, at 0: a series that begins with its full value has not grown for
    # Prometheus, and hundreds that are set aside between two scrapes would alarm nobody.
    DEAD_LETTERS.labels(_reason)
SURPLUS_FIELDS = Counter(
    "steward_surplus_fields", "Fields that were dropped because nobody declared them.", ["field"]
)
HANDLER_SECONDS = Histogram(
    "steward_handler_seconds",
    "Time from the start of a batch's transaction to its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CONSUMER_LAG = Gauge(
    "steward_consumer_lag",
    "Messages in the log beyond our position; of a partition that stands still, all of them.",
    ["topic", "partition"],
)
PARTITIONS_ASSIGNED = Gauge("steward_partitions_assigned", "Partitions that this process has.")
PARTITIONS_STOPPED = Gauge(
    "steward_partitions_stopped",
    "Those of them that stand still: their log lacks what is to be read next.",
)
OUTBOX_ROWS = Gauge("steward_outbox_rows", "Facts that wait to be published.")
OUTBOX_OLDEST_SECONDS = Gauge(
    "steward_outbox_oldest_seconds", "Age of the oldest fact that waits to be published."
)
DEAD_LETTERS_STANDING = Gauge(
    "steward_dead_letters_standing", "Messages that are set aside now, until a person decides."
)
PARKED_MESSAGES = Gauge(
    "steward_parked_messages", "Messages that wait behind a dead letter of their key."
)
PARKED_KEYS = Gauge("steward_parked_keys", "Keys whose messages wait behind a dead letter.")
CERTIFICATE_EXPIRY = Gauge(
    "steward_certificate_expiry_timestamp_seconds",
    "Until when Kafka accepts the certificate that it is shown (Unix time); 0 without one.",
)
READY = Gauge("steward_ready", "1 while `/readyz` says that nothing is missing, else 0.")
LOOP_RESTARTS = Counter(
    "steward_loop_restarts", "Loops of this process that failed and were started again.", ["loop"]
)
HANDOVERS_WAITING = Gauge(
    "steward_handovers_waiting", "Disclosures whose recipient does not have them yet."
)
HANDOVER_OLDEST_SECONDS = Gauge(
    "steward_handover_oldest_seconds", "Age of the oldest disclosure that waits for its delivery."
)
HANDOVERS_FAILED = Gauge(
    "steward_handovers_failed", "Disclosures that nobody delivers any more by themselves."
)
