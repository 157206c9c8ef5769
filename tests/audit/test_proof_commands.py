"""`steward audit verify`, `prove`, `check-proof`, `export` as operators and auditors meet them."""

from __future__ import annotations

import base64
from pathlib import Path

import asyncpg
import orjson
import pytest

from services.audit.api.published import routes
from services.audit.commands import app
from services.audit.domain.checkpoints import parse_checkpoint
from services.audit.domain.merkle import leaf_hash
from services.audit.domain.notes import Kind, SigningKey, parse_note
from services.audit.domain.proofs import verify_inclusion
from services.audit.domain.tiles import Bundle, Tile
from services.audit.handlers.identity import signing_key
from services.audit.store.web import WebError
from shared.contract.audit import DataDisclosed
from shared.runtime.http import HttpServer
from tests.support.commands import NOWHERE, Answered, command
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to, publish_all, settings_of
from tests.support.work import Work

ENTRIES = 300


@pytest.fixture
async def log(work: Work) -> Work:
    facts = Facts()
    messages = [facts.message(make_entry(DataDisclosed)) for _ in range(ENTRIES)]
    await work.do(appending_to(work), messages)
    await publish_all(work)
    return work


def key_of(log: Work) -> str:
    return str(signing_key(settings_of(log)).verifier())


def folder_of(log: Work) -> Path:
    return settings_of(log).published_folder


async def stranger(*arguments: str) -> Answered:
    """Somebody who has neither database nor Kafka nor secrets."""
    return await command(app, NOWHERE, *arguments)


async def test_a_stranger_verifies_a_folder(log: Work) -> None:
    asked = ("verify", "--from-folder", str(folder_of(log)), "--public-key", key_of(log))
    done = await stranger(*asked)
    assert (done.code, "300 entries" in done.out, ": whole" in done.out) == (0, True, True)
    tile = folder_of(log) / Tile(0, 1, 44).path
    data = tile.read_bytes()
    tile.write_bytes(data[:64] + bytes(32) + data[96:])
    done = await stranger(*asked)
    assert done.code == 1
    assert "entry 258: its hash in tile/0/001.p/44 is another" in done.out
    done = await stranger(*asked, "--json")
    told = orjson.loads(done.out)
    assert (done.code, told["whole"], told["findings"][0]["entry"]) == (1, False, 258)


async def test_a_stranger_verifies_what_a_server_serves(log: Work, tmp_path: Path) -> None:
    server = HttpServer("127.0.0.1", 0, routes(folder_of(log)))
    server.start()
    key = tmp_path / "key"
    key.write_text(f"{key_of(log)}\n")
    asked = ("verify", "--url", f"http://127.0.0.1:{server.port}", "--public-key", str(key))
    whole = await stranger(*asked)
    (folder_of(log) / Bundle(0).path).write_bytes(b"\0\1")
    spoiled = await stranger(*asked)
    await server.stop()
    assert (whole.code, "300 entries" in whole.out) == (0, True)
    assert (spoiled.code, "tile/entries/000: the bundle is cut off" in spoiled.out) == (1, True)
    with pytest.raises(WebError, match="cannot be reached"):
        await stranger(*asked)


async def prove(log: Work, sequence: int, file: Path) -> Answered:
    return await command(app, settings_of(log), "prove", str(sequence), "--output", str(file))


@pytest.mark.parametrize("sequence", [0, 255, 256, 299])
async def test_a_proof_is_checked_by_whoever_has_the_key(
    log: Work, tmp_path: Path, sequence: int
) -> None:
    file = tmp_path / "an.tlog-proof"
    assert (await prove(log, sequence, file)).code == 0
    done = await stranger("check-proof", str(file), "--public-key", key_of(log))
    body = await log.value("select body from entry where sequence = $1", sequence)
    assert (done.code, done.out.strip()) == (0, body.decode())
    assert f"entry {sequence} of the 300" in done.err


async def test_a_proof_that_was_changed_proves_nothing(log: Work, tmp_path: Path) -> None:
    file = tmp_path / "an.tlog-proof"
    await prove(log, 7, file)
    lines = file.read_text("utf-8").split("\n")
    other = SigningKey("example.org/audit", bytes(32))
    same_name = SigningKey(settings_of(log).audit_origin, bytes(32))
    entry = base64.b64encode(b"{}").decode()
    cases = [
        ("\n".join(lines), str(other.verifier()), "it is of another log"),
        ("\n".join(lines), str(same_name.verifier()), "no signature of a known key"),
        ("\n".join(lines).replace("index 7", "index 8"), key_of(log), "another root"),
        ("\n".join([lines[0], f"extra {entry}", *lines[2:]]), key_of(log), "another root"),
        ("\n".join(lines[:1] + lines[2:]), key_of(log), "has no entry with it"),
        ("\n".join(lines[:6]), key_of(log), "cut off"),
        ("", key_of(log), "the first line of a proof is"),
    ]
    for text, key, why in cases:
        file.write_text(text, "utf-8")
        done = await stranger("check-proof", str(file), "--public-key", key)
        assert (done.code, done.out, why in done.err) == (1, "", True), (why, done.err)


