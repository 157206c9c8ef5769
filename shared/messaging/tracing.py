"""What of a message's way can be followed from outside: nothing, unless `spans` is put in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from shared.messaging.places import Place
from shared.messaging.planning import Taken
from shared.messaging.round import Round


class Trace(Protocol):
    """The messages of one try at a batch, on their way through this service."""

    @property
    def parents(self) -> Mapping[Place, str]:
        """What facts go on from that are said because of these messages: a `traceparent` each
        (W3C Trace Context, section 3.2), by place.
        """
        ...

    def end(self, round_: Round) -> None:
        """All of it has committed. Of a try that was rolled back nothing is told."""
        ...


Traces = Callable[[Sequence[Taken]], Trace]
"""Begins to follow the messages of a batch."""


class _Untraced:
    parents: Mapping[Place, str] = MappingProxyType({})

    def end(self, round_: Round) -> None:
        pass


_UNTRACED = _Untraced()


def untraced(taken: Sequence[Taken]) -> Trace:
    """Follows nothing. Facts go on from what upstream said."""
    del taken
    return _UNTRACED
