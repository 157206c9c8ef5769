"""What a log asks a witness, and what a witness may sign: C2SP `tlog-witness`.

A witness keeps of each log the largest tree that it signed, and signs only what has that one as
its beginning: so nobody, the log's own administrators included, can show it two histories.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from services.audit.domain.checkpoints import Checkpoint, CheckpointError, parse_checkpoint
from services.audit.domain.merkle import EMPTY_ROOT, HASH_SIZE
from services.audit.domain.notes import Note, NoteError, VerifierKey, parse_note, verify_note
from services.audit.domain.proof_files import MOST_HASHES
from services.audit.domain.proofs import ProofError, verify_consistency

ADD_CHECKPOINT: Final = "add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
"""The media type of the answer 409: the size that the witness has."""

_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422


class Refusal(Exception):  # noqa: N818 - what it is
    """The witness does not sign; the status (HTTP) and the text say why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint, and the proof that the tree of `old` entries is its beginning."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def encode(self) -> bytes:
        """The body of the request."""
        hashes = [base64.b64encode(one).decode() for one in self.proof]
        return "\n".join([f"old {self.old}", *hashes, "", str(self.note)]).encode()


def parse_submission(data: bytes) -> Submission:
    """Read the body of a request. Raises `Refusal`."""
    try:
        head, blank, note = data.decode().partition("\n\n")
        first, *lines = head.split("\n")
        old = _OLD.fullmatch(first)
        hashes = tuple(base64.b64decode(line, validate=True) for line in lines)
        if old is None or not blank or len(hashes) > MOST_HASHES:
            raise Refusal(BAD_REQUEST, "expected: old and a size, hashes, a blank line, a note")
        if any(len(one) != HASH_SIZE for one in hashes):
            raise Refusal(BAD_REQUEST, f"a hash has {HASH_SIZE} bytes")
        return Submission(int(old[1]), hashes, parse_note(note.encode()))
    except (UnicodeDecodeError, binascii.Error):
        raise Refusal(BAD_REQUEST, "the request is not text with base64") from None
    except NoteError as error:
        raise Refusal(BAD_REQUEST, str(error)) from None


def origin_hash(origin: str) -> str:
    """What stands for a log in the path of a witness."""
    return sha256(origin.encode()).hexdigest()


def log_of(note: Note, logs: dict[str, VerifierKey]) -> VerifierKey:
    """The key of the log, out of those that are witnessed, by origin. Raises `Refusal`."""
    origin = note.text.split("\n", 1)[0]
    if origin not in logs:
        raise Refusal(NOT_FOUND, "this log is not witnessed here")
    return logs[origin]


def approve(submission: Submission, log: VerifierKey, last: Checkpoint | None) -> Checkpoint:
    """The checkpoint, which may be signed and kept instead of the last. Raises `Refusal`."""
    checkpoint = _signed(submission.note, log)
    if submission.old > checkpoint.size:
        raise Refusal(BAD_REQUEST, "the old size is larger than the checkpoint's")
    known = 0 if last is None else last.size
    if submission.old != known:
        raise Refusal(CONFLICT, f"{known}\n")
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise Refusal(UNPROCESSABLE, "an empty tree has another root hash")
    root = EMPTY_ROOT if last is None else last.root
    try:
        verify_consistency(known, checkpoint.size, root, checkpoint.root, submission.proof)
    except ProofError as error:
        raise Refusal(UNPROCESSABLE, str(error)) from None
    return checkpoint


def _signed(note: Note, log: VerifierKey) -> Checkpoint:
    try:
        verify_note(note, [log])
    except NoteError as error:
        raise Refusal(FORBIDDEN, str(error)) from None
    try:
        return parse_checkpoint(note.text)
    except CheckpointError as error:
        raise Refusal(BAD_REQUEST, str(error)) from None
