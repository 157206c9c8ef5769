"""What is published is looked at first: a log that is no continuation of it takes nothing."""

from __future__ import annotations

import pytest

from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.merkle import EMPTY_ROOT
from services.audit.handlers.identity import signing_key
from shared.messaging.subscription import Halted
from tests.support.facts import Facts
from tests.support.log import append, appending_to, entries, folder_of, publish_all, settings_of
from tests.support.trees import root_of
from tests.support.work import Work


async def test_a_database_that_is_behind_what_is_published_takes_nothing(
    work: Work, facts: Facts
) -> None:
    await publish_all(work)
    larger = Checkpoint(settings_of(work).audit_origin, 5, root_of([b"lost"] * 5))
    folder_of(work).write({"checkpoint": larger.signed(signing_key(settings_of(work))).encode()})
    for attempt in (append(work, facts, 1), publish_all(work)):
        with pytest.raises(Halted, match="behind a published checkpoint"):
            await attempt
    assert await work.value("select count(*) from entry") == 0


async def test_a_database_with_another_log_than_is_published_takes_nothing(
    work: Work, facts: Facts
) -> None:
    await append(work, facts, 3)
    await publish_all(work)
    other = Checkpoint(settings_of(work).audit_origin, 3, root_of([b"other"] * 3))
    folder_of(work).write({"checkpoint": other.signed(signing_key(settings_of(work))).encode()})
    for attempt in (append(work, facts, 1), publish_all(work)):
        with pytest.raises(Halted, match="unlike a published checkpoint"):
            await attempt
    assert await work.value("select count(*) from entry") == 3


async def test_what_was_published_since_the_process_began_is_seen_by_it(
    work: Work, facts: Facts
) -> None:
    handler = appending_to(work)
    await work.do(handler, entries(facts, 3))
    other = Checkpoint(settings_of(work).audit_origin, 9, root_of([b"other"] * 9))
    folder_of(work).write({"checkpoint": other.signed(signing_key(settings_of(work))).encode()})
    with pytest.raises(Halted, match="behind"):
        await work.do(handler, entries(facts, 3))
    # And is not forgotten when the folder is taken away.
    (folder_of(work).path / "checkpoint").unlink()
    with pytest.raises(Halted, match="behind"):
        await work.do(handler, entries(facts, 3))


async def test_the_topic_alone_is_enough_to_know_that_a_database_is_behind(
    work: Work, facts: Facts
) -> None:
    key = signing_key(settings_of(work))
    larger = Checkpoint(key.name, 5, root_of([b"lost"] * 5)).signed(key).encode()
    foreign = Checkpoint("example.org/other", 9, root_of([])).signed(key).encode()

    async def topic() -> list[bytes]:
        return [foreign, larger, foreign]

    with pytest.raises(Halted, match="behind"):
        await work.do(appending_to(work, topic), entries(facts, 1))


async def test_a_checkpoint_that_another_key_has_signed_stops_everything(
    work: Work, facts: Facts
) -> None:
    key = signing_key(settings_of(work))
    stranger = type(key)(key.name, bytes(32))
    note = Checkpoint(key.name, 0, EMPTY_ROOT).signed(stranger).encode()
    folder_of(work).write({"checkpoint": note})
    for attempt in (append(work, facts, 1), publish_all(work)):
        with pytest.raises(Exception, match=r"cannot be used|known key"):
            await attempt


async def test_while_kafka_is_away_nothing_is_appended_before_its_checkpoints_are_known(
    work: Work, facts: Facts
) -> None:
    answers: list[BaseException | list[bytes]] = [TimeoutError(), []]

    async def topic() -> list[bytes]:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    handler = appending_to(work, topic)
    with pytest.raises(Halted, match="Kafka does not answer"):
        await work.do(handler, entries(facts, 1))
    await work.do(handler, entries(facts, 1))
    await work.do(handler, entries(facts, 1))
    assert await work.value("select count(*) from entry") == 2
