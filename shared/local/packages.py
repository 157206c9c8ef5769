"""Apache Kafka and PostgreSQL as packages from a Maven repository, held to SHA-256 sums.

`packages.lock.toml` beside this file names every jar and its sum; `python -m shared.local.packages`
writes it anew (part of `make lock`). A jar is looked for in our cache, then in the user's Maven
repository, then downloaded; whatever is used has the sum of the lock file, checked at each start.
With a full cache nothing is fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.local.errors import PackageError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

LOCK_FILE = Path(__file__).with_name("packages.lock.toml")

KAFKA_VERSION = "4.4.0"
POSTGRES_VERSION = "18.6.0"
# Kafka logs through SLF4J 1.7 and brings no binding: without one its log is empty.
KAFKA_ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
POSTGRES_PLATFORMS = ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8")
POSTGRES_PACKAGE = "io.zonky.test.postgres:embedded-postgres-binaries-{platform}:{version}"

_DOWNLOADS_AT_ONCE = 8
_UNUSED_S = 30 * 86_400

Advance = Callable[[int], None]
ProgressCallback = Callable[[str, int], AbstractContextManager[Advance]]


@dataclass(frozen=True)
class Package:
    """One jar: its Maven coordinate, and the SHA-256 that its bytes must have (hex)."""

    group: str
    artifact: str
    version: str
    sha256: str

    @classmethod
    def parse(cls, coordinate: str, sha256: str) -> Package:
        group, artifact, version = coordinate.split(":")
        return cls(group, artifact, version, sha256)

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> Path:
        """Where a Maven repository keeps it, relative to the repository."""
        return Path(*self.group.split("."), self.artifact, self.version, self.file_name)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where packages are kept between runs: STEWARD_CACHE, else the user's cache.

    Root's own cache is out of reach for `nobody`, as whom Postgres runs then, so root has the
    system's.
    """
    if given := environ.get("STEWARD_CACHE"):
        return Path(given).expanduser().resolve()
    if os.geteuid() == 0:
        return Path("/var/cache/steward")
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steward"


def keep_used(made: Path, others: str, now: float) -> None:
    """Note that something that was made into the cache is in use; remove those of its kind that
    nobody has used for a month: each release, and each folder that Steward is in, makes its own.

    `others`: a pattern of names beside it. `now` in seconds since the epoch.
    """
    # A cache that belongs to somebody else is used as it is.
    with contextlib.suppress(OSError):
        os.utime(made, (now, now))
        for one in made.parent.glob(others):
            if now - one.stat().st_mtime > _UNUSED_S:
                one.unlink()


def postgres_platform() -> str:
    """The name of this machine in the PostgreSQL packages; an unknown one raises PackageError."""
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}
    name = f"{platform.system().lower()}-{machine.get(platform.machine().lower(), '?')}"
    if name not in POSTGRES_PLATFORMS:
        raise PackageError(
            f"there is no PostgreSQL package for {platform.system()} on {platform.machine()}; "
            "set DATABASE_URL to a PostgreSQL 18 of your own"
        )
    return name


def locked(section: str) -> list[Package]:
    """The packages of one section of the lock file, `kafka` or `postgres-<platform>`."""
    sections = tomllib.loads(LOCK_FILE.read_text("utf-8"))
    if section not in sections:
        raise PackageError(f"{LOCK_FILE.name} has no section [{section}]; run `make lock`")
    return [Package.parse(name, sha256) for name, sha256 in sections[section].items()]


async def fetched(title: str, packages: Sequence[Package]) -> list[Path]:
    """As `obtain`, in threads; who is cancelled waits for no more than what is being downloaded."""
    given_up = threading.Event()
    try:
        return await asyncio.to_thread(obtain, title, packages, given_up=given_up)
    finally:
        given_up.set()


