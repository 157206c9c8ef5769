"""The one object through which a service identifies, seals, uses and discloses personal data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Protocol

from shared.contract.types import Sealed, SubjectId
from shared.privacy.disclosure import Disclosure, DisclosureRequest, Transaction
from shared.privacy.plan import Plan
from shared.privacy.subjects import Alias
from shared.privacy.values import Disclosed, ToOpen, ToSeal

Random = Callable[[int], bytes]
"""So many unpredictable bytes; `os.urandom` outside tests."""


class Secrets(Protocol):
    """The secrets that privacy needs; `shared.runtime.secrets.SecretsFolder` has them."""

    def key_encryption_key(self) -> bytes: ...

    def peppers(self) -> tuple[bytes, ...]: ...

    def reference_key(self) -> bytes: ...


class Privacy:
    """Personal data in one service. Made once per process; safe to use from many tasks.

    Every method that takes a connection runs inside the caller's transaction.
    """

    plan: Plan
    service: str

    @classmethod
    def open(
        cls, plan: Plan, secrets: Secrets, *, service: str, random: Random = os.urandom
    ) -> Privacy:
        """Read the secrets once. SecretsError where one is missing, short or readable by all."""
        raise NotImplementedError

    async def check(self, connection: object) -> None:
        """At start: refuse a key-encryption key that the keyring's keys are not wrapped by.

        WrongKey before anything is written under it. The first start records the key's check value.
        """
        raise NotImplementedError

    async def identify(
        self, connection: object, people: Sequence[Sequence[Alias]]
    ) -> list[SubjectId]:
        """Find or make the subject of each person, whom one or more aliases describe.

        A known person number decides. Else the e-mail (where there is none, the telephone) does,
        unless its subject already has another number from the same source: then they are two
        people with one address, and a new subject is made. One round trip; concurrent calls agree.
        AliasInvalid for an alias that cannot be normalised.
        """
        raise NotImplementedError

    async def find(self, connection: object, aliases: Sequence[Alias]) -> list[SubjectId | None]:
        """The subject that each alias leads to; None where there is none. Makes nothing."""
        raise NotImplementedError

    async def seal(
        self, connection: object, items: Sequence[ToSeal], *, at: datetime
    ) -> list[Sealed | None]:
        """Seal each value under the key of its (subject, category, context); makes missing keys.

        None where that key was destroyed and the fact (`item.at`, else `at`) is not later than the
        cut-off: data from before an erasure adds nothing. NotGranted where the plan does not let
        this service seal the category.
        """
        raise NotImplementedError

    async def use(
        self, connection: object, purpose: str, items: Sequence[ToOpen]
    ) -> list[Disclosed | None]:
        """Open personal data for the service's own work. None where the key is destroyed.

        NotGranted where plan or keyring do not let this service open a category for the purpose;
        SealBroken where a value is not what it is said to be (another person's, altered, …).
        """
        raise NotImplementedError

    async def disclose(self, tx: Transaction, request: DisclosureRequest) -> Disclosure:
        """The only way by which personal data goes to anyone else.

        Whom the plan, the event, consent, objection or restriction leave out is refused with a
        reason code. Says one audit entry per person, released or refused, and leaves a sealed
        handover, in this transaction. Commit before handing anything over; then say `delivered()`
        or `failed()` in a transaction of its own.
        """
        raise NotImplementedError

    async def delivered(self, tx: Transaction, disclosure: Disclosure) -> None:
        """The recipient has it: says `DisclosureDelivered`, once, and drops the handover."""
        raise NotImplementedError

    async def failed(self, tx: Transaction, disclosure: Disclosure, reason: str) -> None:
        """The recipient did not get it: says `DisclosureFailed` with a reason code."""
        raise NotImplementedError

    def reference(self, text: bytes) -> bytes:
        """Keyed HMAC-SHA256 (32 bytes) that stands for upstream text that may be personal."""
        raise NotImplementedError

    async def seal_records(
        self, connection: object, day: date, bodies: Sequence[bytes]
    ) -> list[Sealed]:
        """Seal whole record bodies under the key of (this service, day)."""
        raise NotImplementedError

    async def open_records(
        self, connection: object, sealed: Sequence[Sealed]
    ) -> list[bytes | None]:
        """Open record bodies of this service; None where the day's key is destroyed."""
        raise NotImplementedError

    async def purge_record_keys(self, connection: object, today: date) -> int:
        """Destroy this service's record keys of days more than 30 days ago; how many it were."""
        raise NotImplementedError
