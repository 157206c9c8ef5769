"""The plan that is in force, as a process knows it, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar

from shared.privacy import stored_plans
from shared.privacy.all_plans import AllPlans
from shared.privacy.beginnings import EVER, Beginnings, beginnings_of
from shared.privacy.errors import NoPlanError
from shared.privacy.plan import Plan
from shared.privacy.stored_plans import StoredPlan
from shared.runtime.database import Connection

T = TypeVar("T")

GIVEN: Final = 0
"""The number of a plan that was given by hand and compared with nothing that is stored."""


class InForce:
    """The plan that a process works under. One object for all of its tasks.

    It changes inside of `hold()` alone, which every transaction that uses the plan begins with. The
    plan in force cannot change while a transaction holds it, so that whatever a transaction that
    commits has read here from `hold()` on is of one plan (ADR 0022).
    """

    def __init__(
        self,
        plan: Plan,
        number: int = GIVEN,
        beginnings: Beginnings = EVER,
        all_plans: AllPlans | None = None,
    ) -> None:
        """Without `all_plans` it is the only one that there ever was."""
        self.plan = plan
        self.number = number
        self.beginnings = beginnings
        self.all_plans = AllPlans.of_plan(plan) if all_plans is None else all_plans

    @property
    def digest(self) -> str:
        """SHA-256 of its file, in hexadecimal."""
        return self.plan.digest

    @classmethod
    async def open(cls, connection: Connection) -> InForce:
        """The plan that is stored as the one in force, inside a transaction.

        NoPlanError where there is none yet; PlanError where this release does not accept it.
        """
        await stored_plans.hold(connection)
        return cls(*await _read(connection))

    async def hold(self, connection: Connection) -> None:
        """Keep the plan in force until this transaction ends, and learn it if it is another.

        One round trip. Raises as `open()`; then this process goes on with what it knew.
        """
        number = await stored_plans.hold(connection)
        if number != self.number:
            plan, number, beginnings, all_plans = await _read(connection)
            # A connection that was lost meanwhile holds nothing: another task may know better.
            if number > self.number:
                self.plan, self.number = plan, number
                self.beginnings, self.all_plans = beginnings, all_plans


async def _read(connection: Connection) -> tuple[Plan, int, Beginnings, AllPlans]:
    known = await stored_plans.history(connection)
    if not known:
        raise NoPlanError("no plan is stored yet; `steward migrate` stores the first one")
    plan = known[-1].read()
    beginnings = beginnings_of(plan, await stored_plans.names(connection))
    all_plans = AllPlans.of_texts(_newest_first(known))
    return plan, known[-1].number, beginnings, all_plans


def _newest_first(known: Sequence[StoredPlan]) -> Iterable[tuple[bytes, datetime | None]]:
    """Each text once, and when another plan came into force after it was for the last time."""
    texts: dict[str, tuple[bytes, datetime | None]] = {}
    until = None
    for one in reversed(known):
        texts.setdefault(one.digest, (one.text, until))
        until = one.applied_at
    return texts.values()


class Derived(Generic[T]):
    """What is worked out from the plan in force, kept until another plan is. Call it for it."""

    def __init__(self, in_force: InForce, work_out: Callable[[Plan], T]) -> None:
        self._in_force = in_force
        self._work_out = work_out
        self._plan = in_force.plan
        self._value = work_out(self._plan)

    def __call__(self) -> T:
        plan = self._in_force.plan
        if plan is not self._plan:
            self._value = self._work_out(plan)
            self._plan = plan
        return self._value
