"""A proof that can be checked by itself, without the log: C2SP `tlog-proof`."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from services.audit.domain.checkpoints import Checkpoint, parse_checkpoint
from services.audit.domain.merkle import HASH_SIZE, leaf_hash
from services.audit.domain.notes import Note, NoteError, parse_note
from services.audit.domain.proofs import ProofError, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"

_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA: Final = "extra "
MOST_HASHES: Final = 63
"""A tree of 2**63 leaves, more than a size can say, is no higher."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """The entry of this index is in the tree of a checkpoint: sibling hashes from the leaf up.

    `extra` is bytes that nothing authenticates: here the entry itself, which the proof is for.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None = None

    def __str__(self) -> str:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"{_EXTRA}{base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += (base64.b64encode(one).decode() for one in self.hashes)
        return "\n".join([*lines, "", str(self.checkpoint)])

    def verify_entry(self, entry: bytes) -> Checkpoint:
        """The checkpoint in whose tree the entry is proven to be. Raises `ProofError`.

        Whose checkpoint it is, its signatures say (`verify_note`).
        """
        try:
            checkpoint = parse_checkpoint(self.checkpoint.text)
        except ValueError as error:
            raise ProofError(str(error)) from None
        leaf = leaf_hash(entry)
        verify_inclusion(self.index, checkpoint.size, leaf, self.hashes, checkpoint.root)
        return checkpoint


def parse_proof(data: bytes) -> InclusionProof:
    """Read a proof, verifying nothing. Raises `ProofError`; the text says which line is wrong."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ProofError("the proof is not text") from None
    head, blank, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != HEADER:
        raise ProofError(f"the first line of a proof is {HEADER}")
    if not blank:
        raise ProofError("the proof is cut off: it has no checkpoint")
    extra = _base64(lines.pop(0)[len(_EXTRA) :]) if lines and lines[0].startswith(_EXTRA) else None
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if index is None:
        raise ProofError("the proof has no line `index` with a number")
    hashes = tuple(_base64(line) for line in lines[1:])
    if len(hashes) > MOST_HASHES or any(len(one) != HASH_SIZE for one in hashes):
        raise ProofError(f"the proof has a line that is no hash of {HASH_SIZE} bytes")
    try:
        return InclusionProof(int(index[1]), hashes, parse_note(note.encode()), extra)
    except NoteError as error:
        raise ProofError(f"the checkpoint of the proof: {error}") from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofError("a line of the proof is not base64") from None
