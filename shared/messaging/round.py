"""What becomes of each message of a batch, collected while one transaction is tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.contract.message import Fault
from shared.messaging.places import Key, Place, key_of, place_of
from shared.messaging.planning import Taken
from shared.messaging.unit_of_work import Outcome, Transaction

Count = tuple[str, int, str | None, Outcome]
"""Topic, partition, registered type, outcome."""

BEHIND = Fault("parked", "an earlier message of the same key is a dead letter")


@dataclass(frozen=True, slots=True)
class Buried:
    """A record that goes to the dead letters: at fault itself, or parked behind one that is."""

    taken: Taken
    fault: Fault
    outcome: Outcome
    holds_key: bool = False


class Round:
    """One try at one batch. What is not said to have another outcome is accepted."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.parked: set[Key] = set()
        self.newly_parked: set[Key] = set()
        self.buried: list[Buried] = []
        self.duplicates: list[Taken] = []

    def refuse(self, taken: Taken, fault: Fault) -> None:
        """At fault, and no message of its key: nothing waits for it."""
        self.buried.append(Buried(taken, fault, "dead_letter"))

    def condemn(self, taken: Taken, fault: Fault) -> None:
        """Its handler could not handle it: later messages of its key wait."""
        key = key_of(taken.record)
        self.buried.append(Buried(taken, fault, "dead_letter", holds_key=key is not None))
        if key is not None and key not in self.parked:
            self.parked.add(key)
            self.newly_parked.add(key)

    def pass_on(self, group: Sequence[Taken]) -> Sequence[Taken]:
        """Those that need not wait; the others are parked."""
        if not self.parked:
            return group
        passing = []
        for taken in group:
            if taken.waits and key_of(taken.record) in self.parked:
                self.buried.append(Buried(taken, BEHIND, "parked"))
            else:
                passing.append(taken)
        return passing

    def condemn_marked(self, group: Sequence[Taken]) -> None:
        """Condemn what the handler of this group has marked."""
        marked = self.transaction.marked
        if marked:
            by_place = {place_of(taken.record): taken for taken in group}
            for one in marked:
                bury = self.condemn if one.holds_key else self.refuse
                bury(by_place[one.place], Fault(one.reason, one.detail))
            marked.clear()

    def exceptions(self) -> dict[Place, Outcome]:
        """What became of each message that was neither ignored nor simply accepted."""
        exceptions: dict[Place, Outcome] = dict(self.transaction.outcomes)
        exceptions.update((place_of(one.taken.record), one.outcome) for one in self.buried)
        exceptions.update((place_of(one.record), "duplicate") for one in self.duplicates)
        return exceptions

    def count(self, batch: Sequence[Taken]) -> Counter[Count]:
        """How many messages of the batch came to which outcome."""
        exceptions = self.exceptions()
        counts: Counter[Count] = Counter()
        for taken in batch:
            record = taken.record
            outcome: Outcome = "ignored" if taken.ignored else "accepted"
            if exceptions:
                outcome = exceptions.get(place_of(record), outcome)
            counts[record.topic, record.partition, taken.type, outcome] += 1
        return counts
