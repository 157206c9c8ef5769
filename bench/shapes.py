"""The same rate under loads of other shapes: bad messages among them, everybody at one event."""

from __future__ import annotations

from bench.contest import backlog
from bench.ground import Ground
from bench.load import announcements, registrations, spoilt
from bench.registry import benchmark, ratio
from bench.steward import facts_per_second
from bench.throughput import STEWARD
from shared.runtime.clock import utc_now

BAD = "steward-2-percent-bad"
ONE_EVENT = "steward-one-event"
MANY_EVENTS = "steward-1000-events"

EVERY = 50
EVENTS = 1_000


@benchmark(BAD, unit="messages/s", repeated=True, needs=(STEWARD,))
async def bad_messages(ground: Ground) -> float:
    """Each fiftieth message is bad: no JSON, no known type, a field missing, an impossible value.

    In messages taken a second, bad ones included.
    """
    stage = (await backlog(ground)).stage
    many = ground.sizes.registrations
    records = registrations(stage.next_serials(many), many, utc_now())
    await stage.produce(spoilt(records, EVERY))
    good = many - -(-many // EVERY)
    return await facts_per_second(stage, good) * many / good


@benchmark(ONE_EVENT, unit="messages/s", repeated=True, needs=(STEWARD,))
async def one_event(ground: Ground) -> float:
    """All register for one event; it has places for half of them, the others wait in line."""
    return await _crowd(ground, 1)


@benchmark(MANY_EVENTS, unit="messages/s", repeated=True, needs=(STEWARD,))
async def many_events(ground: Ground) -> float:
    """As many people, over a thousand events with places for half of them."""
    return await _crowd(ground, min(EVENTS, ground.sizes.crowd // 4))


async def _crowd(ground: Ground, events: int) -> float:
    stage = (await backlog(ground)).stage
    many = ground.sizes.crowd
    first = stage.next_serials(many)
    numbers = [f"EV-CROWD-{first}-{number}" for number in range(events)]
    await stage.produce(announcements(utc_now(), numbers, places=many // events // 2))
    await facts_per_second(stage, events)  # the events are open
    await stage.produce(registrations(first, many, utc_now(), numbers))
    return await facts_per_second(stage, many)


ratio("bad-messages-to-none", of=BAD, to=STEWARD, aim=0.8)
ratio("one-event-to-1000", of=ONE_EVENT, to=MANY_EVENTS, aim=0.7)
