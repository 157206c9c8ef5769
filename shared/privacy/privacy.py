"""The one object through which a service seals, uses and discloses personal data."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import orjson

from shared.contract.message import Fault, Message
from shared.contract.types import DisclosureId, Sealed
from shared.privacy import keyring, records
from shared.privacy.attempts import record_attempt
from shared.privacy.disclosure import (
    BEHIND,
    Disclosure,
    DisclosureRequest,
    Outcome,
    Scribe,
    Transaction,
    category_of,
    check_names,
    disclosure_of,
    judge,
    lacking,
    not_granted,
)
from shared.privacy.errors import NotGrantedError, NotInPlanError
from shared.privacy.handover import leave, release
from shared.privacy.hearing import is_behind
from shared.privacy.in_force import Derived, InForce
from shared.privacy.keyed import KeyedDigest
from shared.privacy.keyring import OpeningKey, Wanted
from shared.privacy.limits import limits_of, limits_of_use
from shared.privacy.opening import open_item
from shared.privacy.people import People
from shared.privacy.plan import Plan
from shared.privacy.reading import entries, refuse_reading
from shared.privacy.refusals import Use, judge_use, say_refused
from shared.privacy.sealing import NONCE_BYTES, key_id_of, seal_bytes
from shared.privacy.values import Disclosed, ToOpen, ToSeal
from shared.privacy.wrapping import KeyWrappers, Random
from shared.runtime.database import Connection, Pool
from shared.runtime.secrets import SecretsFolder

T = TypeVar("T")


class Privacy:
    """Personal data in one service. Made once per process; safe to use from many tasks.

    Every method that takes a connection runs inside the caller's transaction: locks on keys are
    held, and what is written stands, until that commits.
    """

    def __init__(
        self,
        plan: Plan | InForce,
        *,
        service: str,
        wrappers: KeyWrappers,
        peppers: Sequence[bytes],
        reference_key: bytes,
        random: Random = os.urandom,
    ) -> None:
        """`peppers` newest first. A plan that is given as such stays in force for good.

        NotInPlanError for a service that the plan does not have.
        """
        self.in_force = plan if isinstance(plan, InForce) else InForce(plan)
        if service not in self.plan.services:
            raise NotInPlanError(f"the plan has these services: {', '.join(self.plan.services)}")
        self.service = service
        self.people = People(self.in_force, peppers, random)
        self._random = random
        self._wrappers = wrappers
        self._references = KeyedDigest(reference_key)
        self._attempts: Pool | None = None

    @classmethod
    def open(
        cls,
        plan: Plan | InForce,
        secrets: SecretsFolder,
        *,
        service: str,
        wrappers: KeyWrappers,
        random: Random = os.urandom,
    ) -> Privacy:
        """Read the secrets once. SecretsError where one is missing, short or readable by all.

        Key-encryption keys (`wrappers`) may come from elsewhere than the other secrets.
        """
        return cls(
            plan,
            service=service,
            wrappers=wrappers,
            peppers=secrets.peppers(),
            reference_key=secrets.reference_key(),
            random=random,
        )

    @property
    def plan(self) -> Plan:
        """The plan in force: one and the same from where a transaction holds it to its end."""
        return self.in_force.plan

    def derived(self, work_out: Callable[[Plan], T]) -> Derived[T]:
        """What is worked out from the plan in force, and anew where another one is."""
        return Derived(self.in_force, work_out)

    def admit(self, message: Message[Any]) -> Fault | None:
        """Whether the plan in force lets the message's source send its type; None where it does."""
        return self.plan.admit(message)

    async def check(self, connection: Connection) -> None:
        """At start: refuse to work without the key-encryption keys that wrap the keyring's keys.

        WrongKeyError before anything is written under another. The first start of all records it.
        """
        await keyring.know_key_encryption_keys(connection, self._wrappers)

    def record_attempts_in(self, pool: Pool) -> None:
        """Record whatever is refused here for want of a grant, on connections of this pool."""
        self._attempts = pool

    async def seal(
        self, connection: Connection, items: Sequence[ToSeal], *, at: datetime
    ) -> list[Sealed | None]:
        """Seal each value under the key of its (subject, category, context); makes missing keys.

        None where that key was destroyed and the fact (`item.at`, else `at`) is not later than the
        cut-off: data from before an erasure adds nothing. NotGrantedError where the plan does not
        let this service seal the category.
        """
        await self._refuse_sealing({item.category for item in items})
        if not items:
            return []
        wanted = Wanted()
        places = [
            wanted.add(item.subject_id, item.category, item.context, item.at or at)
            for item in items
        ]
        try:
            keys = await keyring.make_keys(
                connection, wanted, wrappers=self._wrappers, random=self._random
            )
        except NotGrantedError:
            await self._record_attempt(set(wanted.categories), "")
            raise
        nonces = self._random(NONCE_BYTES * len(items))
        sealed: list[Sealed | None] = []
        for nonce_at, item, place in zip(
            range(0, len(nonces), NONCE_BYTES), items, places, strict=True
        ):
            key = keys[place].for_fact(item.at or at)
            if key is None:
                sealed.append(None)
            else:
                nonce = nonces[nonce_at : nonce_at + NONCE_BYTES]
                sealed.append(seal_bytes(key, orjson.dumps(item.content), nonce))
        return sealed

    async def _refuse_sealing(self, categories: set[str]) -> None:
        missing = categories - set(self.plan.services[self.service].seals)
        if missing:
            await self._record_attempt(missing, "")
            names = ", ".join(sorted(missing & self.plan.categories.keys())) or "an unknown one"
            raise NotGrantedError(
                f"the plan does not let {self.service} seal the category: {names}"
            )

    async def use(
        self,
        connection: Connection,
        purpose: str,
        items: Sequence[ToOpen],
        *,
        tx: Transaction | None = None,
    ) -> list[Disclosed | None]:
        """Open personal data for the service's own work. None where the key is destroyed, the
        person objected to the purpose, the data is restricted, or older than the purpose: each such
        refusal is an entry, said in `tx`.

        NotGrantedError where plan or keyring do not let this service open a category for the
        purpose, or where nobody can say what is refused; SealError where a value is not what it is
        said to be (another person's, altered).
        """
        await self._refuse_opening(purpose, {item.category for item in items})
        limits = await limits_of_use(connection, self.plan, purpose, items)
        begins = self.in_force.beginnings.purposes.get(purpose)
        reasons = judge_use(items, limits, begins)
        say_refused(tx, Use(purpose, self.service, self.plan.digest), items, reasons)
        allowed = [item for item, why in zip(items, reasons, strict=True) if why is None]
        opened = iter(await self._open(connection, purpose, allowed))
        return [next(opened) if why is None else None for why in reasons]

    async def amend(
        self, connection: Connection, purpose: str, items: Sequence[ToOpen]
    ) -> list[Disclosed | None]:
        """Open what the person corrects, to seal it again in this transaction and for nothing else.

        That is storing, for what it was collected for: it goes on where data is restricted, and an
        objection does not end the right to rectification (articles 16 and 18(2)). None where the
        key is destroyed. Raises as `use()`.
        """
        await self._refuse_opening(purpose, {item.category for item in items})
        return await self._open(connection, purpose, items)

    async def show(
        self, tx: Transaction, purpose: str, items: Sequence[ToOpen], *, actor: str
    ) -> list[Disclosed | None]:
        """`use()` for the eyes of a member of staff: says one `DataAccessed` for each person.

        Commit before anything is shown. Raises as `use()`, and NotGrantedError where no duty of the
        plan reads a category.
        """
        refuse_reading(self.plan, {item.category for item in items})
        opened = await self.use(tx.connection, purpose, items, tx=tx)
        read = entries(
            items,
            opened,
            actor=actor,
            purpose=purpose,
            plan=self.plan,
            service=self.service,
            at=tx.now,
        )
        for entry in read:
            tx.say(entry, key=None, subject=entry.subject_id)
        return opened

    async def _open(
        self, connection: Connection, purpose: str, items: Sequence[ToOpen]
    ) -> list[Disclosed | None]:
        sealed = [(item.category, item.sealed) for item in items]
        keys = await self._keys_of(connection, purpose, sealed)
        return [
            None if (opened := open_item(keys, item)) is None else Disclosed(opened.content)
            for item in items
        ]

    async def _refuse_opening(self, purpose: str, categories: set[str]) -> None:
        granted = self.plan.services[self.service].grants.get(purpose, ())
        missing = categories - set(granted)
        if missing:
            await self._record_attempt(missing, purpose)
            names = ", ".join(sorted(missing & self.plan.categories.keys())) or "an unknown one"
            known = purpose if purpose in self.plan.purposes else "an unknown purpose"
            raise NotGrantedError(
                f"the plan does not let {self.service} open the category for {known}: {names}"
            )

    async def _keys_of(
        self, connection: Connection, purpose: str, sealed: Sequence[tuple[str, Sealed]]
    ) -> dict[bytes, OpeningKey]:
        if not sealed:
            return {}
        ids = [key_id_of(value) for _, value in sealed]
        keys = await keyring.open_keys(connection, purpose, ids, wrappers=self._wrappers)
        missing = {name for key, (name, _) in zip(ids, sealed, strict=True) if key not in keys}
        if missing:
            await self._record_attempt(missing, purpose)
        return keys

    async def _record_attempt(self, categories: Collection[str], purpose: str) -> None:
        """Whoever is refused rolls back, so not in the caller's transaction."""
        if self._attempts is not None:
            await record_attempt(self._attempts, categories, purpose)

    async def disclose(self, tx: Transaction, request: DisclosureRequest) -> Disclosure:
        """The only way by which personal data goes to anyone else.

        Whom the plan, the event, consent, objection or restriction leave out is refused with a
        reason code; so is everybody where this service has not heard yet what may decide that. Says
        one audit entry per person, released or refused, and leaves a sealed handover, in this
        transaction. Commit, then let `Deliveries` hand it over. NotInPlanError for names that the
        plan lacks, ValueError where a person is asked for twice.
        """
        (disclosure,) = await self.disclose_together(tx, [request])
        return disclosure

    async def disclose_together(
        self, tx: Transaction, requests: Sequence[DisclosureRequest]
    ) -> list[Disclosure]:
        """Several, that leave together. Where something unheard may decide about one of them, none
        does: names without the diets that belong to them would say that nobody has one.
        """
        for request in requests:
            check_names(self.plan, request)
        behind = False
        for request in requests:
            behind = behind or await is_behind(tx.connection, self.plan, self.service, request)
        disclosures: list[Disclosure] = []
        for request in requests:
            scribe = Scribe(self.plan, self.service, request, DisclosureId(tx.new_id()), tx.now)
            outcomes: Sequence[Outcome] = (
                [BEHIND] * len(request.people)
                if behind
                else await self._release(tx, request, scribe.disclosure_id)
            )
            scribe.record(tx, outcomes)
            first = next((one.id for one in disclosures if one.released), scribe.disclosure_id)
            await leave(tx, scribe, outcomes, delivery_id=first)
            disclosures.append(disclosure_of(scribe.disclosure_id, request, outcomes))
        return disclosures

    async def disclose_again(
        self, tx: Transaction, request: DisclosureRequest, disclosure_id: DisclosureId
    ) -> Disclosure:
        """Judge once more, just before delivery, what a handover holds; open what may still go.

        For `Deliveries`, which says who is withheld: nothing is said or left here.
        """
        gone = lacking(self.plan, request) or not_granted(self.plan, self.service, request)
        if gone is None:
            outcomes: Sequence[Outcome] = await self._release(tx, request, disclosure_id)
        else:
            outcomes = [gone] * len(request.people)
        return disclosure_of(disclosure_id, request, outcomes)

    async def _release(
        self, tx: Transaction, request: DisclosureRequest, disclosure_id: DisclosureId
    ) -> list[Outcome]:
        limits = await limits_of(
            tx.connection, [person.subject_id for person in request.people], request.purpose
        )
        verdicts = judge(self.plan, request, limits, self.in_force.beginnings)
        allowed = [p for p, refusal in zip(request.people, verdicts, strict=True) if not refusal]
        categories = {category_of(field) for field in request.fields}
        if allowed:
            await self._refuse_opening(request.purpose, categories)
        sealed = [
            (name, p.sealed[name]) for p in allowed for name in categories if name in p.sealed
        ]
        keys = await self._keys_of(tx.connection, request.purpose, sealed)
        return [
            refusal or release(request, person, keys, disclosure_id)
            for person, refusal in zip(request.people, verdicts, strict=True)
        ]

    def reference(self, text: bytes) -> bytes:
        """Keyed HMAC-SHA256 (32 bytes) that stands for upstream text that may be personal."""
        return self._references.of(text)

    async def seal_records(
        self, connection: Connection, day: date, bodies: Sequence[bytes]
    ) -> list[Sealed]:
        """Seal whole record bodies under the key of (this service, day). One round trip."""
        return await records.seal_records(
            connection, day, bodies, wrappers=self._wrappers, random=self._random
        )

    async def open_records(
        self, connection: Connection, sealed: Sequence[Sealed]
    ) -> list[bytes | None]:
        """Open record bodies of this service; None where the day's key is destroyed."""
        return await records.open_records(connection, sealed, wrappers=self._wrappers)

    async def purge_record_keys(self, connection: Connection, today: date) -> int:
        """Destroy this service's record keys of days more than 30 days ago; how many it were."""
        return await records.purge(connection, today)
