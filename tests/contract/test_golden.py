"""What was once sent stays readable, and no contract changes by accident."""

from __future__ import annotations

import pytest

from shared.contract.codec import decode
from shared.contract.message import Message
from shared.contract.registry import REGISTRY, Registered, schema_uri
from tests.support import golden
from tests.support.records import binary, structured

VERSIONS = [
    pytest.param(registered, version, id=f"{registered.name}-{version}")
    for registered in REGISTRY
    for version in range(1, registered.version + 1)
]
NEWEST = [pytest.param(registered, id=registered.name) for registered in REGISTRY]


def test_every_type_and_version_has_a_golden_file_and_there_is_no_other() -> None:
    expected = {
        golden.path(registered.name, version).name
        for registered in REGISTRY
        for version in range(1, registered.version + 1)
    }
    assert {file.name for file in golden.FOLDER.iterdir()} == expected


@pytest.mark.parametrize(("registered", "version"), VERSIONS)
def test_what_was_sent_in_any_version_is_read_as_the_newest(
    registered: Registered, version: int
) -> None:
    for example in golden.read(registered.name, version)["examples"]:
        for make in (binary, structured):
            record = make(registered.name, example, dataschema=schema_uri(registered.name, version))
            message = decode(record)
            assert isinstance(message, Message), message.detail
            assert type(message.data) is registered.model
            assert message.surplus == ()


@pytest.mark.parametrize("registered", NEWEST)
def test_a_contract_changes_only_together_with_its_golden_file(registered: Registered) -> None:
    stored = golden.read(registered.name, registered.version)["schema"]
    assert golden.schema(registered) == stored, "meant? then run python -m tests.support.golden"


@pytest.mark.parametrize("registered", NEWEST)
def test_examples_show_every_field_and_do_without_each_optional_one(
    registered: Registered,
) -> None:
    examples = golden.read(registered.name, registered.version)["examples"]
    fields = registered.model.model_fields
    shown = set().union(*examples)
    always = set(fields).intersection(*(example.keys() for example in examples))
    assert shown == set(fields)
    assert always == {name for name, field in fields.items() if field.is_required()}
