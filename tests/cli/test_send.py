from __future__ import annotations

import asyncio
import base64
import io
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import cast

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from typer.testing import CliRunner, Result

from services.cli import publishing
from services.cli.inbound_lines import LineError, ToSend, read_line
from services.cli.send import app
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.contract.topics import MAX_MESSAGE_BYTES, TOPICS
from shared.local.kafka import LocalKafka
from shared.local.state import read_state
from shared.messaging import producing
from shared.messaging.offsets import bounds_of, open_reader
from shared.runtime.cluster import Cluster
from shared.runtime.topics import create_topics
from tests.cli.conftest import ROOT
from tests.support.commands import hear_interrupts

CANARY = "Kanarialintu-7391"


def event(kind: str = "CancellationRequested", **data: object) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": "m-1",
            "source": "https://courses.example.org/steward",
            "type": kind,
            "data": {"registration_number": "K-1"} | data,
        }
    )


def record(**told: object) -> bytes:
    return orjson.dumps({"kafka": {"topic": "inbound.contacts"} | told})


def test_a_cloud_event_goes_as_it_stands_to_the_topic_of_its_type_under_its_number() -> None:
    line = event()
    assert read_line(line + b"\r\n") == ToSend(
        "inbound.registrations", b"K-1", line, (("content-type", b"application/cloudevents+json"),)
    )
    contact = event("WithdrawalRequested", contact_number="C-1", email="a@example.org")
    assert read_line(contact).topic == "inbound.contacts"
    assert read_line(contact).key == b"C-1"


def test_what_the_services_will_refuse_is_sent_all_the_same() -> None:
    line = event("RegistrationSubmitted", registration_number=5)
    assert read_line(line).value == line
    assert read_line(line).key is None


def test_a_record_may_hold_bytes_that_are_no_text() -> None:
    raw = base64.b64encode(b"\xff").decode()
    line = record(key_base64=raw, headers={"a": "b"}, headers_base64={"c": raw}, value_base64=raw)
    assert read_line(line) == ToSend(
        "inbound.contacts", b"\xff", b"\xff", (("a", b"b"), ("c", b"\xff"))
    )
    assert read_line(record(key="k", value="v")) == ToSend("inbound.contacts", b"k", b"v", ())
    assert read_line(record(key="k")) == ToSend("inbound.contacts", b"k", None, ())
    assert read_line(record(value="v")) == ToSend("inbound.contacts", None, b"v", ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f'{{"a": {CANARY}'.encode(), "no JSON from character 6 on"),
        (b"\xff", "no JSON"),
        (b"[]", "no JSON object"),
        (event(CANARY), "type is none that upstream systems send"),
        (event("ParticipantRegistered"), "type is none that upstream systems send"),
        (record(topic="audit"), "topic is none of inbound.contacts"),
        (record(topic=5), "kafka: topic is not as it must be"),
        (record(value_base64=CANARY), "kafka: value_base64 is not as it must be"),
        (record(**{CANARY: 1}), "kafka: a name is not as it must be"),
        (orjson.dumps({"kafka": CANARY}), "kafka: a name is not as it must be"),
        (record(headers={"a": "b"}), "kafka: neither key nor value"),
        (event(note="x" * 1_048_576), "too large for a message"),
        (record(key="x" * 1_048_576), "too large for a message"),
        (record(key="k", headers={"a": "x" * 1_048_576}), "too large for a message"),
        (record(key="k", headers={"x" * 1_048_576: ""}), "too large for a message"),
        (record(key="k", headers={str(i): "" for i in range(99_999)}), "too large for a message"),
    ],
)
def test_a_line_that_is_neither_says_why_and_quotes_nothing(line: bytes, reason: str) -> None:
    with pytest.raises(LineError) as caught:
        read_line(line)
    assert reason in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.fixture
def ends(kafka: str) -> dict[TopicPartition, int]:
    """Where the inbound topics end before the test."""

    async def find() -> dict[TopicPartition, int]:
        await create_topics(Cluster(kafka), TOPICS)
        inbound = [spec for spec in TOPICS if spec.inbound]
        places = [(spec.name, number) for spec in inbound for number in range(spec.partitions)]
        async with open_reader(Cluster(kafka)) as reader:
            bounds = await bounds_of(reader, places)
        return {TopicPartition(*place): found.end for place, found in bounds.items()}

    return asyncio.run(find())


def sent_since(kafka: str, ends: dict[TopicPartition, int], many: int) -> list[ConsumerRecord]:
    async def read() -> list[ConsumerRecord]:
        async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
            consumer.assign(list(ends))
            for partition, end in ends.items():
                consumer.seek(partition, end)
            return [await consumer.getone() for _ in range(many)]

    return asyncio.run(read())


