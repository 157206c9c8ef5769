"""Every topic and its settings. `steward migrate` makes them so; nothing else makes a topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

MAX_MESSAGE_BYTES: Final = 1_048_576
"""The largest record batch that the broker takes, and the largest body that the codec takes."""

INBOUND_KEPT: Final = timedelta(days=7)
"""The upper bound only: what is processed is deleted from the log after hours."""

FACTS_KEPT: Final = timedelta(days=30)

FOR_EVER: Final = "-1"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as the broker is to have it.

    `owner` is the service that says what is in it or, for an inbound topic, the one that takes it.
    `settings` are the broker's own names and values (Kafka, topic configs); times are in ms.
    """

    name: str
    partitions: int
    settings: Mapping[str, str]
    owner: str
    keyed_by: str
    inbound: bool


def _settings(retention: str, segment: timedelta) -> Mapping[str, str]:
    return MappingProxyType(
        {
            "cleanup.policy": "delete",
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            # Retention and waiting go by when the broker took a message: what an upstream clock
            # says must neither keep a message nor delete it.
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": retention,
            # Only a closed segment is deleted: its length is how late retention can be.
            "segment.ms": _milliseconds(segment),
        }
    )


def _milliseconds(period: timedelta) -> str:
    return str(period // timedelta(milliseconds=1))


def _inbound(name: str, owner: str, keyed_by: str) -> TopicSpec:
    settings = {
        **_settings(_milliseconds(INBOUND_KEPT), timedelta(minutes=10)),
        # Whatever an upstream compresses with, the broker opens: no codec that we lack can stop a
        # consumer, and what is too large when opened is refused at the door.
        "compression.type": "uncompressed",
    }
    return TopicSpec(name, 8, MappingProxyType(settings), owner, keyed_by, inbound=True)


def _facts(owner: str, keyed_by: str) -> TopicSpec:
    settings = _settings(_milliseconds(FACTS_KEPT), timedelta(days=1))
    return TopicSpec(owner, 8, settings, owner, keyed_by, inbound=False)


TOPICS: Final[tuple[TopicSpec, ...]] = (
    _inbound("inbound.registrations", "registration", "registration or event number"),
    _inbound("inbound.contacts", "consent", "contact number"),
    _inbound("inbound.finance", "finance", "document number"),
    _facts("registration", "subject id, or event id for facts about an event"),
    _facts("consent", "subject id"),
    _facts("finance", "subject id"),
    _facts("retention", "subject id or event id"),
    _facts("crm", "subject id"),
    # One partition: the order in the topic is the order of the log.
    TopicSpec("audit", 1, _settings(FOR_EVER, timedelta(days=7)), "audit", "nothing", False),
    # What the log was signed to be, where the database's administrator cannot change it.
    TopicSpec(
        "audit.checkpoints", 1, _settings(FOR_EVER, timedelta(days=7)), "audit", "nothing", False
    ),
)

INBOUND: Final = tuple(spec.name for spec in TOPICS if spec.inbound)
"""The topics that upstream systems write to."""

_BY_NAME: Final = {spec.name: spec for spec in TOPICS}


def topic(name: str) -> TopicSpec:
    """The topic of this name. Raises KeyError for a name that is not in `TOPICS`."""
    return _BY_NAME[name]
