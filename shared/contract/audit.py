"""Entries of the audit log. They hold ids and field names, never a personal value."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contract.registry import MessageData, message
from shared.contract.types import DisclosureId, EventId, FieldName, Moment, PlanName, SubjectId

TOPIC = "audit"
CHECKPOINTS = "audit.checkpoints"


class Entry(MessageData):
    """What every entry says. `actor` is an account id, or `cli:` and the account of a command."""

    at: Moment
    actor: str
    plan_digest: str
    service: PlanName


class Handed(Entry):
    """What became of one person's data when a recipient was to have it."""

    disclosure_id: DisclosureId
    subject_id: SubjectId
    recipient: PlanName
    purpose: PlanName
    legal_basis: PlanName
    categories: tuple[PlanName, ...]
    fields: tuple[FieldName, ...]
    event_id: EventId | None = None


@message(topic=TOPIC)
class DataDisclosed(Handed):
    """One person's data was handed to a third party or to participants (article 15(1)(c))."""

    content_digest: str
    """HMAC-SHA256, hex, of what left, under a salt that is destroyed with the subject's keys."""


@message(topic=TOPIC)
class DataTransmitted(Handed):
    """One person's data was sent to a processor (article 28)."""

    content_digest: str


RequestReference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./:_-]{0,59}$")]
"""The number that an authority gave to its request: no name, no address."""


@message(topic=TOPIC)
class DataDisclosedToAuthority(Handed):
    """One person's data was handed to an authority that asked for it by law (article 6(1)(c)).

    `purpose` is what the data was collected for.
    """

    content_digest: str
    law: str
    """What the authority may ask by, as the plan names it."""
    request_reference: RequestReference


@message(topic=TOPIC)
class DisclosureRefused(Handed):
    """One person's data was asked for and not handed over."""

    reason: PlanName


@message(topic=TOPIC)
class DisclosureWithheld(Entry):
    """One person's data was released and is not handed over after all: what allows it has ended."""

    disclosure_id: DisclosureId
    subject_id: SubjectId
    recipient: PlanName
    purpose: PlanName
    reason: PlanName
    may_have_reached: bool
    """An earlier try ended without a word: the recipient may have it nevertheless."""
    event_id: EventId | None = None


@message(topic=TOPIC)
class DisclosureDelivered(Entry):
    """What a disclosure released has reached its recipient."""

    disclosure_id: DisclosureId
    recipient: PlanName
    people: int


@message(topic=TOPIC)
class DisclosureFailed(Entry):
    """What a disclosure released is not known to have reached its recipient."""

    disclosure_id: DisclosureId
    recipient: PlanName
    people: int
    reason: PlanName
    may_have_reached: bool | None = None
    """A try ended without a word, or broke off: the recipient may have it nevertheless. None: said
    by a release that did not tell; then the reason has to."""


@message(topic=TOPIC)
class ConsentRecorded(Entry):
    """What a person said of a purpose that rests on consent is on record (article 7(1)). The entry
    outlives the record.
    """

    subject_id: SubjectId
    purpose: PlanName
    state: Literal["given", "refused", "withdrawn", "expired"]
    record_digest: str
    """HMAC-SHA256, hex, of the record, under a key that an erasure leaves: who holds a copy of the
    record can have it proven."""


@message(topic=TOPIC)
class DataAccessed(Entry):
    """A person with a duty read personal data."""

    subject_id: SubjectId | None
    purpose: PlanName
    categories: tuple[PlanName, ...]
    fields: tuple[FieldName, ...]
    by: Literal["staff", "system"] = "staff"


@message(topic=TOPIC)
class AccessRefused(Entry):
    """A service asked for categories that the plan does not grant it, and got nothing.

    `actor` is `service:` and its name; what was asked for within a minute is one entry.
    """

    categories: tuple[PlanName, ...]
    """Empty where the plan has no category of the name that was asked for."""
    purpose: PlanName | None
    """None where it asked to seal, or for a purpose that the plan does not have."""
    minute: Moment
    attempts: int
    refused_by: Literal["door", "keyring"]


