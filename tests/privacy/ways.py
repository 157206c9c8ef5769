"""Every way round the two doors to personal data that a source file could take. Pure.

A file is read as a syntax tree, so that neither an alias nor a line break hides anything; names are
looked for wherever they stand, as texts for `getattr` too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

PUBLIC: Final = frozenset(
    {
        *("all_plans", "asking", "belonging", "checking", "deliveries", "disclosure", "errors"),
        *("following", "grants", "handovers", "in_force", "limits", "office", "outgoing", "plan"),
        *("ports", "privacy", "putting_in_force", "results", "rotation", "stored_plans"),
        *("subjects", "values"),
    }
)
"""Modules of `shared.privacy` that others may import. Whatever else is there or comes is not."""

OPENERS: Final = frozenset(
    {
        *("DataKey", "KeyWrapper", "OpeningKey", "SealingKey"),
        *("open_bytes", "open_item", "seal_bytes", "unwrap"),
        *("make_keys", "make_record_key", "new_record_key", "open_keys", "open_record_keys"),
        *("key_encryption_key", "key_encryption_keys", "read_key_encryption_keys"),
        *("open_records", "reveal"),
    }
)
"""Names of our own: what opens, what gives keys, and what gives an opened value in clear."""

CIPHERS: Final = frozenset({"AESGCM", "decrypt"})
"""Of the library that has the ciphers, whatever it is called through."""

SIGNATURES: Final = (
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.x509",
)
"""Of the library that has the ciphers, what signs and verifies, and what reads certificates."""

_PRIVACY = "shared.privacy."
_KEYRING = re.compile(r"\bkeyring\.\w+|\b(?:make|open)_(?:record_)?keys?\b|\b(?:data|record)_key\b")


@dataclass(frozen=True, slots=True)
class Way:
    """Something that only the doors may do, and where it is done."""

    path: str
    line: int
    what: str

    @property
    def place(self) -> tuple[str, str]:
        """What an exception names."""
        return (self.path, self.what)


def ways_in_python(path: str, source: str) -> Iterator[Way]:
    """What a module does of it: imports, names, statements in texts."""
    tree = ast.parse(source)
    told = set(_docstrings(tree))
    for node in ast.walk(tree):
        if node in told:
            continue
        for what in _in_node(node):
            yield Way(path, getattr(node, "lineno", 0), what)


def ways_in_sql(path: str, source: str) -> Iterator[Way]:
    """What a file of statements reaches of the keyring."""
    for number, line in enumerate(source.splitlines(), start=1):
        for found in _KEYRING.finditer(line.partition("--")[0]):
            yield Way(path, number, f"{found[0]} in SQL")


def _in_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield from _imported(alias.name)
        case ast.ImportFrom(module=str(module), names=names):
            for alias in names:
                yield from _imported(f"{module}.{alias.name}")
                yield from _named(alias.name)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield from _named(name)
        case ast.Constant(value=str(text)):
            yield from _named(text)
            yield from (f"{name} as text" for name in _hidden_modules(text))
            yield from (f"{found[0]} in SQL" for found in _KEYRING.finditer(text))


def _imported(name: str) -> Iterator[str]:
    if name.startswith("cryptography.") and not name.startswith(SIGNATURES):
        yield f"import {name}"
    if name.startswith(_PRIVACY):
        module = name.removeprefix(_PRIVACY).split(".")[0]
        if module not in PUBLIC:
            yield f"import {_PRIVACY}{module}"


def _hidden_modules(text: str) -> Iterator[str]:
    for name in re.findall(r"shared\.privacy\.\w+", text):
        if name.removeprefix(_PRIVACY) not in PUBLIC:
            yield name


def _named(name: str) -> Iterator[str]:
    if name in OPENERS or name in CIPHERS:
        yield name


def _docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    """Texts that stand alone: nothing is done with them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
