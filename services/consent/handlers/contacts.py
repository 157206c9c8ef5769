"""Whom to write to: kept with a yes and corrected by the person. A no drops it for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.consent import store
from services.consent.domain import Collected, Statement
from shared.contract.inbound import ContactSubmitted
from shared.contract.message import Message
from shared.contract.registration import (
    ParticipantRegistered,
    ParticipantUpdated,
    RegistrationWaitlisted,
)
from shared.contract.types import Sealed, SubjectId
from shared.contract.value_type import value_type
from shared.messaging.unit_of_work import Transaction
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToSeal

Participation = ParticipantRegistered | RegistrationWaitlisted


@value_type
class Said:
    """A message, whose it is, and the statements that are in it: a no may be of others too."""

    message: Message[Any]
    subject_id: SubjectId
    collected: Collected
    statements: Sequence[Statement]

    @property
    def tells_of_itself(self) -> bool:
        """Whether a statement is of whoever sent it, and not only of others."""
        return any(one.subject_id == self.subject_id for one in self.statements)


@value_type
class Consented:
    """A yes to a purpose, and the category of data that the person is then written to with."""

    said: Said
    purpose: str
    category: str

    def contact(self, sealed: Sealed) -> store.Contact:
        """Whom to write to, as the store keeps it."""
        data = self.said.message.data
        language: str = data.language
        return store.Contact(
            subject_id=self.said.subject_id,
            purpose=self.purpose,
            category=self.category,
            language=language,
            sealed=sealed,
            at=self.said.collected.at,
            registration_id=getattr(data, "registration_id", None),
        )


class Contacts:
    """Keeps whom to write to, in the transaction that records what allows it."""

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._categories_of_plan = privacy.derived(contact_categories)

    @property
    def categories(self) -> Mapping[str, str]:
        """By purpose, the category that whom to write to is kept as."""
        return self._categories_of_plan()

    async def keep_submitted(self, tx: Transaction, news: Sequence[Said]) -> None:
        """What people left who said yes; of those who did not, nothing is sealed or kept."""
        consented = self._consented(news)
        items = [
            ToSeal(
                one.said.subject_id,
                one.category,
                "",
                self._content(one.said.message.data, one.category),
                at=one.said.collected.at,
            )
            for one in consented
        ]
        sealed = await self._privacy.seal(tx.connection, items, at=tx.now)
        kept = [
            one.contact(value)
            for one, value in zip(consented, sealed, strict=True)
            if value is not None
        ]
        await store.keep_contacts(tx.connection, kept)

    async def keep_registered(self, tx: Transaction, news: Sequence[Said]) -> None:
        """The same of people who registered: registration has sealed it already."""
        kept = [
            one.contact(one.said.message.data.personal[one.category])
            for one in self._consented(news)
            if one.category in one.said.message.data.personal
        ]
        await store.keep_contacts(tx.connection, kept)

    async def correct(
        self,
        tx: Transaction,
        told: Sequence[tuple[Participation | ParticipantUpdated, datetime]],
    ) -> None:
        """Let what a registration left be as that has it now, each as of a moment.

        Nothing is added: whom a no has removed, a correction does not bring back.
        """
        categories = set(self.categories.values())
        corrections = [
            store.Correction(
                registration_id=data.registration_id,
                subject_id=data.subject_id,
                category=category,
                sealed=data.personal.get(category),
                at=at,
            )
            for data, at in told
            for category in categories
        ]
        await store.correct_contacts(tx.connection, corrections)

    def _consented(self, said: Sequence[Said]) -> list[Consented]:
        """Of each person the newest yes to a purpose that we keep whom to write to for."""
        newest: dict[SubjectId, Consented] = {}
        for one in sorted(said, key=lambda one: one.collected.at):
            for statement in one.statements:
                category = self.categories.get(statement.purpose)
                if statement.state == "given" and category is not None:
                    newest[one.subject_id] = Consented(one, statement.purpose, category)
        return list(newest.values())

    def _content(self, data: ContactSubmitted, category: str) -> dict[str, str]:
        fields = self._privacy.plan.fields
        told = {"name": data.name, "email": data.email}
        return {
            name: value
            for name, value in told.items()
            if value is not None and f"{category}.{name}" in fields
        }


def contact_categories(plan: Plan) -> dict[str, str]:
    """For which purposes this service keeps whom to write to, and as which category."""
    seals = plan.services["consent"].seals
    return {
        name: category
        for name, purpose in plan.purposes.items()
        if purpose.needs_consent
        for category in purpose.categories
        if category in seals
    }
