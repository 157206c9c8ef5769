"""An upstream system: it publishes, and goes on trying while Kafka is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.faults.load import Upstream

REQUEST_MS = 5_000
TRY_AGAIN_S = 0.2


class Sender:
    """Sends the messages of one key one after the other: what fails is sent again, the very same,
    before the next.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._open: AIOKafkaProducer | None = None

    async def send(self, messages: Sequence[Upstream]) -> None:
        """Return once Kafka has all of them."""
        for wave in _waves(messages):
            left = wave
            while left:
                left = await self._try(left)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._open is not None:
            producer, self._open = self._open, None
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), REQUEST_MS / 1000)

    async def _try(self, messages: Sequence[Upstream]) -> list[Upstream]:
        """Those that Kafka may not have."""
        try:
            producer = await self._producer()
            sent = [
                await producer.send(one.topic, one.value, one.key.encode(), headers=one.headers)
                for one in messages
            ]
            results = await asyncio.gather(*sent, return_exceptions=True)
        except (KafkaError, OSError):
            results = [KafkaError()] * len(messages)
        left = [
            one
            for one, result in zip(messages, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if left:
            await self.close()
            await asyncio.sleep(TRY_AGAIN_S)
        return left

    async def _producer(self) -> AIOKafkaProducer:
        if self._open is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._servers,
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=REQUEST_MS,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._open = producer
        return self._open


def _waves(messages: Iterable[Upstream]) -> Iterator[list[Upstream]]:
    """In order, cut so that no key is twice in one."""
    wave: list[Upstream] = []
    keys: set[str] = set()
    for one in messages:
        if one.key in keys:
            yield wave
            wave, keys = [], set()
        wave.append(one)
        keys.add(one.key)
    if wave:
        yield wave