async def test_a_witness_that_has_to_have_cosigned_is_asked_for(log: Work, tmp_path: Path) -> None:
    witness = SigningKey("witness.example.org", bytes(range(32)))
    checkpoint = folder_of(log) / "checkpoint"
    note = parse_note(checkpoint.read_bytes())
    file = tmp_path / "an.tlog-proof"
    asked = ("check-proof", str(file), "--public-key", key_of(log))
    with_witness = (*asked, "--witness-key", str(witness.verifier(Kind.COSIGNATURE)))
    await prove(log, 7, file)
    done = await stranger(*with_witness)
    assert (done.code, "no signature of witness.example.org" in done.err) == (1, True)
    cosigned = note.signed_also(witness.cosign(note.text, 1_800_000_000))
    checkpoint.write_bytes(cosigned.encode())
    await prove(log, 7, file)
    done = await stranger(*with_witness)
    assert (done.code, "seen by witness.example.org at 2027-01-15" in done.err) == (0, True)


async def test_what_cannot_be_proven_is_told_with_what_to_do(log: Work, tmp_path: Path) -> None:
    file = tmp_path / "an.tlog-proof"
    done = await prove(log, ENTRIES, file)
    assert (done.code, "under no published checkpoint yet" in done.err) == (1, True)
    (folder_of(log) / Tile(0, 0).path).unlink()
    done = await prove(log, 7, file)
    assert (done.code, "see `steward audit verify`" in done.err) == (1, True)
    (folder_of(log) / "checkpoint").unlink()
    done = await prove(log, 7, file)
    assert (done.code, "has no checkpoint" in done.err) == (1, True)
    assert not file.exists()


@pytest.mark.parametrize("published", [Bundle(0), Tile(0, 0)])
async def test_a_proof_that_would_prove_nothing_is_not_written(
    log: Work, tmp_path: Path, published: Bundle | Tile
) -> None:
    file, path = tmp_path / "an.tlog-proof", folder_of(log) / published.path
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    done = await prove(log, 0, file)
    assert (done.code, "the published log is damaged" in done.err) == (1, True)
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("verify", "--from-folder", "nowhere", "--public-key", "KEY"), "there is no folder"),
        (("verify", "--url", "example.org", "--public-key", "KEY"), "is no URL"),
        (("verify", "--url", "http://h", "--from-folder", "x"), "give one of both"),
        (("verify", "--url", "http://h", "--public-key", "abc"), "a verifier key has three parts"),
        (("check-proof", "x", "--public-key", "abc"), "a verifier key has three parts"),
        (("prove", "-1"), "-1"),
    ],
)
async def test_what_cannot_be_asked_is_told(arguments: tuple[str, ...], why: str) -> None:
    key = str(SigningKey("example.org/audit", bytes(32)).verifier())
    done = await stranger(*(key if one == "KEY" else one for one in arguments))
    assert (done.code, why in done.err) == (2, True), done.err


async def test_an_export_has_all_that_is_needed_to_check_it(log: Work, tmp_path: Path) -> None:
    # Days are those of the plan in force, wherever the file is that it once came from.
    settings = settings_of(log).model_copy(update={"plan": tmp_path / "no plan"})
    folder = tmp_path / "september"
    wrong = await command(app, settings, "export", str(folder), "--since", "yesterday")
    assert (wrong.code, "--since" in wrong.err, folder.exists()) == (2, True, False)
    asked = ("--since", "2026-09-01", "--until", "2026-09-30")
    done = await command(app, settings, "export", str(folder), *asked)
    assert done.code == 0, done.err
    checkpoint = parse_checkpoint(parse_note((folder / "checkpoint").read_bytes()).text)
    entries = (folder / "entries.jsonl").read_bytes().splitlines()
    proofs = [orjson.loads(one) for one in (folder / "proofs.jsonl").read_bytes().splitlines()]
    assert len(entries) == len(proofs) == ENTRIES
    for entry, proof in zip(entries, proofs, strict=True):
        hashes = [base64.b64decode(one) for one in proof["hashes"]]
        size, root = checkpoint.size, checkpoint.root
        verify_inclusion(proof["index"], size, leaf_hash(entry), hashes, root)
    again = await command(app, settings, "export", str(folder))
    assert (again.code, "is not empty" in again.err) == (1, True)
    empty = tmp_path / "e"
    nothing = await command(app, settings, "export", str(empty), "--since", "2030-01-01")
    assert (nothing.code, "nothing is recorded" in nothing.err) == (1, True)
    done = await command(app, settings, "export", str(empty), *asked)
    assert done.code == 0, done.err


async def test_an_export_that_is_not_what_was_published_breaks_off_and_leads_to_nothing(
    log: Work, tmp_path: Path, database: str
) -> None:
    administrator = await asyncpg.connect(database)
    await administrator.execute(
        "set session_replication_role = replica;"
        "alter table audit.entry disable trigger entry_is_append_only;"
        "update audit.entry set body = body || ' '::bytea where sequence = 7"
    )
    await administrator.close()
    done = await command(app, settings_of(log), "export", str(tmp_path / "all"))
    assert (done.code, done.out) == (1, "")
    assert "entry 7 of the database is not what was published" in done.err
    assert not (tmp_path / "all" / "checkpoint").exists()
