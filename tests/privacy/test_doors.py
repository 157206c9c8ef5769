"""There is no way to personal data but `use()` and `disclose()`: the tree is searched for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.privacy.ways import OPENERS, Way, ways_in_python, ways_in_sql

ROOT = Path(__file__).parents[2]
DOORS = ROOT / "shared" / "privacy"
SEARCHED = ("services", "shared", "examples", "bench", "deploy")

_HANDS_OVER: Final = "the key goes from where it is kept to privacy, and no further"
_SEALS_AGAIN: Final = "what is opened is sealed again in the same transaction, and shown to nobody"
_WHOLE_RECORD: Final = "a message that was put aside is handled: it is decoded as if it came now"
_FILLS: Final = "makes rows without content, to measure among many; opens nothing"

_DEFINED: Final = re.compile(
    r"^\s*(?:(?:async )?def |class |create (?:or replace )?function (?:\w+\.)?"
    r"|(?=\w+: SecretStr))(\w+)",
    re.MULTILINE,
)

ALLOWED: Mapping[tuple[str, str], str] = {
    ("shared/runtime/settings.py", "key_encryption_key"): _HANDS_OVER,
    ("shared/runtime/key_source.py", "key_encryption_key"): _HANDS_OVER,
    ("shared/runtime/key_source.py", "key_encryption_keys"): _HANDS_OVER,
    ("shared/runtime/secrets.py", "key_encryption_keys"): "makes sure that there is one",
    ("shared/assembly.py", "import shared.privacy.key_sources"): _HANDS_OVER,
    ("shared/assembly.py", "import shared.privacy.wrapping"): _HANDS_OVER,
    ("shared/contract/audit.py", "key_encryption_key"): "the id of a key, in an entry",
    ("services/cli/migration.py", "import shared.privacy.key_sources"): (
        "only the ids of keys are compared"
    ),
    ("services/cli/keys/checking.py", "import shared.privacy.key_sources"): _HANDS_OVER,
    ("services/cli/keys/checking.py", "import shared.privacy.wrapping"): _HANDS_OVER,
    ("services/cli/keys/rotating.py", "import shared.privacy.key_sources"): _HANDS_OVER,
    ("services/cli/keys/rotating.py", "key_encryption_key"): "the id of a key, in an entry",
    ("services/registration/handlers/delivering.py", "reveal"): (
        "writes the list that `disclose()` has released to its recipient"
    ),
    ("services/registration/handlers/reading.py", "reveal"): (
        "shows a member of staff what `show()` has recorded as read"
    ),
    ("services/registration/handlers/change.py", "reveal"): _SEALS_AGAIN,
    ("services/finance/handlers.py", "reveal"): _SEALS_AGAIN,
    ("services/registration/handlers/waiting.py", "open_records"): _WHOLE_RECORD,
    ("shared/messaging/redrive.py", "open_records"): _WHOLE_RECORD,
    ("bench/ceilings.py", "import cryptography.hazmat.primitives.ciphers.aead.AESGCM"): (
        "measures the cipher alone, with keys and contents of its own"
    ),
    ("bench/ceilings.py", "AESGCM"): "measures the cipher alone",
    ("bench/filling.py", "keyring.subject in SQL"): _FILLS,
    ("bench/filling.py", "keyring.alias in SQL"): _FILLS,
    ("bench/filling.py", "keyring.data_key in SQL"): _FILLS,
    ("bench/keys.py", "keyring.data_key in SQL"): "counts the keys of a full ring",
    ("bench/keys.py", "import shared.privacy.keyring"): "measures how fast keys are destroyed",
}
"""Where it is done outside of `shared/privacy` all the same, and why that opens nothing to anybody.
"""


def found() -> Iterator[Way]:
    for folder in SEARCHED:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_relative_to(DOORS):
                continue
            if path.suffix == ".py":
                yield from ways_in_python(name, path.read_text("utf-8"))
            elif path.suffix == ".sql":
                yield from ways_in_sql(name, path.read_text("utf-8"))


FOUND = tuple(found())


def test_nothing_outside_privacy_opens_or_gets_keys_or_shows_what_is_opened() -> None:
    assert [way for way in FOUND if way.place not in ALLOWED] == []


def test_what_is_looked_for_is_what_the_code_calls_it() -> None:
    defined = {
        name
        for path in (ROOT / "shared").rglob("*")
        if path.suffix in (".py", ".sql")
        for name in _DEFINED.findall(path.read_text("utf-8"))
    }
    assert defined >= OPENERS


def test_every_exception_is_needed() -> None:
    assert {way.place for way in FOUND} >= ALLOWED.keys()


@pytest.mark.parametrize(
    "source",
    [
        "from shared.privacy.sealing import open_bytes as fine",
        "from shared.privacy import keyring",
        "import shared.privacy.opening",
        "from shared.privacy.privacy import KeyWrapper",
        "from shared.privacy import privacy\nprivacy.seal_bytes",
        "import importlib\nimportlib.import_module('shared.privacy.sealing')",
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
        "import cryptography.fernet",
        "from cryptography.hazmat.primitives import ciphers",
        "def write(opened):\n    return opened.reveal()",
        "def write(opened):\n    return (\n        opened\n        .reveal\n    )()",
        "getattr(opened, 'reveal')()",
        "async def f(privacy):\n    await privacy.open_records(1, 2)",
        "wrapper.unwrap(key_id, wrapped)",
        "SecretsFolder(path).key_encryption_keys()",
        "from shared.runtime.key_source import read_key_encryption_keys as fine",
        "wrapper = KeyWrapper(b'')",
        "connection.fetch('select wrapped from keyring.data_key')",
        "connection.fetch(f'select * from {schema}.open_keys($1, $2)')",
        "QUERY = '''set search_path to keyring; select * from open_record_keys($1)'''",
    ],
)
def test_each_way_round_the_doors_is_found(source: str) -> None:
    assert list(ways_in_python("services/somewhere.py", source))


@pytest.mark.parametrize(
    "statement",
    [
        "select key_id from keyring.open_keys(:purpose, :key_ids);",
        "select * from make_keys(1);  -- found by its search path",
        "select wrapped from data_key;",
    ],
)
def test_each_statement_that_reaches_keys_is_found(statement: str) -> None:
    assert list(ways_in_sql("services/queries.sql", statement))


def test_what_opens_nothing_is_not_found() -> None:
    source = (
        '"""Opened by `open_keys` of keyring.data_key: `reveal()`."""\nimport shared.privacy.plan'
    )
    assert list(ways_in_python("services/somewhere.py", source)) == []
    assert list(ways_in_sql("services/queries.sql", "-- the keyring.data_key of it")) == []


@pytest.mark.parametrize("path", sorted(DOORS.rglob("*.sql")), ids=lambda path: path.name)
def test_functions_that_run_as_the_owner_have_a_fixed_search_path(path: Path) -> None:
    text = path.read_text("utf-8")
    functions = re.findall(r"create (?:or replace )?function .*? as \$\$", text, re.DOTALL)
    # The keyring's do; one in a service's schema may do only what its caller may.
    declared = [head for head in functions if path.parent.name == "keyring" or "definer" in head]
    assert all("set search_path = keyring, pg_temp" in head for head in declared)
    assert all("security definer" in head for head in declared)
    assert "execute format" not in text or path.parent.name == "service"
