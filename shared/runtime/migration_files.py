"""What a schema is made of: folders of migrations, read and checked before any of them runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FILE_NAME = re.compile(r"^(\d{14})_[a-z0-9_]+\.sql$")
_UP = re.compile(r"^-- migrate:up\b.*$", re.MULTILINE)
_DOWN = re.compile(r"^-- migrate:down\b.*$", re.MULTILINE)
_SCHEMA_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")


class MigrationError(Exception):
    """The database was not migrated; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema and the folders its migrations come from.

    `service`: a service signs in to use it, as `steward_<name>`. The keyring's schema has no such
    role: its functions are granted by its own migrations.
    """

    name: str
    folders: tuple[Path, ...]
    service: bool = True

    def __post_init__(self) -> None:
        if _SCHEMA_NAME.match(self.name) is None or self.name in {"public", "steward"}:
            raise ValueError(f"{self.name!r} cannot be the name of a schema")


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One file: its version (14 digits, the time it was written), name and SHA-256."""

    schema: str
    version: str
    name: str
    sha256: str


def read_migrations(schema: Schema) -> tuple[MigrationFile, ...]:
    """The files of a schema in the order they run. Folders that do not exist are empty.

    Raises `MigrationError` with every finding. dbmate would skip the second of two files with the
    same version in silence, and find a missing block only when the files before it have run.
    """
    findings: list[str] = []
    seen: dict[str, Path] = {}
    files: list[MigrationFile] = []
    for path in sorted(_sql_files(schema.folders), key=lambda path: path.name):
        version = path.name[:14]
        if version in seen:
            findings.append(f"{seen[version]} and {path} have the same version: rename one")
        seen.setdefault(version, path)
        text = path.read_text("utf-8")
        findings.extend(f"{path}: {fault}" for fault in _faults(path.name, text))
        digest = hashlib.sha256(text.encode()).hexdigest()
        files.append(MigrationFile(schema.name, version, path.name, digest))
    if findings:
        raise MigrationError("\n".join(findings))
    return tuple(files)


def copy_for_dbmate(schema: Schema, folder: Path) -> None:
    """Put all files of a schema into one folder, as dbmate wants them: with a way back.

    Migrations here only go forward, so the way back that is added does nothing.
    """
    for path in _sql_files(schema.folders):
        text = path.read_text("utf-8")
        ending = "" if _DOWN.search(text) else "\n-- migrate:down\n"
        (folder / path.name).write_text(text + ending, "utf-8")


def refuse_repeated_names(schemas: Sequence[Schema]) -> None:
    """Raise `MigrationError` when two schemas have one name."""
    names = [schema.name for schema in schemas]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise MigrationError(f"schemas given twice: {', '.join(repeated)}")


def _sql_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from folder.glob("*.sql")


def _faults(name: str, text: str) -> Iterator[str]:
    if _FILE_NAME.match(name) is None:
        yield "name it YYYYMMDDHHMMSS_words_with_underscores.sql"
    up, down = _UP.search(text), _DOWN.search(text)
    if up is None:
        yield "needs a line `-- migrate:up`"
    if down is not None and re.sub(r"--.*", "", text[down.end() :]).strip():
        yield "has statements after `-- migrate:down`: migrations only go forward"
