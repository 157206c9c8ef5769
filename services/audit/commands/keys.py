"""Verifier keys on a command line."""

from __future__ import annotations

from pathlib import Path

import typer

from services.audit.domain.notes import NoteError, VerifierKey, parse_verifier_key


def read_key(given: str, option: str) -> VerifierKey:
    """A verifier key as it is given, or out of the file of this name."""
    file = Path(given)
    try:
        return parse_verifier_key(file.read_text("utf-8") if _is_file(file) else given)
    except NoteError as error:
        why = str(error)
    except (UnicodeDecodeError, OSError):
        why = "the file cannot be read as text"
    raise typer.BadParameter(f"{why}; `steward audit key` prints the right one", param_hint=option)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
