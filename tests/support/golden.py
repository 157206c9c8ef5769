"""Golden files: what each type looks like in each version, for ever.

`python -m tests.support.golden` writes the schema of the newest versions anew, after a change that
was meant. Examples are written by hand and never changed: they are what old readers were sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from shared.contract.codec import CONTRACTS
from shared.contract.registry import REGISTRY, Registered

FOLDER = Path(__file__).parent.parent / "contract" / "golden"
READABLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS

assert CONTRACTS


def examples() -> Iterator[tuple[str, Registered, dict[str, Any]]]:
    """Each example of each type's newest version, with a name for it."""
    for registered in REGISTRY:
        given = read(registered.name, registered.version)["examples"]
        for number, example in enumerate(given):
            yield f"{registered.name}-{number}", registered, example


def path(name: str, version: int) -> Path:
    return FOLDER / f"{name}.{version}.json"


def read(name: str, version: int) -> dict[str, Any]:
    golden: dict[str, Any] = orjson.loads(path(name, version).read_bytes())
    return golden


def schema(registered: Registered) -> object:
    """The JSON schema without titles and descriptions: better words change no contract."""
    return _bare(registered.model.model_json_schema())


def _bare(node: object) -> object:
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _bare(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else _bare(value)
        for key, value in node.items()
        if key not in ("title", "description")
    }


def write() -> None:
    for registered in REGISTRY:
        file = path(registered.name, registered.version)
        golden = orjson.loads(file.read_bytes()) if file.exists() else {"examples": []}
        golden["schema"] = schema(registered)
        file.write_bytes(orjson.dumps(golden, option=READABLE))


if __name__ == "__main__":
    write()
