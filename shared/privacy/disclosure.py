"""What is asked of `disclose()`, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.contract.registry import MessageData
from shared.contract.types import DisclosureId, EventId, Sealed, SubjectId
from shared.privacy.values import Disclosed


@dataclass(frozen=True, slots=True)
class PersonToDisclose:
    """One person whose data is asked for.

    `refusal` is a reason code (of the form `objected`, `restricted`, `not-taking-part`) where the
    service's own projections say no. `consented` is what they say of consent to the purpose: only
    True lets data go on a purpose that rests on consent. `fields` limits what of this person may
    go (opt-in per field); None does not limit.
    """

    subject_id: SubjectId
    sealed: Mapping[str, Sealed]
    refusal: str | None = None
    consented: bool | None = None
    fields: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class DisclosureRequest:
    """To whom, what for, which fields (`category.name`), of whom, and who asks.

    `event_recipients` are the recipients that the event names; a recipient that the plan lets an
    event designate gets nothing without being among them.
    """

    recipient: str
    purpose: str
    fields: Sequence[str]
    people: Sequence[PersonToDisclose]
    actor: str
    event_id: EventId | None = None
    event_recipients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one call of `disclose()` released and refused, in the order asked for."""

    id: DisclosureId
    recipient: str
    purpose: str
    actor: str
    released: Sequence[tuple[SubjectId, Disclosed]] = field(default=())
    refused: Sequence[tuple[SubjectId, str]] = field(default=())


class Transaction(Protocol):
    """What `disclose()` needs of a unit of work; the one of `shared.messaging` has it."""

    @property
    def connection(self) -> object: ...

    @property
    def now(self) -> datetime: ...

    def new_id(self) -> UUID: ...

    def say(self, data: MessageData, *, key: UUID | None, subject: UUID | None = None) -> None: ...
