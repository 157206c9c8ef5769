"""The folder of secrets: keys, peppers and database passwords, readable by nobody else.

`steward init` makes it. Losing it is losing all personal data, so nothing here ever replaces or
completes a folder that was in use: a missing key is an error with a remedy, not a new key. Only a
key that came with a later release is added, once: the folder says which release completed it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.runtime.files import sync_folder, write_whole

KEY_BYTES = 32
KEY_ENCRYPTION_KEY = "key-encryption-key"
SUPPRESSION_PEPPER = "suppression-pepper"  # of a list that is to come: nothing reads it yet
REFERENCE_KEY = "reference-key"
INBOX_KEY = "inbox-key"
AUDIT_SIGNING_KEY = "audit-signing-key"
FIRST_PEPPER = "pepper-1"
KEYS_BY_FORMAT = {
    1: (KEY_ENCRYPTION_KEY, FIRST_PEPPER, SUPPRESSION_PEPPER, REFERENCE_KEY, INBOX_KEY),
    2: (AUDIT_SIGNING_KEY,),
}
"""What each format of the folder brought; the first has no file that says so."""

KEYS = tuple(key for keys in KEYS_BY_FORMAT.values() for key in keys)

_PEPPER = re.compile(r"^pepper-(\d+)$")
_KEY_ENCRYPTION_KEY = re.compile(rf"^{KEY_ENCRYPTION_KEY}(?:-(\d+))?$")
_UNFINISHED = ".unfinished"
_FORMAT = ".format"
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class SecretsError(Exception):
    """The folder cannot be used as it is. The text says what to do and shows no secret."""


class SecretsFolder:
    """Keys are files of 64 hexadecimal digits (32 bytes); passwords are in `database/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make what is missing of a new folder; add to one of an earlier release what came later,
        and else leave a folder that was finished as it is.

        Raises `SecretsError` when a finished folder lacks a key or others can read it.
        """
        self._make_folder()
        with self._alone():
            unfinished = self.path / _UNFINISHED
            if unfinished.exists() or not any(self.path.iterdir()):
                unfinished.touch(mode=0o600)
                self._make_keys(KEYS)
                self._note_format()
                # Until here nobody could use the folder, so a crash lost nothing: start over.
                unfinished.unlink()
            self._add_later_keys()
        self.check()

    def _add_later_keys(self) -> None:
        """Before the format says that they are there, nothing can have used them."""
        later = [format_ for format_ in KEYS_BY_FORMAT if format_ > self._format()]
        for format_ in later:
            self._make_keys(KEYS_BY_FORMAT[format_])
        if later:
            self._note_format()

    def _make_keys(self, names: Iterable[str]) -> None:
        for name in names:
            if not (self.path / name).exists():
                _write(self.path / name, secrets.token_hex(KEY_BYTES))

    def _format(self) -> int:
        """Which release completed the folder. Raises `SecretsError`."""
        file = self.path / _FORMAT
        text = read_secret(file, "restore the folder from its backup") if file.exists() else "1"
        if not text.isdecimal():
            raise SecretsError(f"{file} is not a number: restore the folder from its backup")
        return int(text)

    def _note_format(self) -> None:
        _write(self.path / _FORMAT, str(max(KEYS_BY_FORMAT)))

    def create_database_passwords(self, services: Iterable[str]) -> None:
        """Make a password for each service that has none yet. A lost one is harmless."""
        folder = self.path / "database"
        with self._alone():
            folder.mkdir(mode=0o700, exist_ok=True)
            for service in services:
                if not self._password_file(service).exists():
                    _write(self._password_file(service), secrets.token_urlsafe(KEY_BYTES))

    def check(self) -> None:
        """Raise `SecretsError` unless the folder is complete and nobody else can read it."""
        if not self.path.is_dir():
            raise SecretsError(f"there is no folder {self.path}: run `steward init`")
        _refuse_others(self.path)
        if (self.path / _UNFINISHED).exists():
            raise SecretsError(f"{self.path} was left unfinished: run `steward init`")
        if self._format() < max(KEYS_BY_FORMAT):
            raise SecretsError(f"{self.path} is of an earlier release: run `steward init`")
        self.key_encryption_keys()
        for name in KEYS:
            if name != KEY_ENCRYPTION_KEY:  # which is replaced in the course of time
                self._key(name)

    def key_encryption_keys(self) -> dict[str, bytes]:
        """What wraps the data keys of the keyring, by the names of the files, the newest first.

        32 bytes each; they never enter the database.
        """
        if not self.path.is_dir():
            raise SecretsError(f"there is no folder {self.path}: run `steward init`")
        names = self._key_encryption_key_names() or [KEY_ENCRYPTION_KEY]
        return {name: self._key(name) for name in names}

    def new_key_encryption_key(self) -> str:
        """Make the next one, beside the older ones, which are still needed; its name."""
        self.check()
        with self._alone():
            newest = self._key_encryption_key_names()[0]
            name = f"{KEY_ENCRYPTION_KEY}-{_number(newest) + 1}"
            _write(self.path / name, secrets.token_hex(KEY_BYTES))
        return name

    def retire_key_encryption_key(self, name: str) -> Path:
        """Put one aside that no key needs any more: it is read by nothing; its new path."""
        put_aside = (self.path / name).rename(self.path / f"retired-{name}")
        sync_folder(self.path)
        return put_aside

    def _key_encryption_key_names(self) -> list[str]:
        names = [file.name for file in self.path.iterdir()]
        return sorted(filter(_KEY_ENCRYPTION_KEY.match, names), key=_number, reverse=True)

    def peppers(self) -> tuple[bytes, ...]:
        """Peppers of the aliases of subjects, newest first; 32 bytes each."""
        if not self.path.is_dir():
            raise SecretsError(f"there is no folder {self.path}: run `steward init`")
        numbers = self._pepper_numbers()
        if 1 not in numbers:
            self._key(FIRST_PEPPER)
        return tuple(self._key(f"pepper-{number}") for number in sorted(numbers, reverse=True))

    def new_pepper(self) -> str:
        """Make the next pepper, beside the older ones, which are still needed; its name."""
        self.check()
        with self._alone():
            name = f"pepper-{max(self._pepper_numbers()) + 1}"
            _write(self.path / name, secrets.token_hex(KEY_BYTES))
        return name

    def _pepper_numbers(self) -> list[int]:
        return [int(m.group(1)) for f in self.path.iterdir() if (m := _PEPPER.match(f.name))]

    def reference_key(self) -> bytes:
        """Key of the HMAC that stands for text from upstream; 32 bytes."""
        return self._key(REFERENCE_KEY)

    def inbox_key(self) -> bytes:
        """Key of the digests of message identities; 32 bytes."""
        return self._key(INBOX_KEY)

    def audit_signing_key(self) -> bytes:
        """Seed of the Ed25519 key that signs checkpoints of the audit log; 32 bytes."""
        if not (self.path / AUDIT_SIGNING_KEY).exists() and self._format() == 1:
            raise SecretsError(f"{self.path} is of an earlier release: run `steward init`")
        return self._key(AUDIT_SIGNING_KEY)

    def database_password(self, service: str) -> str:
        """Password of the role `steward_<service>`."""
        return read_secret(self._password_file(service), "run `steward migrate`")

    def database_passwords(self, services: Iterable[str]) -> dict[str, str]:
        """Those of these services that were made, by service."""
        made = [service for service in services if self._password_file(service).exists()]
        return {service: self.database_password(service) for service in made}

    def _password_file(self, service: str) -> Path:
        if _NAME.match(service) is None:
            raise ValueError("the name of a service has lower-case letters, digits and _")
        return self.path / "database" / service

    def _key(self, name: str) -> bytes:
        file = self.path / name
        remedy = "restore the folder from its backup (`steward init` only makes a new one)"
        try:
            key = bytes.fromhex(read_secret(file, remedy))
        except ValueError:
            raise SecretsError(f"{file} is not hexadecimal: {remedy}") from None
        if len(key) != KEY_BYTES:
            raise SecretsError(f"{file} does not hold {KEY_BYTES} bytes: {remedy}")
        return key

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SecretsError(f"cannot make {self.path}: {error.strerror}") from None
        if not any(self.path.iterdir()):
            # A new volume or a folder made by hand; once it holds secrets, this would be too late.
            self.path.chmod(0o700)
        _refuse_others(self.path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes that start at once must not make two sets of keys."""
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _number(name: str) -> int:
    """The how manieth key-encryption key a file has: the first has no number in its name."""
    found = _KEY_ENCRYPTION_KEY.match(name)
    return int(found.group(1) or 1) if found else 0


def _refuse_others(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        wanted = "700" if path.is_dir() else "600"
        raise SecretsError(f"others may read {path} (mode {mode:o}): run `chmod {wanted} {path}`")


def read_secret(file: Path, remedy: str) -> str:
    """The text of a file that nobody else may read. SecretsError, with the remedy, else."""
    try:
        _refuse_others(file)
        text = file.read_text("ascii").strip()
    except UnicodeDecodeError:
        raise SecretsError(f"{file} is not text: {remedy}") from None
    except OSError as error:
        raise SecretsError(f"cannot read {file} ({error.strerror}): {remedy}") from None
    if not text:
        raise SecretsError(f"{file} is empty: {remedy}")
    return text


def _write(file: Path, text: str) -> None:
    """Whole or not at all, and on disk: data is wrapped by a key as soon as it is there, and a
    half-written one would pass for a key.
    """
    write_whole(file, f"{text}\n".encode("ascii"))
