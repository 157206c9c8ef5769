"""What a module does that no pure function may do: it reads a clock, randomness, the environment, a
file or a network. A syntax tree is looked at, so that neither an alias nor a line break hides it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

PURE: Final = frozenset(
    {
        *("__future__", "base64", "binascii", "collections", "contextlib", "dataclasses"),
        *("datetime", "decimal", "enum", "functools", "hashlib", "itertools", "math", "re"),
        *("typing", "uuid", "zoneinfo"),
        *("cryptography", "orjson", "pydantic"),
        "shared.contract",
    }
)
"""Packages that give only what follows from what they are given, but for `READERS`. Rules of time
zones are as fixed as code is.
"""

READERS: Final = frozenset(
    {
        *("now", "today", "utcnow"),
        *("uuid1", "uuid4", "uuid6", "uuid7", "uuid8", "getnode"),
        *("generate", "generate_key", "generate_private_key"),
        *("file_digest", "available_timezones", "read_text", "read_bytes"),
    }
)
"""Names in these packages of what reads a clock, makes something random or reads a file."""

BUILTIN: Final = frozenset({"open", "input", "print", "eval", "exec", "breakpoint", "__import__"})


def impurities(source: str, *, own: str) -> Iterator[str]:
    """Each of them, by name. `own` is the package that the module is of, which is looked at too."""
    known = {*PURE, own}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if not _is_of(one.name, known))
            case ast.ImportFrom(module=module, names=names):
                if node.level or not _is_of(module or "", known):
                    yield f"from {'.' * node.level}{module or ''}"
                yield from (one.name for one in names if one.name in {*READERS, "*"})
            case ast.Attribute(attr=name) | ast.Constant(value=str(name)) if name in READERS:
                yield name
            case ast.Call(func=ast.Name(id=name)) if name in BUILTIN:
                yield name


def _is_of(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
