"""Text with signatures: C2SP `signed-note`, and cosignatures after C2SP `tlog-cosignature`.

Keys are Ed25519 (RFC 8032) of two kinds: who signs the text itself, and who signs with a time that
the tree of a checkpoint is the largest that was seen of its log.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MOST_SIGNATURES: Final = 64
"""In one note; the specification wants 16 accepted at least."""

_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TIME_BYTES: Final = 8
_DASH: Final = "— "
_FORBIDDEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME: Final = re.compile(r"[^\s+]+")


class NoteError(ValueError):
    """A note, or a key, is not what it has to be; the text says what is wrong."""


class Kind(IntEnum):
    """The signature type identifier."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


class Signature(NamedTuple):
    """One signature line: who signed, by name and key id, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """As it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {_encoded(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(one.line for one in self.signatures)}"

    def encode(self) -> bytes:
        """The bytes of the note (UTF-8)."""
        return str(self).encode()

    def signed_also(self, *signatures: Signature) -> Note:
        """The note with more signatures; those that it has are not repeated."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *signatures))))


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that a known key has made; when, where it is a cosignature (POSIX, seconds)."""

    key: VerifierKey
    time: int | None


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """What signatures of one key are known by and verified with."""

    name: str
    public: bytes
    kind: Kind = Kind.ED25519

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise NoteError("the name of a key has neither spaces nor +, and is not empty")
        if len(self.public) != _PUBLIC_KEY_BYTES:
            raise NoteError(f"an Ed25519 public key has {_PUBLIC_KEY_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        named = self.name.encode() + b"\n" + bytes((self.kind,)) + self.public
        return sha256(named).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        """The verifier key (vkey), as it is handed to who verifies."""
        material = _encoded(bytes((self.kind,)) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{material}"

    def is_named_by(self, signature: Signature) -> bool:
        """Whether it says that it is of this key."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verify(self, text: str, signature: Signature) -> Verified:
        """Raises `NoteError` where the signature, of this key by name and id, is not one."""
        time, message, signed = _SIGNED[self.kind](text, signature.signature)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signed, message)
        except (InvalidSignature, ValueError):
            raise NoteError(f"the signature of {self.name} does not fit the text") from None
        return Verified(self, time)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key (its seed, 32 bytes) with the name that it signs under."""

    name: str
    seed: bytes

    def verifier(self, kind: Kind = Kind.ED25519) -> VerifierKey:
        """What others verify its signatures with."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return VerifierKey(self.name, public.public_bytes_raw(), kind)

    def sign(self, text: str) -> Signature:
        """A signature over the text of a note."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return Signature(self.name, self.verifier().key_id, signature)

    def cosign(self, text: str, time: int) -> Signature:
        """A cosignature of a checkpoint's text at a POSIX time, in seconds."""
        message = cosigned_message(text, time)
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)
        key_id = self.verifier(Kind.COSIGNATURE).key_id
        return Signature(self.name, key_id, time.to_bytes(_TIME_BYTES, "big") + signature)


def parse_verifier_key(text: str) -> VerifierKey:
    """Read a verifier key. Raises `NoteError`; the text says which part is wrong."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise NoteError("a verifier key has three parts, with + between them: name, id, key")
    name, key_id, material = parts
    decoded = _decoded(material, "the key of a verifier key")
    kinds = [kind for kind in Kind if decoded[:1] == bytes((kind,))]
    if not kinds:
        raise NoteError("the verifier key is of a type that is not known here")
    key = VerifierKey(name, decoded[1:], kinds[0])
    if key.key_id.hex() != key_id:
        raise NoteError("the id of the verifier key does not belong to its name and key")
    return key


def parse_note(data: bytes) -> Note:
    """Read a note, verifying nothing. Raises `NoteError`."""
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteError("the note is not UTF-8") from None
    if _FORBIDDEN.search(whole) is not None:
        raise NoteError("the note has a control character")
    text, blank, block = whole.rpartition("\n\n")
    if not blank:
        raise NoteError("the note has no blank line before signatures")
    if not block.endswith("\n"):
        raise NoteError("the note is cut off")
    lines = block[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise NoteError(f"the note has more than {MOST_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(_parse_signature(line) for line in lines))


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or _NAME.fullmatch(name) is None:
        raise NoteError("a signature line is not of the form: dash, name, signature")
    decoded = _decoded(encoded, "a signature")
    if len(decoded) <= _KEY_ID_BYTES:
        raise NoteError("a signature is too short")
    return Signature(name, decoded[:_KEY_ID_BYTES], decoded[_KEY_ID_BYTES:])


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[Verified]:
    """The signatures of known keys, in the order of the note; those of others are passed over.

    Raises `NoteError` where one of a known key does not fit, or where there is none.
    """
    known: Mapping[tuple[str, bytes], VerifierKey] = {(key.name, key.key_id): key for key in keys}
    verified = [
        key.verify(note.text, signature)
        for signature in note.signatures
        if (key := known.get((signature.name, signature.key_id))) is not None
    ]
    if not verified:
        raise NoteError("the note has no signature of a known key")
    return verified


def cosigned_message(text: str, time: int) -> bytes:
    """What a cosigner signs of a checkpoint's text, at a POSIX time."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _signed_plainly(text: str, signature: bytes) -> tuple[int | None, bytes, bytes]:
    return None, text.encode(), signature


def _signed_with_time(text: str, signature: bytes) -> tuple[int | None, bytes, bytes]:
    if len(signature) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise NoteError("a cosignature has a time of 8 bytes and a signature of 64")
    time = int.from_bytes(signature[:_TIME_BYTES], "big")
    return time, cosigned_message(text, time), signature[_TIME_BYTES:]


_SIGNED: Final[Mapping[Kind, Callable[[str, bytes], tuple[int | None, bytes, bytes]]]] = {
    Kind.ED25519: _signed_plainly,
    Kind.COSIGNATURE: _signed_with_time,
}
"""By kind: the time, the message and the signature out of a text and a signature's bytes."""


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is not base64") from None
    if _encoded(decoded) != text:
        raise NoteError(f"{what} is not base64 in its one form")
    return decoded
