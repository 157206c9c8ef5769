"""An event with people on a list, and somebody at the counter who hands it over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services.registration.commands.counter import Counter, Wish, hand_over
from services.registration.handlers.consents import keep_consents
from services.registration.handlers.delivering import csv_of
from services.registration.handlers.desk import SERVICE
from services.registration.handlers.handover import ask_again
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.message import Envelope, Message
from shared.contract.registration import ParticipantRegistered
from shared.contract.retention import ObjectionRecorded
from shared.messaging.unit_of_work import unit_of_work
from shared.privacy.deliveries import Deliveries
from shared.privacy.limits import record_limits
from shared.privacy.outgoing import OutgoingFolder
from shared.privacy.ports import HandoverStep, Steps, no_steps
from shared.runtime.clock import utc_now
from shared.runtime.ids import new_id
from shared.runtime.log_ends import LogEnds
from tests.registration.conftest import HEARD, NOW, Front, consent
from tests.support.messaging import Crash
from tests.support.records import MadeRecord

DIETS = consent("dietary-needs")
LATER = NOW.replace(hour=13)


@dataclass
class Given:
    """The event, and all who hand its lists over; they share one clock and the folder."""

    front: Front
    folder: Path
    people: list[ParticipantRegistered]
    now: datetime = field(default_factory=utc_now)
    log_ends: LogEnds = field(default_factory=lambda: HEARD)

    def counter(self, deliveries: Deliveries | None = None) -> Counter:
        """Where commands are served."""
        desk, pool = self.front.desk, self.front.pool
        plan = desk.privacy.in_force
        begin = partial(unit_of_work, pool, service=SERVICE, ids=new_id, plan=plan)
        return Counter(desk, pool, begin, deliveries or self.deliveries())

    def deliveries(self, steps: Steps = no_steps) -> Deliveries:
        """As a process of the service has them, or a command."""
        desk, pool = self.front.desk, self.front.pool
        begin = partial(unit_of_work, pool, service=SERVICE, ids=new_id)

        async def log_ends() -> LogEnds:
            return self.log_ends

        return Deliveries(
            privacy=desk.privacy,
            begin=partial(begin, plan=desk.privacy.in_force),
            begin_record=begin,
            ask_again=partial(ask_again, desk),
            log_ends=log_ends,
            ports={"folder": OutgoingFolder(self.folder, partial(csv_of, desk), steps)},
            actor="service:registration",
            now=lambda: self.now,
            steps=steps,
        )

    async def hand_over(
        self, recipient: str = "caterer", output: Path | None = None, steps: Steps = no_steps
    ) -> str:
        """As `steward registration disclose` does; the summary as JSON."""
        wish = Wish("E-1", recipient, output)
        return await self.ask(wish, steps)

    async def ask(self, wish: Wish, steps: Steps = no_steps) -> str:
        return await hand_over(self.counter(self.deliveries(steps)), wish, as_json=True)

    def later(self, by: timedelta = timedelta(minutes=2)) -> None:
        """Whoever took something before has it no longer."""
        self.now += by

    def lists(self) -> list[Path]:
        """What lies in the folder, whole or not."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


async def three_people(front: Front, folder: Path) -> Given:
    """Two with a diet, one of them with a formula for a name; and one without."""
    await front.take(
        front.event(),
        front.submitted(
            1,
            answers={"name": "=HYPERLINK(1)", "diet": 'Pähkinätön, "vegaani"'},
            consents=[DIETS],
            share_with_participants=["networking.name"],
        ),
        front.submitted(2, answers={"diet": "no fish"}, consents=[DIETS]),
        front.submitted(3),
    )
    return Given(front, folder, await front.said(ParticipantRegistered))


async def say_consent(given: Given, *, withdrawn: int | None = None, at: datetime = LATER) -> None:
    """The consent service says what people answered; and that one of them took it back."""
    messages: list[Message[ConsentGiven | ConsentWithdrawn]] = []
    messages += [_yes(person, NOW) for person in given.people[:2]]
    if withdrawn is not None:
        gone = ConsentWithdrawn.model_validate(
            {
                "subject_id": given.people[withdrawn].subject_id,
                "purpose": "dietary-needs",
                "plan_digest": "0",
                "at": at,
            }
        )
        messages.insert(0, Message(MadeRecord(b""), Envelope("2", "/steward/consent", "", 1), gone))
    async with given.front.transaction() as tx:
        await keep_consents(tx, messages)


async def say_yes_again(given: Given, person: int, at: datetime) -> None:
    """The consent service says that somebody consented anew."""
    async with given.front.transaction() as tx:
        await keep_consents(tx, [_yes(given.people[person], at)])


def _yes(person: ParticipantRegistered, at: datetime) -> Message[ConsentGiven]:
    fact = ConsentGiven.model_validate(
        {
            "subject_id": person.subject_id,
            "purpose": "dietary-needs",
            "plan_digest": "0",
            "at": at,
            "wording": "dietary-needs-2026",
            "language": "en",
            "collected_by": "registration",
            "source": "event-forms",
        }
    )
    return Message(MadeRecord(b""), Envelope("1", "/steward/consent", "", 1), fact)


async def say_objection(given: Given, person: int) -> None:
    """The retention service says that somebody objected."""
    objection = ObjectionRecorded(
        subject_id=given.people[person].subject_id, purpose="dietary-needs", at=NOW
    )
    heard = Message(MadeRecord(b""), Envelope("3", "/steward/retention", "", 1), objection)
    async with given.front.transaction() as tx:
        await record_limits(tx, [heard])


def dies_at(step: HandoverStep) -> Steps:
    def look(at: HandoverStep) -> None:
        if at == step:
            raise Crash

    return look


async def dies_while_handing_over(
    given: Given, step: HandoverStep, output: Path | None = None
) -> None:
    with pytest.raises(Crash):
        await given.hand_over(output=output, steps=dies_at(step))
    given.later()


async def left(given: Given) -> int:
    """Sealed values that wait for their delivery."""
    (row,) = await given.front.rows("select count(*) from registration.handover_value")
    return int(row["count"])


async def states(given: Given) -> list[str]:
    rows = await given.front.rows("select state from registration.handover")
    return [row["state"] for row in rows]


def people_on(path: Path) -> list[str]:
    return [line.partition(",")[0] for line in path.read_text("utf-8").splitlines()[1:]]
