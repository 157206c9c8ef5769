"""Signed notes, checkpoints, cosignatures and proofs, held to the examples of their specifications
(C2SP) and to those of Go's `golang.org/x/mod/sumdb/note`, where the form comes from.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.checkpoints import (
    Checkpoint,
    CheckpointError,
    is_of_log,
    newest,
    open_checkpoint,
    parse_checkpoint,
)
from services.audit.domain.merkle import Frontier, leaf_hash, leaf_hashes
from services.audit.domain.notes import (
    Kind,
    Note,
    NoteError,
    SigningKey,
    VerifierKey,
    cosigned_message,
    parse_note,
    parse_verifier_key,
    verify_note,
)
from services.audit.domain.proof_files import InclusionProof, parse_proof
from services.audit.domain.proofs import ProofError
from tests.audit import naive
from tests.audit.test_tree import entries_of
from tests.support.trees import root_of

C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKu"
    "wHjG1Yu72IneyaQM=\n"
)
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
KEY = SigningKey("example.org/audit", bytes(range(32)))
WITNESS = SigningKey("witness.example.org", bytes(range(1, 33)))


def test_the_example_of_the_specification_verifies() -> None:
    key = parse_verifier_key(C2SP_KEY)
    note = parse_note(C2SP_NOTE.encode())
    assert note.text == "This is an example message.\n"
    assert [one.key for one in verify_note(note, [key])] == [key]
    assert (str(key), str(note)) == (C2SP_KEY, C2SP_NOTE)


def test_a_note_is_signed_as_go_signs_it() -> None:
    key = SigningKey("PeterNeumann", GO_SEED)
    assert str(key.verifier()) == GO_KEY
    assert str(Note(GO_TEXT, (key.sign(GO_TEXT),))) == f"{GO_TEXT}\n{GO_LINE}"


def test_signatures_of_others_are_passed_over() -> None:
    note = Note("text\n", (WITNESS.sign("text\n"), KEY.sign("text\n")))
    assert [one.key for one in verify_note(note, [KEY.verifier()])] == [KEY.verifier()]
    namesake = SigningKey(KEY.name, WITNESS.seed)
    with pytest.raises(NoteError, match="no signature of a known key"):
        verify_note(note, [namesake.verifier()])


def test_a_signature_of_a_known_key_that_does_not_fit_spoils_the_note() -> None:
    wrong = KEY.sign("another text\n")
    note = Note("text\n", (WITNESS.sign("text\n"), wrong))
    with pytest.raises(NoteError, match=r"example\.org/audit does not fit"):
        verify_note(note, [WITNESS.verifier(), KEY.verifier()])


def test_a_signature_is_added_once() -> None:
    note = Note("text\n", (KEY.sign("text\n"),))
    cosigned = note.signed_also(WITNESS.cosign("text\n", 7), KEY.sign("text\n"))
    assert cosigned.signatures == (*note.signatures, WITNESS.cosign("text\n", 7))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xff\n\n", "UTF-8"),
        (b"a\tb\n\n", "control"),
        (b"text\n", "blank line"),
        (C2SP_NOTE[:-1].encode(), "cut off"),
        (b"text\n\n", "cut off"),
        (b"text\n\n- name AAAA\n", "signature line"),
        ("text\n\n— na+me AAAAAAAA\n".encode(), "signature line"),
        ("text\n\n— name\n".encode(), "signature line"),
        ("text\n\n— name AAAA\n".encode(), "too short"),
        ("text\n\n— name A-_=\n".encode(), "base64"),
        ("text\n\n— name AAAAAAB=\n".encode(), "one form"),
        (b"text\n\n" + GO_LINE.encode() * 65, "more than 64"),
    ],
)
def test_what_is_no_note(data: bytes, complaint: str) -> None:
    with pytest.raises(NoteError, match=complaint):
        parse_note(data)


def test_sixteen_signatures_are_accepted_and_the_text_may_have_empty_lines() -> None:
    text = "one\n\n\ntwo\n"
    note = Note(text, (KEY.sign(text),) * 16)
    assert parse_note(note.encode()) == note


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("example.com", "three parts"),
        (C2SP_KEY.replace("530d903a", "530d903b"), "does not belong"),
        (C2SP_KEY.replace("foo", "bar"), "does not belong"),
        ("name+00000000+AeA=", "32 bytes"),
        ("name+00000000+BuA=", "not known"),
        ("name+00000000+!", "base64"),
        (C2SP_KEY.replace("example.com/", "example com"), "spaces"),
    ],
)
def test_what_is_no_verifier_key(text: str, complaint: str) -> None:
    with pytest.raises(NoteError, match=complaint):
        parse_verifier_key(text)


def test_what_a_cosigner_signs_is_what_the_specification_shows() -> None:
    checkpoint = Checkpoint(
        "example.com/behind-the-sofa",
        20852163,
        base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="),
    )
    assert cosigned_message(str(checkpoint), 1679315147).decode() == (
        "cosignature/v1\n"
        "time 1679315147\n"
        "example.com/behind-the-sofa\n"
        "20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_cosignature_says_when_and_is_no_plain_signature() -> None:
    text = str(Checkpoint("example.org/audit", 1, leaf_hash(b"")))
    signature = WITNESS.cosign(text, 1679315147)
    key = WITNESS.verifier(Kind.COSIGNATURE)
    assert parse_verifier_key(str(key)) == key
    (verified,) = verify_note(Note(text, (signature,)), [key, WITNESS.verifier()])
    assert (verified.key, verified.time) == (key, 1679315147)
    later = signature.signature[:7] + b"\0" + signature.signature[8:]
    for spoilt in (later, signature.signature[8:]):
        with pytest.raises(NoteError):
            verify_note(Note(text, (signature._replace(signature=spoilt),)), [key])


CHECKPOINT = Checkpoint("example.org/audit", 3, root_of(entries_of(3)))


def test_a_checkpoint_is_opened_with_the_key_of_its_log() -> None:
    data = CHECKPOINT.signed(KEY).encode()
    assert open_checkpoint(data, KEY.verifier()) == CHECKPOINT
    assert is_of_log(data, KEY.verifier())
    assert not is_of_log(data, WITNESS.verifier())
    with pytest.raises(CheckpointError, match="known key"):
        open_checkpoint(data, WITNESS.verifier())
    with pytest.raises(CheckpointError, match="another log"):
        open_checkpoint(CHECKPOINT.signed(WITNESS).encode(), WITNESS.verifier())


def test_an_empty_log_has_a_checkpoint_too() -> None:
    empty = Checkpoint("example.org/audit", 0, root_of([]))
    assert parse_checkpoint(str(empty)) == empty


def test_extension_lines_stay() -> None:
    text = f"{CHECKPOINT}one\ntwo\n"
    assert parse_checkpoint(text).extensions == ("one", "two")
    assert str(parse_checkpoint(text)) == text


ROOT_LINE = str(CHECKPOINT).splitlines()[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n3\n",
        f"\n3\n{ROOT_LINE}\n",
        f"origin\n03\n{ROOT_LINE}\n",
        f"origin\n-3\n{ROOT_LINE}\n",
        f"origin\n³\n{ROOT_LINE}\n",
        f"origin\n9223372036854775808\n{ROOT_LINE}\n",
        f"origin\n3\n{ROOT_LINE}",
        f"origin\n3\n{ROOT_LINE[4:]}\n",
        f"origin\n3\n{ROOT_LINE}\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_checkpoint(text)


def test_two_checkpoints_of_one_size_are_told() -> None:
    other = Checkpoint("example.org/audit", 3, root_of(entries_of(2)))
    larger = Checkpoint("example.org/audit", 4, root_of(entries_of(4)))
    assert newest([]) is None
    assert newest([CHECKPOINT, larger, CHECKPOINT]) == larger
    with pytest.raises(CheckpointError, match="two different checkpoints of 3 entries"):
        newest([CHECKPOINT, larger, other])


@st.composite
def turned(draw: st.DrawFn) -> bytes:
    """A signed checkpoint with one bit turned."""
    data = bytearray(CHECKPOINT.signed(KEY).encode())
    at = draw(st.integers(0, len(data) - 1))
    data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@given(turned())
def test_a_checkpoint_that_was_touched_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        open_checkpoint(data, KEY.verifier())


def proof_of(index: int, size: int, **over: Any) -> InclusionProof:  # noqa: ANN401 - any part
    entries = entries_of(size)
    root = Frontier().extended(leaf_hashes(entries)).root
    note = Checkpoint("example.org/audit", size, root).signed(KEY)
    hashes = tuple(naive.path(index, entries))
    return InclusionProof(**{"index": index, "hashes": hashes, "checkpoint": note, **over})


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (6, 7), (255, 300)])
@pytest.mark.parametrize("extra", [None, b"", b"the entry"])
def test_a_proof_is_read_as_it_was_written(index: int, size: int, extra: bytes | None) -> None:
    proof = proof_of(index, size, extra=extra)
    again = parse_proof(str(proof).encode())
    assert again == proof
    assert again.verify_entry(entries_of(size)[index]).size == size


def test_the_lines_of_a_proof() -> None:
    lines = str(proof_of(1, 2, extra=b"x")).split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra eA==", "index 1"]
    assert lines[4:7] == ["", "example.org/audit", "2"]


def test_a_proof_is_of_its_entry_alone() -> None:
    with pytest.raises(ProofError, match="another root"):
        proof_of(1, 2).verify_entry(b"another")
    with pytest.raises(ProofError, match="no entry 9"):
        replace(proof_of(1, 2), index=9).verify_entry(b"entry 1")
    no_checkpoint = Note("text\n", (KEY.sign("text\n"),))
    with pytest.raises(ProofError, match="three lines"):
        proof_of(1, 2, checkpoint=no_checkpoint).verify_entry(b"entry 1")


WHOLE = str(proof_of(1, 2)).encode()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xff", "not text"),
        (b"", "first line"),
        (WHOLE.replace(b"@v1", b"@v2"), "first line"),
        (WHOLE.split(b"\n\n")[0], "cut off"),
        (WHOLE[:-3], "cut off"),
        (WHOLE.replace(b"index 1", b"index 01"), "index"),
        (WHOLE.replace(b"index 1\n", b""), "index"),
        (WHOLE.replace(b"index 1", b"extra !\nindex 1"), "base64"),
        (WHOLE.replace(b"index 1", b"index 1\neA=="), "32 bytes"),
    ],
)
def test_what_is_no_proof(data: bytes, complaint: str) -> None:
    with pytest.raises(ProofError, match=complaint):
        parse_proof(data)


def test_keys_have_names_and_thirty_two_bytes() -> None:
    for name, public in (("", bytes(32)), ("a b", bytes(32)), ("a+b", bytes(32)), ("a", b"")):
        with pytest.raises(NoteError):
            VerifierKey(name, public)
