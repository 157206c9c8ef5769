"""The document against the rules of AsyncAPI 3.0 that a reader of it relies on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from services.cli.contract import app
from shared.contract.asyncapi import document
from shared.contract.registry import REGISTRY
from shared.contract.services import SERVICES
from shared.contract.topics import TOPICS

Json = dict[str, Any]


@pytest.fixture(scope="module")
def written() -> Json:
    loaded: Json = orjson.loads(orjson.dumps(document("1.2.3")))
    return loaded


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(written: Json, reference: str) -> Json:
    assert reference.startswith("#/")
    found = written
    for part in reference[2:].split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere(written: Json) -> None:
    found = list(references(written))
    assert found
    for reference in found:
        assert isinstance(resolve(written, reference), dict)


def test_required_parts_are_there(written: Json) -> None:
    assert written["asyncapi"] == "3.0.0"
    assert written["info"]["title"]
    assert written["info"]["version"] == "1.2.3"
    assert all({"host", "protocol"} <= server.keys() for server in written["servers"].values())
    for operation in written["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["channel"].keys() == {"$ref"}


def test_names_of_components_are_of_the_allowed_form(written: Json) -> None:
    for components in written["components"].values():
        assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", name) for name in components)


def test_an_operation_names_only_messages_of_its_channel(written: Json) -> None:
    for operation in written["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_every_topic_is_a_channel_with_its_settings(written: Json) -> None:
    assert written["channels"].keys() == {spec.name for spec in TOPICS}
    for spec in TOPICS:
        binding = written["channels"][spec.name]["bindings"]["kafka"]
        assert binding["partitions"] == spec.partitions
        assert binding["topicConfiguration"] == {
            "cleanup.policy": ["delete"],
            "retention.ms": int(spec.settings["retention.ms"]),
            "max.message.bytes": 1_048_576,
        }


def test_every_type_has_headers_and_a_payload(written: Json) -> None:
    messages = written["components"]["messages"]
    for registered in REGISTRY:
        message = messages[registered.name]
        assert message["headers"]["properties"]["ce_type"] == {"const": registered.name}
        assert {"ce_id", "ce_source", "ce_type"} <= set(message["headers"]["required"])
        payload = resolve(written, message["payload"]["$ref"])
        assert payload["properties"].keys() == registered.model.model_fields.keys()


def test_what_upstream_sends_is_described_in_both_modes(written: Json) -> None:
    inbound = written["channels"]["inbound.registrations"]["messages"]
    assert {"EventAnnounced", "EventAnnounced.structured"} <= inbound.keys()
    message = written["components"]["messages"]["EventAnnounced.structured"]
    assert message["contentType"] == "application/cloudevents+json"
    assert message["payload"]["properties"]["type"] == {"const": "EventAnnounced"}


OF_THE_LOG = {"audit", "audit.checkpoints"}
"""No plan has to let a service say these: there is nothing personal in them."""


def test_services_hear_and_say_what_the_plan_lets_them() -> None:
    plan = tomllib.loads(Path("plan.toml").read_text("utf-8"))["services"]
    for service in SERVICES:
        assert set(plan[service.name].get("hears", ())) == set(service.hears)
        assert set(plan[service.name].get("says", ())) == set(service.says) - OF_THE_LOG


def test_the_command_writes_the_document_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "asyncapi.json"
    assert CliRunner().invoke(app, ["asyncapi", "--output", str(file)]).exit_code == 0
    printed = CliRunner().invoke(app, ["asyncapi"])
    assert printed.exit_code == 0
    assert orjson.loads(printed.stdout) == orjson.loads(file.read_bytes())


def test_a_file_that_cannot_be_written_is_said() -> None:
    result = CliRunner().invoke(app, ["asyncapi", "--output", "/nowhere/asyncapi.json"])
    assert result.exit_code == 1
    assert "/nowhere/asyncapi.json cannot be written" in result.stderr
