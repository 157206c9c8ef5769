"""The metrics that every service has."""

from __future__ import annotations

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric

from shared.runtime.metrics import UNREGISTERED

_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def exposed_names() -> set[str]:
    """As they stand at `/metrics`, those of the process itself too."""
    assert UNREGISTERED, "the module is loaded, so that its metrics are registered"
    return {name for family in REGISTRY.collect() for name in _names(family)}


def _names(family: Metric) -> list[str]:
    return [family.name + suffix for suffix in _SUFFIXES.get(family.type, ())]
