"""What benchmarks stand on: how much is to be done, what was measured, and servers to do it on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bench.registry import Results
from bench.servers import running_servers
from bench.sizes import Sizes
from bench.stage import Stage, prepared


@dataclass
class Ground:
    """One run of benchmarks. One stage stands at a time: what is idle takes time too."""

    sizes: Sizes
    tell: Callable[[str], None]
    round: int = 0
    results: Results = field(init=False)
    _name: str | None = None
    _stage: Stage | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.results = Results(self, self.tell)

    async def stage(self, name: str, postgres_settings: Mapping[str, str] | None = None) -> Stage:
        """The stage of this name, as the benchmark before left it; a new one if another stands."""
        if self._stage is None or self._name != name:
            await self.leave()
            self.tell(f"starting Kafka and PostgreSQL: {name}")
            entering = self._running.enter_context
            servers = await asyncio.to_thread(entering, running_servers(postgres_settings))
            self._stage, self._name = await prepared(servers), name
        return self._stage

    async def leave(self) -> None:
        """Stop the servers of the stage that stands, and remove their data."""
        self._stage = None
        await asyncio.to_thread(self._running.close)


@asynccontextmanager
async def opened(sizes: Sizes, tell: Callable[[str], None]) -> AsyncIterator[Ground]:
    """A ground whose servers are stopped at the end, however it comes."""
    ground = Ground(sizes, tell)
    try:
        yield ground
    finally:
        await ground.leave()
