"""The consumers of a process: what is urgent is read beside everything else, not behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from shared.messaging.consumer import Consumer
from shared.messaging.manner import URGENT, Manner
from shared.messaging.processing import Tools
from shared.messaging.service import Service
from shared.messaging.transport import Transport
from shared.runtime.health import Heartbeats
from shared.runtime.settings import Hears

_HEARD_BY: Final[Mapping[Hears, Sequence[str]]] = {
    "all": (URGENT, ""),
    "urgent": (URGENT,),
    "rest": ("",),
}

GATHER_S: Final = 0.08
"""A batch costs as much as dozens of messages. While few come, those of so long make one: the
processors are then free for what is urgent, and for the other services."""


def consumers_of(
    service: Service,
    transport: Transport,
    heartbeats: Heartbeats,
    *,
    inbox_key: bytes,
    tools: Tools,
    group: str | None = None,
) -> dict[str, Consumer]:
    """A consumer for the urgent topics of a service and one for the others, by their names.

    One alone fetches nothing while it has records of a broker that are not at work yet, and has
    its batches at work whatever comes meanwhile: behind a crowd that registers, a withdrawal would
    wait for the crowd. Only what this process is to hear has one.
    """
    parts = {
        URGENT: [one for one in service.subscriptions if one.urgent],
        "": [one for one in service.subscriptions if not one.urgent],
    }
    return {
        name: Consumer(
            replace(service, subscriptions=part),
            transport,
            heartbeats,
            inbox_key=inbox_key,
            tools=tools,
            group=group and f"{group}{name}",
            manner=Manner(name, 0.0 if name == URGENT else GATHER_S),
        )
        for name in _HEARD_BY[service.settings.hears]
        if (part := parts[name])
    }
