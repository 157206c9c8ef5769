"""Looks at every process of the system that runs here: whether it is ready, and its figures."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from services.cli.figures import Figures, Sample, Span, figures_of, read_sample
from services.cli.processes import service_of
from services.cli.schemas import SERVICES
from shared.local.ports import HOST
from shared.local.process import port_of_another
from shared.local.readiness import (
    HELLOS,
    answer_of,
    missing_from_port,
    missing_from_service,
)
from shared.local.state import Entry, State, read_state


@dataclass(frozen=True)
class Look:
    """What was seen at one moment, by the names of processes; `missing` None: it is ready."""

    state: State
    missing: Mapping[str, str | None]
    samples: Mapping[str, Sample]

    @property
    def all_ready(self) -> bool:
        return self.state.phase == "running" and not any(self.missing.values())


@dataclass(frozen=True)
class ServiceRow:
    """One service: how many processes it has, how many of them are ready, and its figures, None
    where no process told any.
    """

    name: str
    replicas: int
    ready: int
    figures: Figures | None


async def look(home: Path) -> Look | None:
    """None when nothing runs from this home."""
    state = read_state(home / "run")
    if state is None or not state.running():
        return None
    missing, samples = await asyncio.gather(
        asyncio.gather(*(_missing(state, entry) for entry in state.processes)),
        asyncio.gather(*(_sample(entry) for entry in state.processes)),
    )
    names = [entry.name for entry in state.processes]
    told = {name: one for name, one in zip(names, samples, strict=True) if one is not None}
    return Look(state, dict(zip(names, missing, strict=True)), told)


def service_rows(now: Look, since: Look | None, batches_since: Look | None) -> list[ServiceRow]:
    """Rates are those since one look, times of batches those since another; None: since each
    process started, which gives no rate.
    """
    return [
        row for service in SERVICES if (row := _row(service, now, since, batches_since)).replicas
    ]


def _row(service: str, now: Look, since: Look | None, batches_since: Look | None) -> ServiceRow:
    names = [entry.name for entry in now.state.processes if service_of(entry.name) == service]
    ready = sum(now.missing[name] is None for name in names)
    told = [name for name in names if name in now.samples]
    spans = [_span(now, since, name) for name in told]
    batches = [_span(now, batches_since, name).batches() for name in told]
    return ServiceRow(service, len(names), ready, figures_of(spans, batches))


def _span(now: Look, since: Look | None, name: str) -> Span:
    return Span.of(since.samples.get(name) if since else None, now.samples[name])


def document(look: Look, rows: list[ServiceRow]) -> dict[str, object]:
    """All of it for a program."""
    return {
        "running": True,
        "pid": look.state.pid,
        "phase": look.state.phase,
        "addresses": dict(look.state.addresses),
        "services": [
            {
                "name": row.name,
                "replicas": row.replicas,
                "ready": row.ready,
                **(asdict(row.figures) if row.figures else {}),
            }
            for row in rows
        ],
        "processes": [
            {
                "name": entry.name,
                "pid": entry.pid,
                "ports": dict(entry.ports),
                "restarts": entry.restarts,
                "ready": look.missing[entry.name] is None,
                "missing": look.missing[entry.name],
                "log": entry.log,
            }
            for entry in look.state.processes
        ],
    }


def targets(state: State) -> list[dict[str, object]]:
    """Where Prometheus finds the processes of services, in the form of its `file_sd_configs`."""
    return [
        {
            "targets": [f"{HOST}:{entry.ports['http']}"],
            "labels": {"service": service, "process": entry.name},
        }
        for entry in state.processes
        if (service := service_of(entry.name))
    ]


async def _missing(state: State, entry: Entry) -> str | None:
    if not state.identity(entry).alive():
        return "it died and is being started again"
    if "http" in entry.ports:
        missing = await missing_from_service(entry.ports["http"])
    else:
        kind, port = next(iter(entry.ports.items()))
        missing = await missing_from_port(port, hello=HELLOS.get(kind, b""))
    return missing or await asyncio.to_thread(port_of_another, entry.pid, entry.ports.values())


async def _sample(entry: Entry) -> Sample | None:
    """None for a server, and for a service that does not answer."""
    return await asyncio.to_thread(_fetch, entry.ports["http"]) if "http" in entry.ports else None


def _fetch(port: int) -> Sample | None:
    try:
        status, body = answer_of(port, "/metrics")
        return read_sample(body.decode(), time.monotonic()) if status == http.client.OK else None
    except (OSError, ValueError):
        return None