def run(
    *arguments: str | Path, piped: bytes | None = None, env: dict[str, str] | None = None
) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=piped, env=env)


def test_lines_arrive_in_order_and_refused_ones_are_named(
    kafka: str, ends: dict[TopicPartition, int], tmp_path: Path
) -> None:
    file = tmp_path / "lines.jsonl"
    lines = [event(note=number) for number in range(3)]
    file.write_bytes(b"\n".join([lines[0], b"", b"nothing", lines[1], lines[2], b""]))
    result = run(file, "--bootstrap-servers", kafka, "--json")
    assert result.exit_code == 1
    assert orjson.loads(result.stdout) == {
        "sent": 3,
        "topics": {"inbound.registrations": 3},
        "refused": 1,
        "lines": [{"line": 3, "reason": "no JSON from character 0 on"}],
    }
    records = sent_since(kafka, ends, 3)
    assert [one.value for one in records] == lines
    assert {one.key for one in records} == {b"K-1"}
    assert all(isinstance(decode(one), Message) for one in records)


def test_what_is_just_small_enough_is_taken_by_kafka(
    kafka: str, ends: dict[TopicPartition, int]
) -> None:
    """And so nothing that was read well ends a run in its middle."""
    small, large = 0, MAX_MESSAGE_BYTES
    while large - small > 1:
        size = (small + large) // 2
        try:
            read_line(record(key="k", headers={"a": "b" * 500_000}, value="x" * size))
        except LineError:
            large = size
        else:
            small = size
    assert small > MAX_MESSAGE_BYTES - 502_000
    line = record(key="k", headers={"a": "b" * 500_000}, value="x" * small)
    assert run("-", "--bootstrap-servers", kafka, piped=line).exit_code == 0
    assert len(sent_since(kafka, ends, 1)[0].value) == small


@pytest.mark.parametrize("somebody_looks", [True, False])
def test_where_somebody_looks_a_bar_shows_how_much_is_sent(
    kafka: str, ends: dict[TopicPartition, int], tmp_path: Path, somebody_looks: bool
) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(event() + b"\n")
    terminal = {"TTY_COMPATIBLE": "1" if somebody_looks else "0", "COLUMNS": "100"}
    result = run(file, "--bootstrap-servers", kafka, env=terminal)
    size = file.stat().st_size
    assert (f"{size}/{size} bytes" in result.stderr) is somebody_looks
    assert ("sending" in result.stderr) is somebody_looks
    assert "sending" not in result.stdout


def test_standard_input_is_read_too(kafka: str, ends: dict[TopicPartition, int]) -> None:
    result = run("-", "--bootstrap-servers", kafka, piped=event() + b"\n")
    assert result.exit_code == 0
    assert "inbound.registrations: 1 sent" in result.stdout
    assert sent_since(kafka, ends, 1)[0].value == event()


async def test_what_comes_by_a_pipe_is_sent_as_it_comes_and_an_interrupt_ends_it(
    kafka: str,
) -> None:
    """Whoever writes to the pipe may have nothing more to say for an hour."""
    await create_topics(Cluster(kafka), TOPICS)
    async with AIOKafkaConsumer("inbound.registrations", bootstrap_servers=kafka) as consumer:
        await consumer.seek_to_end()
        sending = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", "send", "-", "--bootstrap-servers", kafka),
            cwd=ROOT,
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka},
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=hear_interrupts,
        )
        try:
            assert sending.stdin is not None
            for number in range(2):
                sending.stdin.write(event(note=number) + b"\n")
                record = await asyncio.wait_for(consumer.getone(), 30)
                assert record.value == event(note=number)
            sending.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(sending.wait(), 30) != 0
        finally:
            await ended(sending)


class Refusing:
    """A producer whose broker takes nothing."""

    async def send(self, *_: object, **__: object) -> asyncio.Future[object]:
        refused: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        refused.set_exception(KafkaError("refused"))
        return refused


async def test_a_broker_that_takes_nothing_is_told_of_while_the_pipe_waits() -> None:
    """What it was sent before would else be lost in silence."""
    reader, writer = os.pipe()
    producer = cast("AIOKafkaProducer", Refusing())
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb", buffering=0) as upstream:
        upstream.write(event() + b"\n")
        sending = publishing._send_all(producer, pipe, publishing.Report(), lambda _: None)
        with pytest.raises(KafkaError, match="refused"):
            await asyncio.wait_for(sending, 10)


