"""`python -m bench.pace`: registrations at a steady rate, from a process that measures nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import islice
from typing import Annotated

import typer
import uvloop
from aiokafka import AIOKafkaProducer

from bench.load import Record, registrations
from shared.runtime.clock import utc_now

TICK_S = 0.01


def main(
    bootstrap_servers: Annotated[str, typer.Argument(help="host:port of Kafka")],
    rate: Annotated[float, typer.Option(min=1, help="Registrations a second.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="For so long.")],
    first: Annotated[int, typer.Option(help="The first serial number.")] = 0,
) -> None:
    """Publish registrations at this rate, as an upstream system does that is not in a hurry.

    For example: python -m bench.pace 127.0.0.1:9092 --rate 500 --seconds 10
    """
    records = registrations(first, int(rate * seconds), utc_now())
    uvloop.run(_publish(bootstrap_servers, list(records), rate))


async def _publish(bootstrap_servers: str, records: Iterable[Record], rate: float) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=5)
    await producer.start()
    left, sent, began = iter(records), 0, time.perf_counter()
    try:
        while True:
            due = int((time.perf_counter() - began) * rate)
            batch = list(islice(left, max(0, due - sent)))
            for topic, key, value, headers in batch:
                await producer.send(topic, value=value, key=key, headers=headers)
            sent += len(batch)
            if due > sent:
                break
            await asyncio.sleep(TICK_S)
        await producer.flush()
    finally:
        await producer.stop()


if __name__ == "__main__":
    typer.run(main)
