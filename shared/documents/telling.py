"""The parts of a plan in the words of one language: what documents about it have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.documents.document import Fact, Said, fact
from shared.documents.words import Words
from shared.privacy.plan import Contact, Plan, Purpose, Recipient


def recipients_of(plan: Plan, purpose: str) -> Iterator[tuple[Recipient, tuple[str, ...]]]:
    """Who may get data for a purpose, and which fields of what the purpose reads."""
    read = plan.purposes[purpose].categories
    for recipient in plan.recipients.values():
        if purpose in recipient.purposes:
            fields = tuple(f for f in recipient.fields if f.partition(".")[0] in read)
            yield recipient, fields


def data_subjects_of(plan: Plan, categories: Iterable[str]) -> tuple[str, ...]:
    """Whose data these categories hold, in the plan's order."""
    whose = {one for name in categories for one in plan.categories[name].data_subjects}
    return tuple(name for name in plan.data_subjects if name in whose)


@dataclass(frozen=True, slots=True)
class Teller:
    """A plan, and the language that it is told in."""

    plan: Plan
    words: Words

    def said(self, texts: Mapping[str, str]) -> Said:
        """In the language, else in English, else in the first that there is: and which that is."""
        own = self.words.language
        found = next((one for one in (own, "en") if one in texts), next(iter(texts)))
        return Said(texts[found], None if found == own else found)

    def text(self, texts: Mapping[str, str]) -> str:
        """The same without its language."""
        return self.said(texts).text

    def text_if(self, texts: Mapping[str, str] | None) -> str | None:
        """The same, or None where there is none."""
        return None if texts is None else self.text(texts)

    def recipient(self, recipient: Recipient) -> str:
        """The name of somebody; the other participants have one in each language."""
        named = recipient.role != "participants"
        return recipient.name if named else self.common("participants")

    def common(self, key: str) -> str:
        return self.words.say("common", key)

    def category(self, name: str) -> str:
        """What a category is called."""
        return self.text(self.plan.categories[name].describes)

    def categories(self, names: Iterable[str]) -> str:
        return ", ".join(self.category(name) for name in names)

    def field(self, name: str) -> str:
        """What a field is called."""
        describes = self.plan.fields[name].describes
        return self.text(describes) if describes else name.partition(".")[2].replace("_", " ")

    def fields(self, names: Iterable[str]) -> tuple[str, ...]:
        """For each category that fields are of: its name, and theirs."""
        grouped: dict[str, list[str]] = {}
        for name in names:
            grouped.setdefault(name.partition(".")[0], []).append(self.field(name))
        return tuple(
            self.words.say("common", "fields", category=self.marked(name), fields=", ".join(said))
            for name, said in grouped.items()
        )

    def all_fields(self, categories: Iterable[str]) -> tuple[str, ...]:
        """Every field of these categories."""
        return self.fields(f for name in categories for f in self.plan.categories[name].fields)

    def marked(self, category: str) -> str:
        """A category, and that it is special where it is (article 9)."""
        said = self.category(category)
        special = self.plan.special(category)
        return self.words.say("common", "special", category=said) if special else said

    def whose(self, categories: Iterable[str]) -> tuple[str, ...]:
        return tuple(
            self.text(self.plan.data_subjects[name])
            for name in data_subjects_of(self.plan, categories)
        )

    def basis(self, purpose: Purpose) -> str:
        return self.words.say("legal_basis", purpose.legal_basis)

    def contact(self, contact: Contact) -> tuple[Fact, ...]:
        """How somebody is reached."""
        keys = ("email", "phone", "address", "website")
        return tuple(one for key in keys for one in fact(self.common(key), getattr(contact, key)))

    def contact_line(self, contact: Contact) -> str:
        """The same on one line."""
        ways = (contact.email, contact.phone, contact.address, contact.website)
        return ", ".join((contact.name, *(way for way in ways if way)))

    def log_periods(self) -> Iterator[tuple[str, str]]:
        """What the log keeps, and for how long."""
        for kind, said in self.words.tables["log"].items():
            yield said, self.log_period(kind)

    def log_period(self, kind: str) -> str:
        """For how long the log can tell of a kind of entries (a key of `accountability`)."""
        counted = "from_entry" if kind in ("readings", "sign_ins") else "life_and_more"
        period = self.words.period(getattr(self.plan.accountability, kind))
        return self.words.say("common", counted, period=period)

    @property
    def foot(self) -> str:
        return self.words.say("common", "foot", digest=self.plan.digest)
