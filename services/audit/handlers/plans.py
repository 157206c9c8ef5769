"""The plans that entries of the log were made under."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from shared.privacy import stored_plans
from shared.privacy.plan import Plan, PlanError
from shared.runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Plans:
    """The plan in force, and earlier ones, the newest first."""

    today: Plan
    earlier: tuple[Plan, ...] = ()

    def of(self, digest: str) -> Plan | None:
        """The plan of this digest; None where it is not stored, or not accepted any more."""
        return next((plan for plan in self._all if plan.digest == digest), None)

    def newest_with(self, has: Callable[[Plan], bool]) -> Plan | None:
        """The newest plan that has something; None where no plan has it."""
        return next((plan for plan in self._all if has(plan)), None)

    @property
    def parties(self) -> tuple[str, ...]:
        """The keys of all recipients and authorities that any of them has."""
        keys = (key for plan in self._all for key in (*plan.recipients, *plan.authorities))
        return tuple(dict.fromkeys(keys))

    @property
    def _all(self) -> tuple[Plan, ...]:
        return (self.today, *self.earlier)


async def plans_before(
    connection: Connection, today: Plan, *, cited: Collection[str] | None = None
) -> Plans:
    """The plan of today, and each earlier one, or of these only those that are cited.

    One that this release does not accept is left out: what was made under it is told by today's.
    """
    if cited is not None and set(cited) <= {today.digest}:
        return Plans(today)
    stored = {one.digest: one for one in await stored_plans.history(connection)}
    earlier = []
    for digest, one in reversed(stored.items()):
        if digest != today.digest and (cited is None or digest in cited):
            try:
                earlier.append(one.read())
            except PlanError:
                continue
    return Plans(today, tuple(earlier))
