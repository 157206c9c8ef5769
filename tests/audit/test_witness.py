"""Witnesses (C2SP `tlog-witness`): what one signs and refuses, and how a log asks them."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from services.audit.commands.witness import routes
from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.notes import Kind, Note, SigningKey, parse_note, verify_note
from services.audit.domain.witness import (
    Refusal,
    Submission,
    origin_hash,
    parse_submission,
)
from services.audit.handlers.witness import Witness, WitnessError
from services.audit.handlers.witnesses import (
    BEHIND,
    Cosigner,
    UnwillingError,
    WitnessClient,
)
from services.audit.store.folder import CHECKPOINT, TileFolder
from services.audit.store.sources import folder_log
from services.audit.store.web import Site
from shared.runtime.http import HttpServer
from tests.audit import naive
from tests.support.published import published_files
from tests.support.trees import root_of

LOG = SigningKey("example.org/audit", bytes(range(32)))
OTHER = SigningKey("example.org/audit", bytes(32))
ENTRIES = [f'{{"id":{number}}}'.encode() for number in range(600)]
FORKED = [b"{}", *ENTRIES[1:]]

# The request that the specification has as its example.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa {log}
— example.com/behind-the-sofa {witness}
""".format(
    log="Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
    witness="opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=",
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def witness(tmp_path: Path, clock: Clock) -> Iterator[Witness]:
    witness = begun(tmp_path / "witness", clock)
    yield witness
    witness.close()


def begun(folder: Path, clock: Clock) -> Witness:
    return Witness(folder, "witness.example.org", [LOG.verifier()], clock)


def signed(size: int, entries: Sequence[bytes] = ENTRIES, key: SigningKey = LOG) -> Note:
    return Checkpoint(key.name, size, root_of(entries[:size])).signed(key)


def submission(
    old: int, size: int, entries: Sequence[bytes] = ENTRIES, key: SigningKey = LOG
) -> Submission:
    proof = naive.proof(old, entries[:size]) if old else []
    return Submission(old, tuple(proof), signed(size, entries, key))


def refused(witness: Witness, body: bytes) -> tuple[int, str]:
    with pytest.raises(Refusal) as refusal:
        witness.add_checkpoint(body)
    return refusal.value.status, str(refusal.value)


def test_a_submission_is_read_as_it_was_written() -> None:
    asked = submission(3, 9)
    assert parse_submission(asked.encode()) == asked
    assert asked.encode().startswith(b"old 3\n")


def test_the_example_of_the_specification_is_read() -> None:
    asked = parse_submission(EXAMPLE.encode())
    assert (asked.old, len(asked.proof), len(asked.note.signatures)) == (20_852_014, 4, 2)
    assert asked.encode() == EXAMPLE.encode()


def test_a_witness_signs_what_continues_what_it_signed(witness: Witness, clock: Clock) -> None:
    for old, size in ((0, 0), (0, 1), (1, 1), (1, 5), (5, 256), (256, 600)):
        clock.now += 10
        asked = submission(old, size)
        signature = witness.add_checkpoint(asked.encode())
        (verified,) = verify_note(asked.note.signed_also(signature), [witness.verifier])
        assert verified.time == clock.now
    kept = witness.checkpoint(origin_hash(LOG.name))
    assert kept is not None
    assert len(verify_note(parse_note(kept), [LOG.verifier(), witness.verifier])) == 2


def test_a_witness_refuses_a_fork_and_a_rollback(witness: Witness) -> None:
    witness.add_checkpoint(submission(0, 300).encode())
    assert refused(witness, submission(300, 300, FORKED).encode())[0] == 422
    assert refused(witness, submission(300, 600, FORKED).encode())[0] == 422
    assert refused(witness, submission(0, 600, FORKED).encode()) == (409, "300\n")
    assert refused(witness, submission(0, 200).encode()) == (409, "300\n")
    assert refused(witness, Submission(300, (), signed(200)).encode())[0] == 400
    witness.add_checkpoint(submission(300, 600).encode())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (b"old 01\n\n" + signed(1).encode(), 400),
        (b"old 0\nnothing\n\n" + signed(1).encode(), 400),
        (b"old 0\nAAAA\n\n" + signed(1).encode(), 400),
        (b"old 0\n\n" + signed(1).encode()[:-1], 400),
        (submission(0, 1, key=OTHER).encode(), 403),
        (submission(0, 1, key=SigningKey("example.org/else", bytes(32))).encode(), 404),
        (Submission(0, (bytes(32),), signed(1)).encode(), 422),
        (Submission(0, (), Checkpoint(LOG.name, 0, bytes(32)).signed(LOG)).encode(), 422),
    ],
)
def test_what_is_no_submission_has_its_status(witness: Witness, body: bytes, status: int) -> None:
    assert refused(witness, body)[0] == status
    assert witness.checkpoint(origin_hash(LOG.name)) is None


def test_a_witness_remembers(witness: Witness, tmp_path: Path, clock: Clock) -> None:
    witness.add_checkpoint(submission(0, 300).encode())
    key = witness.verifier
    witness.close()
    clock.now -= 1_000
    again = begun(tmp_path / "witness", clock)
    assert again.verifier == key
    assert refused(again, submission(0, 600).encode()) == (409, "300\n")
    asked = submission(300, 600)
    (verified,) = verify_note(
        asked.note.signed_also(again.add_checkpoint(asked.encode())), [again.verifier]
    )
    assert verified.time == clock.now + 1_000
    again.close()


