"""What the processes of a service tell at `/metrics`, put together as its figures. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# As shared/runtime/metrics.py has them; not imported, since the registry is a process's own.
PROCESSED: Final = "steward_messages_processed_total"
BATCH_BUCKET: Final = "steward_handler_seconds_bucket"
PARTITIONS: Final = "steward_partitions_assigned"
STOPPED: Final = "steward_partitions_stopped"
LAG: Final = "steward_consumer_lag"
OUTBOX: Final = "steward_outbox_rows"
OLDEST: Final = "steward_outbox_oldest_seconds"
DEAD_LETTERS: Final = "steward_dead_letters_standing"
PARKED_MESSAGES: Final = "steward_parked_messages"
PARKED_KEYS: Final = "steward_parked_keys"
STARTED: Final = "process_start_time_seconds"

Buckets = Mapping[float, float]
"""How many batches took at most so many seconds, by that bound; the last bound is infinite."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process told at one moment: `at` in seconds of any clock that only goes forward.

    `values` are by name, added up over labels.
    """

    at: float
    values: Mapping[str, float]
    batches: Buckets

    def __getitem__(self, name: str) -> float:
        return self.values.get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Span:
    """Two samples of one process; `before` None: from its start."""

    before: Sample | None
    after: Sample

    @classmethod
    def of(cls, before: Sample | None, after: Sample) -> Span:
        """A process that was started again between the two counts from its start."""
        same = before is not None and before[STARTED] == after[STARTED]
        return cls(before if same else None, after)

    def per_second(self, name: str) -> float:
        """By how much a counter grew a second; 0 where there is nothing to compare with."""
        if self.before is None or self.after.at <= self.before.at:
            return 0.0
        return (self.after[name] - self.before[name]) / (self.after.at - self.before.at)

    def batches(self) -> dict[float, float]:
        """The batches that ended between the two."""
        before = {} if self.before is None else self.before.batches
        return {bound: n - before.get(bound, 0.0) for bound, n in self.after.batches.items()}


@dataclass(frozen=True, slots=True)
class Figures:
    """A service, over all of its processes that answered.

    `batch_p99_s` None: no batch. It is an estimate within the bounds of the histogram, as
    Prometheus' `histogram_quantile` makes it, and at most the highest of them.
    """

    partitions: int
    partitions_stopped: int
    lag: int
    rate_per_s: float
    batch_p99_s: float | None
    outbox: int
    outbox_oldest_s: float
    dead_letters: int
    parked_messages: int
    parked_keys: int


def read_sample(text: str, at: float) -> Sample:
    """From Prometheus' text format. Raises ValueError where it is none."""
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, float] = {}
    batches: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0.0) + sample.value
            if sample.name == BATCH_BUCKET:
                batches[float(sample.labels["le"])] = sample.value
    return Sample(at, values, batches)


def figures_of(spans: Sequence[Span], batches: Iterable[Buckets]) -> Figures | None:
    """What the processes of one service tell together; None where none answered.

    What is of a process is added up. What is of the service's tables is told by each of them, some
    seconds old: the highest counts.
    """
    if not spans:
        return None

    def total(name: str) -> int:
        return round(sum(span.after[name] for span in spans))

    def highest(name: str) -> float:
        return max(span.after[name] for span in spans)

    return Figures(
        partitions=total(PARTITIONS),
        partitions_stopped=total(STOPPED),
        lag=total(LAG),
        rate_per_s=round(sum(span.per_second(PROCESSED) for span in spans), 1),
        batch_p99_s=quantile(0.99, _added(batches)),
        outbox=round(highest(OUTBOX)),
        outbox_oldest_s=highest(OLDEST),
        dead_letters=round(highest(DEAD_LETTERS)),
        parked_messages=round(highest(PARKED_MESSAGES)),
        parked_keys=round(highest(PARKED_KEYS)),
    )


def quantile(share: float, buckets: Buckets) -> float | None:
    """The value below which this share lies, straight between a bucket's bounds; None of nothing.

    Beyond the last finite bound nothing is known: that bound is the answer.
    """
    bounds = sorted(buckets)
    count = buckets[bounds[-1]] if bounds else 0.0
    if not count:
        return None
    rank, lower, below = share * count, 0.0, 0.0
    for bound in bounds:
        if math.isinf(bound):
            return lower
        if buckets[bound] >= rank:
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    return lower


def _added(several: Iterable[Buckets]) -> dict[float, float]:
    total: dict[float, float] = {}
    for buckets in several:
        for bound, count in buckets.items():
            total[bound] = total.get(bound, 0.0) + count
    return total
