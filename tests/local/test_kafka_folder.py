"""A Kafka whose disk is away, or whose port somebody else has, is not taken for another;
it needs no class cache.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from shared.local import kafka as kafka_module
from shared.local.errors import LocalError, NotReadyError
from shared.local.kafka import LocalKafka
from shared.local.packages import cache_folder

pytestmark = pytest.mark.system


async def test_while_the_disk_of_a_broker_is_away_nothing_is_made_in_its_place(
    tmp_path: Path,
) -> None:
    await LocalKafka(tmp_path, brokers=3).prepare()
    for name in ("kafka-2", "kafka-3"):
        shutil.rmtree(tmp_path / name)
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
        with pytest.raises(LocalError, match=rf"{name} links to .*/disk/{name}, which"):
            await LocalKafka(tmp_path).prepare()
        assert not (tmp_path / "disk").exists()
        (tmp_path / name).unlink()


async def test_while_the_disks_of_all_brokers_are_away_there_is_no_single_one_instead(
    tmp_path: Path,
) -> None:
    """Which would be taken for all there is once the disks are mounted."""
    folder, disk = tmp_path / "kafka", tmp_path / "disk"
    folder.mkdir()
    for number in (1, 2, 3):
        (folder / f"kafka-{number}").symlink_to(disk / f"kafka-{number}")
    with pytest.raises(LocalError, match=r"kafka-3 links to .*, which is not there"):
        await LocalKafka(folder).prepare()
    assert not disk.exists()
    assert {one.name for one in folder.iterdir()} == {"kafka-1", "kafka-2", "kafka-3"}


@pytest.mark.parametrize("linked", ["kafka", "kafka/data"])
async def test_while_the_disk_of_the_only_broker_is_away_none_is_made_anew(
    tmp_path: Path, linked: str
) -> None:
    link, disk = tmp_path / linked, tmp_path / "disk" / "of-kafka"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(disk)
    with pytest.raises(LocalError, match=rf"{linked} links to .*/disk/of-kafka, which is not"):
        await LocalKafka(tmp_path / "kafka").prepare()
    assert not disk.parent.exists()
    disk.mkdir(parents=True)
    assert [one.name for one in await LocalKafka(tmp_path / "kafka").prepare()] == ["kafka"]


@pytest.mark.parametrize(
    ("linked", "brokers"), [("kafka", 1), ("kafka/data", 1), ("kafka/kafka-3", 3)]
)
async def test_an_empty_mount_point_is_not_taken_for_the_disk_of_a_kafka_that_ran(
    tmp_path: Path, linked: str, brokers: int
) -> None:
    """Which is there, and empty, while its disk is away."""
    link, disk, unmounted = tmp_path / linked, tmp_path / "disk", tmp_path / "unmounted"
    link.parent.mkdir(exist_ok=True)
    disk.mkdir()
    link.symlink_to(disk)
    await LocalKafka(tmp_path / "kafka", brokers=brokers).prepare()
    disk.rename(unmounted)
    disk.mkdir()
    again = LocalKafka(tmp_path / "kafka", ran_before=True)
    with pytest.raises(LocalError, match=rf"{linked} links to .*/disk, where no Kafka is"):
        await again.prepare()
    assert not any(disk.iterdir())
    disk.rmdir()
    unmounted.rename(disk)
    assert len(await again.prepare()) == brokers


async def test_whose_data_was_removed_on_purpose_begins_anew_on_its_disk(tmp_path: Path) -> None:
    """As the page has it for a broker whose data is broken."""
    link, disk = tmp_path / "kafka", tmp_path / "disk"
    disk.mkdir()
    link.symlink_to(disk)
    await LocalKafka(link).prepare()
    shutil.rmtree(disk / "data")
    await LocalKafka(link, ran_before=True).prepare()
    assert (disk / "data").exists()


async def test_who_has_taken_the_port_meanwhile_is_not_taken_for_ours(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services would have read the messages of another system, and sent it theirs."""
    monkeypatch.setattr("shared.local.ports.is_free", lambda _: True)
    ours = LocalKafka(tmp_path, port=int(kafka.rpartition(":")[2]))
    with pytest.raises(NotReadyError, match=r"kafka did not start: .*"):
        await ours.__aenter__()


@pytest.mark.parametrize("kept_from", ["its folder is not ours", "the disk is full"])
async def test_without_a_class_cache_kafka_starts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_from: str
) -> None:
    jars, cache = cache_folder() / "jars", tmp_path / "cache"
    cache.mkdir()
    (cache / "jars").symlink_to(jars)
    monkeypatch.setattr(kafka_module, "cache_folder", lambda: cache)
    monkeypatch.setattr("shared.local.packages.cache_folder", lambda: cache)
    if kept_from == "its folder is not ours":
        monkeypatch.setattr(os, "access", lambda path, _: path != cache)
    else:
        monkeypatch.setattr("shared.local.packages.shutil.copyfile", full_disk)
    async with LocalKafka(tmp_path / "kafka") as kafka:
        assert kafka.port
    assert [one.name for one in cache.iterdir()] == ["jars"]


def full_disk(_: Path, target: Path) -> None:
    target.touch()
    raise OSError(errno.ENOSPC, "No space left on device")
