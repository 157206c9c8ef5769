"""One person is erased: what the system has of them sealed, before, and whether anything opens it,
afterwards.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.assembly import open_parts
from shared.contract.services import SERVICES
from shared.contract.topics import TOPICS
from shared.contract.types import SubjectId
from shared.privacy.errors import SealError
from shared.privacy.records import KEPT
from shared.privacy.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    RECORD_CATEGORY,
    DataKey,
    KeyWrapper,
    key_id_of,
    open_bytes,
)
from shared.privacy.subjects import Alias
from shared.runtime.database import Connection
from shared.runtime.settings import ServiceSettings
from tests.canary.searcher import Searcher
from tests.canary.stack import Said, Stack
from tests.canary.survey import files_below
from tests.support.opened import data_keys
from tests.support.people import whom_it_leads_to
from tests.support.topics import read_topic

_CIPHERTEXT_AT: Final = 1 + 16
_SERVICES: Final = tuple(service.name for service in SERVICES)


@dataclass(frozen=True, slots=True)
class Kept:
    """A sealed value about the person, and the key that opened it."""

    sealed: bytes
    key: DataKey


async def find_subject(stack: Stack, email: str) -> SubjectId:
    """Whom the keyring knows by this address. LookupError where it is nobody."""
    async with (
        open_parts(_settings(stack), service="audit") as parts,
        parts.pool.acquire() as connection,
    ):
        (subject_id,) = await whom_it_leads_to(
            parts.privacy.people, connection, [Alias("email", email)]
        )
    if subject_id is None:
        raise LookupError("the keyring knows nobody by this address")
    return subject_id


async def all_keys(stack: Stack) -> dict[bytes, DataKey]:
    """Every key of the keyring that is not destroyed, unwrapped."""
    connection = await asyncpg.connect(stack.system.database_url)
    try:
        keys = await data_keys(connection, stack.ground.secrets)
        return keys | await _record_keys(connection, stack)
    finally:
        await connection.close()


async def _record_keys(connection: Connection, stack: Stack) -> dict[bytes, DataKey]:
    (key,) = stack.ground.secrets.key_encryption_keys().values()
    wrapper = KeyWrapper(key)
    rows = await connection.fetch(
        "select key_id, wrapped from keyring.record_key where wrapped is not null"
    )
    ids = ((row["key_id"].bytes, row["wrapped"]) for row in rows)
    return {
        key_id: DataKey(key_id, 1, RECORD_CATEGORY, wrapper.unwrap(key_id, wrapped))
        for key_id, wrapped in ids
    }


async def kept_about(
    stack: Stack, person: int, subject_id: SubjectId, searcher: Searcher
) -> list[Kept]:
    """Every sealed value in tables and topics that is about the person: sealed with a key of
    theirs, or with a mark of theirs in it.
    """
    keys = await all_keys(stack)
    theirs = await _keys_of(stack, subject_id)
    values = await _values_in_tables(stack) + await _values_in_topics(stack)
    kept = []
    for sealed in set(chain.from_iterable(map(sealed_in, values))):
        key = keys.get(key_id_of(sealed))
        if key is None:
            continue
        marks = [found.mark for found in searcher.search([open_bytes(key, sealed)])]
        if key.id in theirs or any(mark.person == person for mark in marks):
            kept.append(Kept(sealed, key))
    return kept


async def _keys_of(stack: Stack, subject_id: SubjectId) -> set[bytes]:
    connection = await asyncpg.connect(stack.system.database_url)
    try:
        rows = await connection.fetch(
            "select key_id from keyring.data_key where subject_id = $1", subject_id
        )
    finally:
        await connection.close()
    return {row["key_id"].bytes for row in rows}


async def _values_in_tables(stack: Stack) -> list[Any]:
    values: list[Any] = []
    connection = await asyncpg.connect(stack.system.database_url)
    try:
        tables = await connection.fetch(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname = any ($1::text[])",
            list(_SERVICES),
        )
        for (table,) in tables:
            for row in await connection.fetch(f"select * from {table}"):  # noqa: S608
                values += row.values()
    finally:
        await connection.close()
    return values


async def _values_in_topics(stack: Stack) -> list[Any]:
    values: list[Any] = []
    for topic in TOPICS:
        if not topic.inbound:
            records = await read_topic(
                stack.system.cluster.bootstrap_servers, topic.name, topic.partitions
            )
            values += [record.value for record in records]
    return values


def sealed_in(value: object) -> Iterator[bytes]:
    """The sealed values in a value of a table or in the body of a fact, however deep."""
    match value:
        case str():
            yield from sealed_in(_read(value.encode()))
        case bytes():
            if _is_sealed(value):
                yield value
            elif value[:1] in {b"{", b"["}:
                yield from sealed_in(_read(value))
        case Mapping():
            for inner in value.values():
                yield from sealed_in(inner)
        case list() | tuple():
            for inner in value:
                yield from sealed_in(inner)


def _read(text: bytes) -> object:
    """What a text stands for: JSON of several values, or bytes in base64; else nothing."""
    try:
        if text[:1] in {b"{", b"["}:
            return orjson.loads(text)
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return decoded if _is_sealed(decoded) else None


def _is_sealed(value: bytes) -> bool:
    try:
        key_id_of(value)
    except SealError:
        return False
    return True


async def erase(stack: Stack, email: str) -> Said:
    """Destroy every key of the person, as an operator does; then the keys of whole record bodies,
    as services do when their time is over.
    """
    destroy = ("keys", "destroy", "--email", "-", "--kept-by-law", "destroy", "--yes")
    said = await stack.steward(*destroy, given=f"{email}\n")
    after_their_time = datetime.now(UTC).date() + timedelta(days=1) + KEPT
    for service in _SERVICES:
        async with (
            open_parts(_settings(stack), service=service) as parts,
            parts.work(now=datetime.now(UTC)) as tx,
        ):
            await parts.privacy.purge_record_keys(tx.connection, after_their_time)
    return said


def opened_by_any(kept: Iterable[Kept], keys: Iterable[bytes]) -> int:
    """How many of the values open with one of these keys, whatever they are bound to."""
    values = [(one.sealed[_CIPHERTEXT_AT:], one.key.bound) for one in kept]
    opened = set()
    for key in keys:
        cipher = AESGCM(key)
        for number, (sealed, bound) in enumerate(values):
            try:
                cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
            except InvalidTag:
                continue
            opened.add(number)
    return len(opened)


async def keys_in_the_system(stack: Stack) -> list[bytes]:
    """Every data key and every secret: all that could be tried."""
    secrets = [
        secret
        for file in stack.ground.secrets.path.rglob("*")
        if file.is_file() and (secret := _as_key(file.read_bytes())) is not None
    ]
    return [key.key for key in (await all_keys(stack)).values()] + secrets


def _as_key(content: bytes) -> bytes | None:
    for decode in (bytes.fromhex, base64.urlsafe_b64decode):
        try:
            decoded = decode(content.decode("ascii").strip())
        except ValueError:
            continue
        if len(decoded) == KEY_BYTES:
            return decoded
    return None


async def wrapped_keys_of(stack: Stack, subject_id: UUID) -> list[bytes]:
    """The keys of the person as the keyring has them: wrapped."""
    connection = await asyncpg.connect(stack.system.database_url)
    try:
        rows = await connection.fetch(
            "select wrapped from keyring.data_key where subject_id = $1 and wrapped is not null",
            subject_id,
        )
    finally:
        await connection.close()
    return [row["wrapped"] for row in rows]


def still_on_disk(folder: Path, needles: Iterable[bytes]) -> int:
    """How many of these some file below the folder still holds."""
    left, found = set(needles), set[bytes]()
    for file in files_below(folder):
        with suppress(FileNotFoundError):
            content = file.read_bytes()
            found |= {needle for needle in left - found if needle in content}
    return len(found)


def _settings(stack: Stack) -> ServiceSettings:
    return ServiceSettings.load(stack.ground.environ)
