"""What the log says of itself at a size, signed: C2SP `tlog-checkpoint`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.audit.domain.merkle import HASH_SIZE
from services.audit.domain.notes import Note, NoteError, SigningKey, VerifierKey, parse_note
from services.audit.domain.notes import verify_note as verify

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
MOST_ENTRIES: Final = (1 << 63) - 1
"""A size is a bigint of PostgreSQL."""


class CheckpointError(ValueError):
    """Text is no checkpoint, or not one of this log; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log of this origin has so many entries, and the tree over them this root hash."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The text of the note."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))

    def signed(self, key: SigningKey) -> Note:
        """The checkpoint with the log's signature; the same key makes the same bytes of it."""
        text = str(self)
        return Note(text, (key.sign(text),))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a note. Raises `CheckpointError`."""
    if not text.endswith("\n"):
        raise CheckpointError("the checkpoint is cut off")
    origin, *rest = text[:-1].split("\n")
    if not origin or len(rest) < 2 or not all(rest):
        raise CheckpointError("a checkpoint has three lines: origin, size, root hash")
    size, root, *extensions = rest
    if _SIZE.fullmatch(size) is None or int(size) > MOST_ENTRIES:
        raise CheckpointError("the size of the checkpoint is no number")
    return Checkpoint(origin, int(size), _root(root), tuple(extensions))


def open_checkpoint(data: bytes, key: VerifierKey) -> Checkpoint:
    """Read a signed checkpoint and verify the signature of its log: the key's name is its origin.

    Raises `CheckpointError`.
    """
    try:
        note = parse_note(data)
        verify(note, [key])
    except NoteError as error:
        raise CheckpointError(str(error)) from None
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise CheckpointError(f"the checkpoint is of another log than {key.name}")
    return checkpoint


def is_of_log(data: bytes, key: VerifierKey) -> bool:
    """Whether a note says that it is a checkpoint of this log, whoever has signed it."""
    return data.startswith(f"{key.name}\n".encode())


def newest(checkpoints: Iterable[Checkpoint]) -> Checkpoint | None:
    """The one of the largest tree; None where there is none.

    Raises `CheckpointError` where two of one size differ: then somebody was told another log.
    """
    by_size: dict[int, Checkpoint] = {}
    for checkpoint in checkpoints:
        other = by_size.setdefault(checkpoint.size, checkpoint)
        if other.root != checkpoint.root:
            raise CheckpointError(f"two different checkpoints of {checkpoint.size:,} entries exist")
    return by_size[max(by_size)] if by_size else None


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if len(root) != HASH_SIZE or base64.b64encode(root).decode() != text:
        raise CheckpointError(f"the root hash is not base64 of {HASH_SIZE} bytes")
    return root
