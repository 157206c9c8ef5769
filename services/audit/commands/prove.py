"""`steward audit prove` and `check-proof`: one entry, provable to anybody, anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from services.audit.commands.keys import read_key
from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.notes import NoteError, Verified, VerifierKey, verify_note
from services.audit.domain.proof_files import InclusionProof, parse_proof
from services.audit.domain.proofs import ProofError


def run_prove(sequence: int, output: Path) -> int:
    """Write the proof of an entry; the exit code."""
    from services.audit.handlers.prove import ProveError, prove_entry
    from services.audit.settings import Settings
    from services.audit.store.folder import FolderError
    from services.audit.store.sources import folder_log

    try:
        proof = prove_entry(folder_log(Settings.load().published_folder), sequence)
        # Else it is found out by whoever was to be convinced.
        proof.verify_entry(proof.extra or b"")
    except (ProveError, FolderError) as error:
        typer.echo(str(error), err=True)
        return 1
    except ProofError:
        what = "the published log is damaged (entry and hashes do not lead to its checkpoint)"
        typer.echo(f"{what}: see `steward audit verify`", err=True)
        return 1
    try:
        output.write_bytes(str(proof).encode())
    except OSError as error:
        typer.echo(f"{output} cannot be written: {error.strerror}", err=True)
        return 1
    typer.echo(f"{output}: entry {sequence} is in the log; check it with check-proof", err=True)
    return 0


def run_check_proof(file: Path, public_key: str, witness_keys: Sequence[str]) -> int:
    """Check a proof and print its entry; the exit code."""
    log = read_key(public_key, "--public-key")
    witnesses = [read_key(one, "--witness-key") for one in witness_keys]
    try:
        proof = parse_proof(file.read_bytes())
        verified, checkpoint = _checked(proof, log, witnesses)
    except OSError as error:
        typer.echo(f"{file} cannot be read: {error.strerror}", err=True)
        return 1
    except (ProofError, NoteError) as error:
        typer.echo(f"{file} proves nothing: {error}", err=True)
        return 1
    typer.echo((proof.extra or b"").decode())
    cosigned = ", ".join(f"{one.key.name} at {_time(one)}" for one in verified if one.time)
    typer.echo(
        f"entry {proof.index} of the {checkpoint.size:,} that {log.name} has signed"
        f"{f'; seen by {cosigned}' if cosigned else ''}",
        err=True,
    )
    return 0


def _checked(
    proof: InclusionProof, log: VerifierKey, witnesses: Sequence[VerifierKey]
) -> tuple[list[Verified], Checkpoint]:
    """Who signed it, and the checkpoint. Raises NoteError and `ProofError`."""
    origin = proof.checkpoint.text.split("\n", 1)[0]
    if origin != log.name:
        raise ProofError(f"it is of another log than {log.name}: take the key of that one")
    verified = verify_note(proof.checkpoint, [log, *witnesses])
    signers = {one.key for one in verified}
    for key in (log, *witnesses):
        if key not in signers:
            raise ProofError(f"its checkpoint has no signature of {key.name} with this key")
    if proof.extra is None:
        raise ProofError("it has no entry with it: it is not from `steward audit prove`")
    return verified, proof.verify_entry(proof.extra)


def _time(verified: Verified) -> str:
    return datetime.fromtimestamp(verified.time or 0, UTC).isoformat()