def test_two_witnesses_never_share_a_folder(witness: Witness, tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(WitnessError, match="another witness runs"):
        begun(tmp_path / "witness", clock)
    assert stat.S_IMODE((tmp_path / "witness" / "witness-key").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["checkpoint", "witness-key"])
def test_a_witness_whose_memory_was_spoiled_does_not_begin(
    witness: Witness, tmp_path: Path, clock: Clock, name: str
) -> None:
    witness.add_checkpoint(submission(0, 300).encode())
    witness.close()
    (file,) = (tmp_path / "witness").rglob(name)
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(WitnessError, match="restore it"):
        begun(tmp_path / "witness", clock)


def publish(folder: Path, sizes: Sequence[int], entries: Sequence[bytes] = ENTRIES) -> Note:
    files = published_files(entries, sizes, LOG)
    TileFolder(folder).write(files)
    return parse_note(files[CHECKPOINT])


@pytest.fixture
async def served(witness: Witness) -> AsyncIterator[str]:
    server = HttpServer("127.0.0.1", 0, routes(witness))
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()


def client_of(witness: Witness, url: str, folder: Path) -> WitnessClient:
    return WitnessClient(witness.verifier, Site(url, 4.0), folder_log(folder))


async def test_a_log_asks_with_the_proof_that_the_witness_needs(
    witness: Witness, served: str, tmp_path: Path
) -> None:
    client = client_of(witness, served, tmp_path)
    for sizes in ((10,), (10, 300)):
        note = publish(tmp_path, sizes)
        signature = await asyncio.to_thread(client.ask, note)
        verify_note(note.signed_also(signature), [witness.verifier])
    # One that was started just now asks from nothing, and is told what there is.
    note = publish(tmp_path, (10, 300, 600))
    again = client_of(witness, served, tmp_path)
    verify_note(note.signed_also(await asyncio.to_thread(again.ask, note)), [witness.verifier])


async def test_a_log_that_was_put_back_or_rewritten_gets_no_signature(
    witness: Witness, served: str, tmp_path: Path
) -> None:
    client = client_of(witness, served, tmp_path)
    await asyncio.to_thread(client.ask, publish(tmp_path, (300,)))
    with pytest.raises(UnwillingError, match="has seen 300 entries"):
        await asyncio.to_thread(
            client_of(witness, served, tmp_path / "a").ask, publish(tmp_path / "a", (200,))
        )
    with pytest.raises(UnwillingError, match="answered 422"):
        await asyncio.to_thread(
            client_of(witness, served, tmp_path / "b").ask, publish(tmp_path / "b", (600,), FORKED)
        )


async def stepped(cosigner: Cosigner, folder: Path, until: int) -> list[str]:
    """Step until so many signatures stand under the newest checkpoint."""
    async with asyncio.timeout(20):
        while True:
            await cosigner.step()
            note = parse_note((folder / CHECKPOINT).read_bytes())
            if len(note.signatures) >= until:
                return [one.name for one in note.signatures]
            await asyncio.sleep(0.01)


async def test_cosignatures_come_to_the_published_checkpoint_though_one_witness_is_away(
    witness: Witness, served: str, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    away = SigningKey("away.example.org", bytes(32)).verifier(Kind.COSIGNATURE)
    gone = WitnessClient(away, Site("http://127.0.0.1:1", 1.0), folder_log(folder))
    cosigner = Cosigner([gone, client_of(witness, served, folder)], TileFolder(folder))
    for sizes in ((300,), (300, 600)):
        publish(folder, sizes)
        assert await stepped(cosigner, folder, 2) == [LOG.name, "witness.example.org"]
    await cosigner.step()
    assert BEHIND.labels("away.example.org")._value.get() == 1
    assert BEHIND.labels("witness.example.org")._value.get() == 0


class OvertakenFolder(TileFolder):
    """Somebody else publishes more as soon as it was read."""

    overtake: Callable[[], object] | None = None

    def checkpoint(self) -> bytes | None:
        found = super().checkpoint()
        if self.overtake is not None:
            self.overtake()
        return found


async def test_a_cosignature_that_comes_too_late_takes_nothing_newer_away(
    witness: Witness, served: str, tmp_path: Path
) -> None:
    folder = OvertakenFolder(tmp_path)
    cosigner = Cosigner([client_of(witness, served, tmp_path)], folder)
    publish(tmp_path, (300,))
    await cosigner.step()
    await asyncio.wait(cosigner._asked.values())
    folder.overtake = partial(publish, tmp_path, (300, 600))
    await cosigner.step()
    folder.overtake = None
    assert (folder.checkpoint() or b"").splitlines()[1] == b"600"
    assert len(await stepped(cosigner, tmp_path, 2)) == 2


async def test_a_witness_serves_what_it_signed(witness: Witness, served: str) -> None:
    path = f"{origin_hash(LOG.name)}/checkpoint"
    asked = submission(0, 9).encode()
    with closing(Site(served)) as site:
        assert await asyncio.to_thread(site.read, path) is None
        witness.add_checkpoint(submission(0, 5).encode())
        kept = witness.checkpoint(origin_hash(LOG.name))
        assert await asyncio.to_thread(site.read, path) == kept
        answer = await asyncio.to_thread(site.request, "POST", "add-checkpoint", asked)
    assert answer == (409, b"5\n")