@message(topic=TOPIC)
class KeysDestroyed(Entry):
    """Keys were destroyed: what they sealed is unreadable, and facts up to `cut_off` add nothing.

    What is None does not narrow it down. Of a person there is an entry for each of the subjects.
    """

    subject_id: SubjectId | None
    event_id: EventId | None
    retention_class: PlanName | None
    categories: tuple[PlanName, ...]
    keys: int
    cut_off: Moment
    due_on: date | None = None
    """Narrows it down to what might be kept no longer on that day."""


@message(topic=TOPIC)
class KeysRotated(Entry):
    """All keys are wrapped by another key-encryption key; the one before wraps nothing any more."""

    key_encryption_key: str
    """Its id, which is derived from it and no secret."""
    replaced: str
    keys: int
    """How many keys were wrapped anew; others were destroyed meanwhile."""


@message(topic=TOPIC)
class PersonalDataErased(Entry):
    """One person's data of a retention class is gone everywhere (article 17): each service has
    answered that it deleted its own, and then the keys were destroyed. Of what a person at a
    keyboard does, `KeysDestroyed` alone is said.
    """

    erasure_id: UUID
    """The same for each of the subjects that are one person, and for each class of one request."""
    subject_id: SubjectId
    event_id: EventId | None
    retention_class: PlanName
    categories: tuple[PlanName, ...]
    cut_off: Moment
    reason: Literal["period-over", "request", "consent-withdrawn", "objection"]


@message(topic=TOPIC)
class PrivacyRequestClosed(Entry):
    """What a person asked for was answered (articles 12, 15 to 21)."""

    request_id: UUID
    subject_id: SubjectId | None
    """None where nobody was found by what the request names."""
    kind: Literal["access", "erasure", "rectification", "restriction", "portability", "objection"]
    outcome: Literal["granted", "partly-granted", "refused"]
    reason: PlanName | None
    """Why not wholly granted (article 12(4)), as a law that has data kept."""
    opened_at: Moment
    """When it came: a month is what article 12(3) gives."""


@message(topic=TOPIC)
class SignedIn(Entry):
    """A member of staff signed in: `actor`, an account id."""

    session_id: UUID
    duties: tuple[PlanName, ...]
    """Those of the session: what it may be used for."""


@message(topic=TOPIC)
class SignInFailed(Entry):
    """Somebody tried to sign in and could not. `actor` is the account, or `service:` and the name
    of who refused where none has the name that was given.
    """

    reason: Literal["unknown-account", "wrong-password", "locked", "closed"]
    name_digest: str
    """Keyed digest, hex, of the name that was given, which can be anybody's, or a password."""


class _Link(Entry):
    subject_id: SubjectId
    kind: Literal["email", "phone", "person_number"]
    reason: PlanName


@message(topic=TOPIC)
class SubjectLinked(_Link):
    """An alias leads to a subject from now on. `led_to` is whom it led to before, if anybody; for a
    same person, who became it.
    """

    led_to: SubjectId | None


@message(topic=TOPIC)
class SubjectUnlinked(_Link):
    """An alias leads to a subject no longer."""


@message(topic=TOPIC)
class AliasesForgotten(Entry):
    """Nothing leads from an alias to people any more who were erased before a moment."""

    erased_before: Moment
    aliases: int


@message(topic=TOPIC)
class DeadLetterDiscarded(Entry):
    """Somebody gave up for good a message of this service that could not be handled."""

    letter_topic: str
    letter_partition: int
    letter_offset: int
    letter_type: str | None = None
    """Where it is a type that its topic carries."""
    reason: str


@message(topic=CHECKPOINTS)
class CheckpointPublished(MessageData):
    """The log is known by this checkpoint from now on, whatever its database will say."""

    size: int
    checkpoint: str
    """The signed note (C2SP tlog-checkpoint), as it is."""


@message(topic=TOPIC)
class UseRefused(Entry):
    """One person's data was to be used for the service's own work, and was not."""

    subject_id: SubjectId
    purpose: PlanName
    categories: tuple[PlanName, ...]
    reason: PlanName


@message(topic=TOPIC)
class PlanApplied(Entry):
    """A plan came into force: `plan_digest`, instead of `replaced_digest`."""

    replaced_digest: str
    number: int
    """Counts the plans that were put in force here, from 1."""
