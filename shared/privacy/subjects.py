"""Who is who: each way to write an e-mail, a telephone number or a person number made one.

Pure. What reaches the keyring is a keyed digest; nobody who has the database alone can try
addresses against it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from shared.contract.types import SubjectId
from shared.contract.value_type import value_type
from shared.privacy.errors import AliasError, SeveralPeopleError
from shared.privacy.keyed import KeyedDigest

AliasKind = Literal["email", "phone", "person_number"]

Person: TypeAlias = tuple[SubjectId, ...]
"""One person: the subject that aliases lead to, and behind it those that proved to be the same."""

_LONGEST = 320  # RFC 3696, erratum 1690: 64 octets, @, 255 octets
_LABELS = (
    r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_ASCII_DOMAIN = re.compile(rf"{_LABELS}\Z")
_ASCII_ADDRESS = re.compile(rf"[!-?A-~]+@{_LABELS}\Z")
_SEPARATOR = "\x1f"


@value_type
class Alias:
    """Something that a person is known by. `source` is the plan's name of the source whose own
    number a `person_number` is; the other kinds have none. The value is never printed.
    """

    kind: AliasKind
    value: str = field(repr=False)
    source: str | None = None


def only_one(people: Sequence[Person]) -> Person | None:
    """Whom an address stands for; None: nobody. Of several none is picked, so that nobody's data
    is taken for another's: SeveralPeopleError.
    """
    if len(people) > 1:
        raise SeveralPeopleError(person[0] for person in people)
    return people[0] if people else None


def written(alias: Alias, *, region: str) -> str:
    """Kind, source and value, normalised: two aliases that mean the same are one text.

    `region` (ISO 3166-1) is the country of a telephone number that names none. AliasError where it
    is no such thing. Never shown or stored: see `digest`.
    """
    kind = alias.kind
    if (alias.source is not None) != (kind == "person_number"):
        raise AliasError("a person number, and nothing else, has a source")
    if kind == "email":
        value = normalise_email(alias.value)
    elif kind == "phone":
        value = normalise_phone(alias.value, region=region)
    else:
        value = normalise_person_number(alias.value)
    return f"{kind}{_SEPARATOR}{alias.source or ''}{_SEPARATOR}{value}"


def normalise_email(address: str) -> str:
    """Trimmed, NFC, lower case, domain in IDNA (UTS 46). Dots and plus tags are left alone:
    what they mean is the receiving server's affair. AliasError where it is no address.
    """
    if address.isascii():
        plain = address.strip().lower()
        if len(plain) <= _LONGEST and _ASCII_ADDRESS.match(plain):
            return plain
    local, at, domain = _folded(address).rpartition("@")
    if not at or not local or not domain or len(address) > _LONGEST:
        raise AliasError("not an e-mail address")
    if any(character.isspace() or not character.isprintable() for character in local):
        raise AliasError("not an e-mail address")
    return f"{local}@{_domain(domain)}"


def _folded(text: str) -> str:
    """Lower case and NFC at once. Lower case can undo NFC and the other way round, so until both
    hold; the bound is never met, and is there for the next version of Unicode.
    """
    text = text.strip()
    for _ in range(4):
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
        if folded == text:
            break
        text = folded
    return text


def _domain(domain: str) -> str:
    if _ASCII_DOMAIN.match(domain):
        return domain
    import idna  # here, because it is large and most addresses do without it

    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise AliasError("not an e-mail address: its domain is no domain") from None
    if not _ASCII_DOMAIN.match(encoded):
        raise AliasError("not an e-mail address: its domain is no domain")
    return encoded


def normalise_phone(number: str, *, region: str) -> str:
    """E.164. AliasError where it is no possible number."""
    import phonenumbers  # here, because it is large and most batches have no number

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        raise AliasError("not a telephone number") from None
    if not phonenumbers.is_possible_number(parsed):
        raise AliasError("not a telephone number")
    written: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return written


def normalise_person_number(number: str) -> str:
    """Trimmed and NFC; a source may tell upper from lower case. AliasError for an empty one."""
    normalised = unicodedata.normalize("NFC", number.strip()).strip()
    if not normalised or not normalised.isprintable():
        raise AliasError("a person number is empty or has control characters")
    return normalised


class Pepper:
    """A secret that aliases are digested with. `id` names it without telling it."""

    __slots__ = ("_digests", "id")

    def __init__(self, secret: bytes) -> None:
        self._digests = KeyedDigest(secret)
        self.id = self._digests.of(b"steward pepper")[:8].hex()

    def digest_of(self, alias: str) -> bytes:
        """HMAC-SHA256 (32 bytes) of an alias as `written`."""
        return self._digests.of(alias.encode())


@dataclass(slots=True)
class Batch:
    """People as `keyring.identify` takes them: see there for the columns.

    `person_of` leads from each one asked for to its person here, counted from 0: people with the
    very same aliases are one.
    """

    person_of: list[int] = field(default_factory=list)
    persons: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    sources: list[str | None] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    old_digests: list[bytes] = field(default_factory=list)
    old_places: list[int] = field(default_factory=list)


def batch(people: Sequence[Sequence[Alias]], *, peppers: Sequence[Pepper], region: str) -> Batch:
    """Normalise, digest, and put people who share an alias into rounds of their own.

    `peppers` newest first. AliasError where someone has no alias or more than one number.
    """
    made = Batch()
    seen: dict[tuple[str, ...], int] = {}
    last_round: dict[bytes, int] = {}
    for aliases in people:
        texts = tuple([written(alias, region=region) for alias in aliases])
        person = seen.setdefault(texts, len(seen))
        made.person_of.append(person)
        if person == len(made.rounds):
            _add(made, aliases, texts, peppers, last_round)
    return made


def _add(
    made: Batch,
    aliases: Sequence[Alias],
    texts: Sequence[str],
    peppers: Sequence[Pepper],
    last_round: dict[bytes, int],
) -> None:
    turn = 1
    person = len(made.rounds) + 1
    own: set[bytes] = set()
    for alias, rank, text in zip(aliases, _ranks(aliases), texts, strict=True):
        value = peppers[0].digest_of(text)
        if value in own:
            continue  # the same alias, written twice
        own.add(value)
        made.persons.append(person)
        made.kinds.append(alias.kind)
        made.sources.append(alias.source)
        made.digests.append(value)
        made.ranks.append(rank)
        for pepper in peppers[1:]:
            made.old_digests.append(pepper.digest_of(text))
            made.old_places.append(len(made.digests))
        turn = max(turn, 1 + last_round.get(value, 0))
    for value in own:
        last_round[value] = turn
    made.rounds.append(turn)


def _ranks(aliases: Sequence[Alias]) -> list[int]:
    """1 for the source's own number, 2 for the e-mail (else the telephone) that decides, 3 else."""
    kinds = [alias.kind for alias in aliases]
    if not kinds or kinds.count("person_number") > 1:
        raise AliasError("a person has at least one alias, and one person number or none")
    ranks = [1 if kind == "person_number" else 3 for kind in kinds]
    for kind in ("email", "phone"):
        if kind in kinds:
            ranks[kinds.index(kind)] = 2
            break
    return ranks
