"""What a service wants to hear of one topic, and what handles it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contract.codec import PassesOver
from shared.contract.message import Fault, Message
from shared.contract.registry import MessageData
from shared.messaging.unit_of_work import Transaction
from shared.runtime.database import Connection

Handler = Callable[[Transaction, Sequence[Message[Any]]], Awaitable[None]]
"""A use case: many messages of one type, no key twice, and the transaction they belong to.

It writes through `transaction.connection` and speaks through `transaction.say`. What it raises is
either transient (`shared.runtime.database.is_transient`: all of it is tried again) or the fault of
one of the messages, which is then looked for. A handler may be called again with the same messages,
or fewer of them, after a roll back: it keeps nothing outside of the transaction.
"""


class Permanent(Exception):  # noqa: N818 - the opposite of transient, and known by that name
    """Raised by a handler for a single message that will never be handled as it is."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Halted(Exception):  # noqa: N818 - what it is, not that it is an error
    """Raised by a handler that may not go on, whatever the messages: they wait, and readiness says
    why. The text is a sentence of our own.
    """


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic of a service.

    The order of `handlers` is the order of types among messages that have nothing else to order
    them. `ignored` are known types that this service does not need. `never_waits` are handled even
    when an earlier message of their key failed (any no, objection, restriction, erasure). `waits`
    is pure and says of a message of another type whether it waits then.
    `prepare` is called once for a batch, before any handler, with all its messages: it does what
    can be done for all of them at once, keeps it in `transaction.made_ready`, and then locks the
    rows that many of them need, sorted. `concerns` is pure and says of a message that would be
    handled whether there is anything to do about it: if not, it is ignored, as often as it comes.
    `passes_over` says the same by the envelope alone: of what it passes over the body is not read.
    `admit` is pure and says whether a message may come from where it comes. `knows_its_own`: of
    these types the handlers know for ever what they have had, by what it is about, and say so
    (`Transaction.had`); the inbox, which forgets, is not asked. `urgent`: people wait for it, so it
    is read beside the other topics, by a consumer of its own. `rehearse` asks all that the handlers
    need of the database about nothing at all: then a connection knows their statements, and whoever
    comes first is not kept waiting for that.
    """

    topic: str
    handlers: Mapping[type[MessageData], Handler]
    ignored: frozenset[type[MessageData]] = frozenset()
    never_waits: frozenset[type[MessageData]] = frozenset()
    waits: Callable[[Message[Any]], bool] | None = None
    prepare: Handler | None = None
    concerns: Callable[[Message[Any]], bool] | None = None
    passes_over: PassesOver | None = None
    admit: Callable[[Message[Any]], Fault | None] | None = None
    knows_its_own: frozenset[type[MessageData]] = frozenset()
    urgent: bool = False
    rehearse: Callable[[Connection], Awaitable[None]] | None = None
