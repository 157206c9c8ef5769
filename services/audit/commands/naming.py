"""What entries name by the keys of a plan, in the words of the plan that they were made under."""

from __future__ import annotations

from dataclasses import dataclass

from services.audit.handlers.plans import Plans
from shared.documents.document import Line, Said
from shared.documents.telling import Teller
from shared.documents.words import Words
from shared.privacy.plan import Purpose, Recipient


@dataclass(frozen=True, slots=True)
class Party:
    """Who received data (CJEU C-154/21: the actual identity), and what they are."""

    name: Said
    role: str
    abroad: str | None = None
    """On what ground data goes outside the European Economic Area (article 15(2))."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Plans, and a language. A name that its plan does not have is shown as it stands in the log.

    What was made under a plan that is not stored is told by today's.
    """

    plans: Plans
    words: Words

    def party(self, key: str, digest: str) -> Party:
        """Whom a recipient's key means."""
        teller = self._teller(digest)
        recipient = teller.plan.recipients.get(key)
        if recipient is not None:
            return self._recipient(teller, recipient)
        authority = teller.plan.authorities.get(key)
        if authority is not None:
            role = self.words.say("told", "authority", law=authority.law)
            return Party(teller.said(authority.name), role)
        return Party(Said(key), self.words.say("told", "gone"))

    def _recipient(self, teller: Teller, recipient: Recipient) -> Party:
        abroad = None
        if recipient.transfer is not None:
            abroad = self.words.say(
                "told",
                "abroad",
                country=recipient.country or "",
                ground=self.words.say("transfer", recipient.transfer),
            )
        role = self.words.say("role", recipient.role)
        return Party(Said(teller.recipient(recipient)), role, abroad)

    def purpose(self, key: str, digest: str) -> Said:
        """What data was used for."""
        purpose = self._purpose(key, digest)
        return Said(key) if purpose is None else self._teller(digest).said(purpose.describes)

    def basis(self, legal_basis: str, purpose: str, digest: str) -> str:
        """A legal basis as the entry has it, and the law where the purpose rests on one."""
        said = self.words.say_code("legal_basis", legal_basis)
        found = self._purpose(purpose, digest)
        if found is None or found.law is None:
            return said
        return self.words.say("told", "law", basis=said, law=found.law)

    def _purpose(self, key: str, digest: str) -> Purpose | None:
        return self._teller(digest).plan.purposes.get(key)

    def data(self, fields: tuple[str, ...], digest: str) -> tuple[Line, ...]:
        """A line for each category: its name, and those of its fields."""
        grouped: dict[str, list[Said]] = {}
        for field in fields:
            category = field.partition(".")[0]
            grouped.setdefault(category, []).append(self._field(field, digest))
        return tuple(
            (self._category(name, digest), Said(": "), *_listed(said))
            for name, said in grouped.items()
        )

    def _field(self, name: str, digest: str) -> Said:
        teller = self._teller(digest)
        field = teller.plan.fields.get(name)
        if field is None or field.describes is None:
            return Said(name.partition(".")[2].replace("_", " "))
        return teller.said(field.describes)

    def _category(self, name: str, digest: str) -> Said:
        teller = self._teller(digest)
        category = teller.plan.categories.get(name)
        return Said(name) if category is None else teller.said(category.describes)

    def _teller(self, digest: str) -> Teller:
        return Teller(self.plans.of(digest) or self.plans.today, self.words)


def _listed(said: list[Said]) -> Line:
    line: list[Said] = []
    for one in said:
        line += [Said(", "), one] if line else [one]
    return tuple(line)
