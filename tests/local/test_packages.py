from __future__ import annotations

import asyncio
import os
import threading
import tomllib
from pathlib import Path

import pytest

from shared.local import packages
from shared.local.errors import PackageError
from shared.local.packages import (
    LOCK_FILE,
    POSTGRES_PLATFORMS,
    Package,
    cache_folder,
    fetched,
    keep_used,
    obtain,
)
from tests.support.waiting import eventually

CONTENT = b"a jar"


@pytest.fixture
def jar(tmp_path: Path) -> Package:
    file = tmp_path / "content"
    file.write_bytes(CONTENT)
    return Package.parse("org.example:thing:1.0", packages.sha256_of(file))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's Maven repository, empty; and no network."""

    def refuse(*_: object) -> None:
        raise AssertionError("nothing may be fetched")

    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setattr(packages, "_download", refuse)
    return tmp_path / "m2"


def put(folder: Path, package: Package, content: bytes) -> Path:
    path = folder / package.path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_what_the_cache_has_is_used_without_the_network(
    tmp_path: Path, jar: Package, repository: Path
) -> None:
    kept = put(tmp_path / "jars", jar, CONTENT)
    assert obtain("thing", [jar], cache=tmp_path) == [kept]


def test_a_jar_that_was_changed_is_refused(tmp_path: Path, jar: Package, repository: Path) -> None:
    put(tmp_path / "jars", jar, b"another jar")
    with pytest.raises(PackageError, match=r"not the file that the lock file names.*delete it"):
        obtain("thing", [jar], cache=tmp_path)


def test_a_jar_of_the_users_maven_repository_is_taken_over(
    tmp_path: Path, jar: Package, repository: Path
) -> None:
    put(repository, jar, CONTENT)
    (taken,) = obtain("thing", [jar], cache=tmp_path)
    assert taken.read_bytes() == CONTENT


def test_a_wrong_jar_of_the_users_maven_repository_is_not_used(
    tmp_path: Path, jar: Package, repository: Path
) -> None:
    put(repository, jar, b"another jar")
    with pytest.raises(AssertionError, match="nothing may be fetched"):
        obtain("thing", [jar], cache=tmp_path)


def test_a_download_with_another_sum_is_refused_and_not_kept(
    tmp_path: Path, jar: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))

    class Project:
        def at_version(self, _: str) -> Project:
            return self

        def artifact(self) -> Project:
            return self

        def resolve(self) -> Path:
            (tmp_path / "fetched").write_bytes(b"another jar")
            return tmp_path / "fetched"

    class Maven:
        def project(self, _group: str, _artifact: str) -> Project:
            return Project()

    monkeypatch.setattr(packages, "_maven", lambda *_: Maven())
    with pytest.raises(PackageError, match="not the file that the lock file names"):
        obtain("thing", [jar], cache=tmp_path)
    assert not (tmp_path / "jars" / jar.path).exists()


async def test_who_is_interrupted_waits_for_no_download_that_was_not_begun(
    tmp_path: Path, jar: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal would hang for as long as all of them take."""
    begun, go_on = list[Package](), threading.Event()

    def download(package: Package, *_: object) -> None:
        begun.append(package)
        go_on.wait(30)

    monkeypatch.setattr(packages, "_kept", lambda *_: False)
    monkeypatch.setattr(packages, "_download", download)
    fetching = asyncio.create_task(fetched("things", [jar] * 50))
    await eventually(lambda: begun)
    fetching.cancel()
    await asyncio.wait([fetching])
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(begun) < 50


def test_the_lock_file_has_every_platform_and_no_address() -> None:
    text = LOCK_FILE.read_text("utf-8")
    assert "//" not in text
    sections = tomllib.loads(text)
    assert set(sections) == {"kafka", *(f"postgres-{name}" for name in POSTGRES_PLATFORMS)}
    assert "org.slf4j:slf4j-simple:1.7.36" in sections["kafka"]
    assert all(len(sha256) == 64 for section in sections.values() for sha256 in section.values())


def test_the_cache_is_where_the_environment_says(tmp_path: Path) -> None:
    assert cache_folder({"STEWARD_CACHE": str(tmp_path)}) == tmp_path


def test_what_nobody_has_used_for_a_month_leaves_the_cache(tmp_path: Path) -> None:
    day, now = 86_400, 1_800_000_000
    ours, another, old, of_another_kind = (
        tmp_path / name for name in ("a.cache", "b.cache", "c.cache", "d.jar")
    )
    for file, age in ((ours, 90), (another, 29), (old, 31), (of_another_kind, 90)):
        file.write_bytes(CONTENT)
        os.utime(file, (now - age * day, now - age * day))
    keep_used(ours, "*.cache", now)
    assert {file.name for file in tmp_path.iterdir()} == {"a.cache", "b.cache", "d.jar"}
    keep_used(ours, "*.cache", now + 29 * day)
    assert {file.name for file in tmp_path.iterdir()} == {"a.cache", "d.jar"}