def obtain(
    title: str,
    packages: Sequence[Package],
    *,
    cache: Path | None = None,
    given_up: threading.Event | None = None,
) -> list[Path]:
    """The local files of the packages, in the same order, downloading what is missing.

    `title` says in the progress display what is being downloaded. Raises PackageError where a file
    has another SHA-256 than the lock file says: a wrong file is never used and never silently
    replaced. What is not begun when it is `given_up` is not downloaded any more.
    """
    jars = (cache or cache_folder()) / "jars"
    missing = [package for package in packages if not _kept(package, jars)]
    if missing:
        with (
            _progress(title, len(missing)) as callback,
            ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
        ):

            def download(package: Package) -> None:
                if given_up is None or not given_up.is_set():
                    _download(package, jars, callback)

            for _ in pool.map(download, missing):
                pass
    return [jars / package.path for package in packages]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept(package: Package, jars: Path) -> bool:
    """Whether the jar is in our cache; takes it over from the user's Maven repository when it is
    there.
    """
    ours = jars / package.path
    if ours.is_file():
        _check(package, ours)
        return True
    from jgo.constants import default_maven_repo

    theirs = default_maven_repo() / package.path
    if theirs.is_file() and sha256_of(theirs) == package.sha256:
        put(theirs, ours)
        return True
    return False


def _check(package: Package, path: Path) -> None:
    found = sha256_of(path)
    if found != package.sha256:
        raise PackageError(
            f"{path} is not the file that the lock file names: SHA-256 {found}, "
            f"expected {package.sha256}. Find out who changed it; delete it and it is fetched again"
        )


def _download(package: Package, jars: Path, progress: ProgressCallback) -> None:
    """Into a folder of its own first: an interrupted download is none."""
    import requests

    with tempfile.TemporaryDirectory() as staging:
        context = _maven(Path(staging), progress)
        project = context.project(package.group, package.artifact)
        try:
            fetched = project.at_version(package.version).artifact().resolve()
        except (RuntimeError, requests.RequestException, OSError) as error:
            raise PackageError(
                f"could not download {package.file_name} ({type(error).__name__}); check the "
                "network (a mirror is set in jgo's configuration file), then try again"
            ) from error
        _check(package, fetched)
        put(fetched, jars / package.path)


def _maven(
    repo_cache: Path | None = None, progress: ProgressCallback | None = None
) -> MavenContext:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext, PythonResolver

    settings = GlobalSettings.load()
    return MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=repo_cache or settings.repo_cache,
        remote_repos={"central": MAVEN_CENTRAL_URL} | settings.repositories,
        timeout=60,
    )


def put(source: Path, target: Path) -> None:
    """Copy so that the target is there whole or not at all, whoever else does the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _progress(title: str, count: int) -> Iterator[ProgressCallback]:
    """A bar for the whole download, on standard error; where that is no terminal, a line."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"downloading {title} ({count} files)")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"downloading {title}", total=0)

        @contextmanager
        def one_file(_name: str, size: int) -> Iterator[Advance]:
            total = next(t.total for t in progress.tasks if t.id == task) or 0
            progress.update(task, total=total + size)
            yield lambda received: progress.advance(task, received)

        yield one_file


def write_lock() -> None:
    """Resolve anew what `KAFKA_ENDPOINT` and the PostgreSQL packages are made of, and write their
    sums.
    """
    import jgo

    wanted = {"kafka": sorted(jgo.resolve(KAFKA_ENDPOINT), key=str)}
    for name in POSTGRES_PLATFORMS:
        coordinate = POSTGRES_PACKAGE.format(platform=name, version=POSTGRES_VERSION)
        group, artifact, version = coordinate.split(":")
        component = _maven().project(group, artifact).at_version(version)
        wanted[f"postgres-{name}"] = [component.artifact()]
    lines = ["# SHA-256 of every jar; written by `make lock`, checked at every start."]
    for section, artifacts in wanted.items():
        lines += ["", f"[{section}]"]
        for a in artifacts:
            coordinate = f"{a.groupId}:{a.artifactId}:{a.version}"
            lines.append(f'"{coordinate}" = "{sha256_of(a.resolve())}"')
    LOCK_FILE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    write_lock()
