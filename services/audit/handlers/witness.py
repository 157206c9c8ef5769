"""A witness: signs what continues the logs that it knows, and keeps what it has signed."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from services.audit.domain.checkpoints import Checkpoint, CheckpointError, parse_checkpoint
from services.audit.domain.notes import (
    Kind,
    Note,
    NoteError,
    Signature,
    SigningKey,
    VerifierKey,
    parse_note,
    verify_note,
)
from services.audit.domain.witness import approve, log_of, origin_hash, parse_submission
from services.audit.store.folder import TileFolder

KEY: Final = "witness-key"
LOCK: Final = ".lock"
_SEED_BYTES: Final = 32


class WitnessError(Exception):
    """The witness cannot begin; the text says why and what to do."""


class Witness:
    """One process for a folder. `now` gives POSIX seconds.

    Its memory is the folder: of each log the last checkpoint with both signatures, written whole or
    not at all, and on disk before the signature goes out.
    """

    def __init__(
        self, folder: Path, name: str, logs: Sequence[VerifierKey], now: Callable[[], int]
    ) -> None:
        """Raises NoteError for a name that no key can have, and `WitnessError` where the folder is
        in use, or holds what was not signed here.
        """
        VerifierKey(name, bytes(_SEED_BYTES))
        self._folder = folder
        self._files = TileFolder(folder)
        self._logs = {log.name: log for log in logs}
        self._now = now
        self._lock = _take(folder)
        try:
            self._key = SigningKey(name, _seed(folder / KEY))
            self._last = {log.name: self._kept(log) for log in logs}
        except BaseException:
            self._lock.close()
            raise

    @property
    def verifier(self) -> VerifierKey:
        """What others verify its cosignatures with."""
        return self._key.verifier(Kind.COSIGNATURE)

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.close()

    def add_checkpoint(self, body: bytes) -> Signature:
        """The cosignature of a submitted checkpoint. Raises `Refusal`, and FolderError.

        Nothing else comes between looking at the last one and replacing it: this never waits.
        """
        submission = parse_submission(body)
        log = log_of(submission.note, self._logs)
        last = self._last[log.name]
        checkpoint = approve(submission, log, None if last is None else last[0])
        # Of a clock that runs backwards nothing is seen.
        time = max(self._now(), 1 if last is None else last[1])
        text = submission.note.text
        signature = self._key.cosign(text, time)
        own = tuple(one for one in submission.note.signatures if log.is_named_by(one))
        note = Note(text, own).signed_also(signature)
        self._files.write({_path(log.name): note.encode()})
        self._last[log.name] = (checkpoint, time)
        return signature

    def checkpoint(self, origin: str) -> bytes | None:
        """The last one signed of a log, by the hash of its origin; None where there is none."""
        known: Mapping[str, str] = {origin_hash(name): name for name in self._logs}
        return self._files.read(_path(known[origin])) if origin in known else None

    def _kept(self, log: VerifierKey) -> tuple[Checkpoint, int] | None:
        data = self._files.read(_path(log.name))
        if data is None:
            return None
        try:
            note = parse_note(data)
            signed = {one.key: one.time for one in verify_note(note, [log, self.verifier])}
            checkpoint = parse_checkpoint(note.text)
        except (NoteError, CheckpointError) as error:
            raise self._spoiled(log, str(error)) from None
        time = signed.get(self.verifier)
        if log not in signed or time is None:
            raise self._spoiled(log, "not signed by both")
        return checkpoint, time

    def _spoiled(self, log: VerifierKey, why: str) -> WitnessError:
        return WitnessError(
            f"{self._folder / _path(log.name)} is not what this witness signed of {log.name}"
            f" ({why}): restore it from a backup; a witness that forgets is none"
        )


def _path(origin: str) -> str:
    return f"{origin_hash(origin)}/checkpoint"


def _take(folder: Path) -> TextIO:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a", encoding="ascii")
    except OSError as error:
        raise WitnessError(f"the folder {folder} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise WitnessError(f"another witness runs on {folder}: stop that one first") from None
    return lock


def _seed(file: Path) -> bytes:
    """The seed of the witness's key, made at the first start."""
    try:
        if not file.exists():
            _write_key(file, secrets.token_hex(_SEED_BYTES))
        seed = bytes.fromhex(file.read_text("ascii"))
    except (OSError, ValueError):
        raise WitnessError(f"{file} cannot be read as a key: restore it from a backup") from None
    if len(seed) != _SEED_BYTES:
        raise WitnessError(f"{file} is no key of {_SEED_BYTES} bytes: restore it from a backup")
    return seed


def _write_key(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