async def ended(process: asyncio.subprocess.Process) -> None:
    """A test that fails leaves no process behind."""
    if process.returncode is None:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_lines_are_the_same_however_they_come(
    at_once: int, end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_READ_AT_ONCE", at_once)
    text = b"\nfirst\r\n\nsecond\rstill" + end

    async def caught_up() -> None:
        raise AssertionError("nothing in memory has to be waited for")

    lines = [line async for line in publishing._lines(io.BytesIO(text), caught_up)]
    assert lines == io.BytesIO(text).readlines()


@pytest.mark.parametrize("piped", [True, False])
def test_with_strict_nothing_is_sent_when_one_line_is_bad(
    kafka: str,
    ends: dict[TopicPartition, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    piped: bool,
) -> None:
    # There is nowhere to leave what is piped in.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    file = tmp_path / "lines.jsonl"
    file.write_bytes(event() + b"\nnothing\n")
    arguments = ("--bootstrap-servers", kafka, "--strict")
    result = run("-", *arguments, piped=file.read_bytes()) if piped else run(file, *arguments)
    assert result.exit_code == 1
    assert "line 2: no JSON" in result.stderr
    marker = event(note="marker")
    assert run("-", *arguments, piped=marker).exit_code == 0
    assert sent_since(kafka, ends, 1)[0].value == marker


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_a_pipe_may_be_named_as_a_file(
    kafka: str, ends: dict[TopicPartition, int], strict: tuple[str, ...]
) -> None:
    """A shell's `<(…)` is one; it can be read once only."""
    reader, writer = os.pipe()
    os.write(writer, event() + b"\n")
    os.close(writer)
    try:
        result = run(f"/dev/fd/{reader}", "--bootstrap-servers", kafka, *strict)
    finally:
        os.close(reader)
    assert result.exit_code == 0, result.exception
    assert sent_since(kafka, ends, 1)[0].value == event()


def test_without_kafka_it_says_how_to_get_one(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.touch()
    result = run(file, env={"KAFKA_BOOTSTRAP_SERVERS": ""})
    assert result.exit_code == 2
    assert "steward up" in result.stderr


def test_a_file_that_is_not_there_is_a_wrong_argument() -> None:
    assert run("nowhere.jsonl", "--bootstrap-servers", "127.0.0.1:1").exit_code == 2


def test_a_kafka_that_is_not_there_is_said(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.touch()
    result = run(file, "--bootstrap-servers", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "did not take the messages" in result.stderr


@pytest.mark.system
def test_a_kafka_that_falls_silent_is_told_of_and_how_much_it_had_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer would go on trying for ever, and so would its end."""

    def then_silent(line: bytes) -> ToSend:
        if b"last" in line:
            monkeypatch.setattr(producing, "SILENT_S", 1.0)  # not before: it may be slow
            os.kill(pid, signal.SIGSTOP)
        return read_line(line)

    monkeypatch.setattr(publishing, "read_line", then_silent)
    monkeypatch.setattr(publishing, "IN_FLIGHT", 2)
    monkeypatch.setattr(producing, "REQUEST_MS", 3_000)
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"\n".join((event(), event(), event(note="last"))))
    with asyncio.Runner() as runner:
        kafka = LocalKafka(tmp_path / "kafka")
        runner.run(kafka.__aenter__())
        try:
            runner.run(create_topics(kafka.cluster, TOPICS))
            state = read_state(tmp_path / "kafka" / "run")
            assert state is not None
            pid = state.processes[0].pid
            result = run(file, "--bootstrap-servers", kafka.bootstrap_servers)
        finally:
            os.kill(pid, signal.SIGCONT)
            runner.run(kafka.__aexit__(None, None, None))
    assert result.exit_code == 1
    assert "(KafkaTimeoutError), but for 2 that it acknowledged before" in result.stderr
    assert "Unable" not in result.stderr


@pytest.mark.system
def test_a_kafka_that_is_silent_for_a_while_is_waited_for_however_much_is_to_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer has less patience where a message finds no room in its batches."""

    def then_silent(line: bytes) -> ToSend:
        if b"silence" in line:
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(5.0, os.kill, (pid, signal.SIGCONT)).start()
        return read_line(line)

    monkeypatch.setattr(publishing, "read_line", then_silent)
    monkeypatch.setattr(producing, "REQUEST_MS", 2_000)
    file = tmp_path / "lines.jsonl"
    rest = [event(note=f"{number} {'x' * 4096}") for number in range(500)]
    file.write_bytes(b"\n".join((event(), event(note="silence"), *rest)))
    with asyncio.Runner() as runner:
        kafka = LocalKafka(tmp_path / "kafka")
        runner.run(kafka.__aenter__())
        try:
            runner.run(create_topics(kafka.cluster, TOPICS))
            state = read_state(tmp_path / "kafka" / "run")
            assert state is not None
            pid = state.processes[0].pid
            result = run(file, "--bootstrap-servers", kafka.bootstrap_servers)
        finally:
            os.kill(pid, signal.SIGCONT)
            runner.run(kafka.__aexit__(None, None, None))
    assert (result.exit_code, result.stdout) == (
        0,
        f"inbound.registrations: {len(rest) + 2} sent\n",
    )
