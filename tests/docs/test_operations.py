"""The page for operators says everything that a service can say, and nothing that it cannot."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import yaml

from services.cli.schemas import SERVICES
from shared.contract.audit import CHECKPOINTS
from shared.contract.audit import TOPIC as AUDIT
from shared.contract.topics import TOPICS
from shared.local.process import MARKER_VARIABLE
from shared.runtime.metrics import DEAD_LETTERS, REASONS
from shared.runtime.settings import SettingsBase, TopicSettings, variable_of
from tests.conftest import ROOT
from tests.support.metrics import exposed_names

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
HEADINGS = re.findall(r"^#{2,3} (.+)$", PAGE, re.MULTILINE)
TOLD = {"warning", "error", "exception", "critical"}
FAULTS = {"Fault", "FormFault", "Permanent", "NoEntryError"}
HALTS = {"Halted", "Refused", "KeyUnavailableError"}


def sources() -> Iterator[Path]:
    for folder in ("shared", "services"):
        yield from (ROOT / folder).rglob("*.py")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of our own code, with the name that is called."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.func.attr, node
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield node.func.id, node


def is_of_logger(call: ast.Call) -> bool:
    """`_log.error(…)`, `log.critical(…)`."""
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(of, ast.Name) and of.id in ("_log", "log")


def texts(node: ast.expr) -> list[str]:
    """The parts of a text that are always the same."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value.strip()]
    if isinstance(node, ast.JoinedStr):
        return [text for part in node.values for text in texts(part) if len(text) > 3]
    return []


def logged() -> set[str]:
    return {
        text
        for name, call in calls()
        if name in TOLD and is_of_logger(call)
        for text in texts(call.args[0])
    }


def missing() -> set[str]:
    """What may stand in `/readyz`."""
    return {
        text
        for name, call in calls()
        if (name == "missing" or name in HALTS) and call.args
        for text in texts(call.args[-1])
    }


def last_words() -> set[str]:
    """How lines begin that are not of the log: those of a process that an error ended."""
    tree = ast.parse((ROOT / "services" / "cli" / "failures.py").read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    (told,) = (node for node in functions if node.name == "_of_servers")
    said = [node.value for node in ast.walk(told) if isinstance(node, ast.Return) and node.value]
    return {texts(value)[0] for value in said if texts(value)}


def reasons() -> set[str]:
    """Of dead letters."""
    found = set()
    for name, call in calls():
        if name in FAULTS and call.args:
            found.update(texts(call.args[0]))
        elif name == "dead_letter" and len(call.args) > 1:
            found.update(texts(call.args[1]))
    return found


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_search_finds_what_is_known_to_be_there() -> None:
    assert "a loop failed" in logged()
    assert {"Kafka cannot be used", "does not answer", "waits for the database"} <= missing()
    assert {"handler_failed", "field_missing", "vat_class_unknown"} <= reasons()
    assert len(last_words()) == 5


@pytest.mark.parametrize("text", sorted(logged() | {"a library logged an error"}))
def test_every_line_that_a_service_logs_as_wrong_is_explained(text: str) -> None:
    assert f"| `{text}` |" in PAGE


@pytest.mark.parametrize("text", sorted(last_words()))
def test_every_line_that_is_of_no_log_is_explained(text: str) -> None:
    assert f"| `steward: {text}" in PAGE


@pytest.mark.parametrize("text", sorted(missing() | {"not heard from for", "it does not answer"}))
def test_every_reason_for_not_being_ready_is_explained(text: str) -> None:
    assert re.search(rf"`[^`]*{re.escape(text)}[^`]*`", PAGE)


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_of_a_dead_letter_is_explained(reason: str) -> None:
    assert f"`{reason}`" in PAGE.split("## Dead letters")[1]


def test_every_reason_of_a_dead_letter_is_told_as_a_figure_from_the_start() -> None:
    """All but `parked`, which waits behind one."""
    table = PAGE.split("| reason | usual cause |\n")[1].split("\n\n")[0]
    explained = {
        reason for row in table.splitlines() for reason in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert explained == {*REASONS, "parked"}
    assert reasons() <= explained
    assert {
        sample.labels["reason"]
        for family in DEAD_LETTERS.collect()
        for sample in family.samples
        if sample.name == "steward_dead_letters_total"
    } >= set(REASONS)


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
    alerts = {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}
    sections = {heading for heading in HEADINGS if heading.startswith("Steward")}
    assert set(alerts) == sections
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{anchor(name)}"
        assert f"### {name}\n\n*{rule['labels']['severity']}.*" in PAGE


def test_every_metric_of_ours_is_explained() -> None:
    ours = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in exposed_names()
        if name.startswith("steward_")
    }
    assert {name for name in ours if f"`{name}`" not in PAGE} == set()


def settings_of_services() -> Iterator[type[SettingsBase]]:
    for service in SERVICES:
        yield importlib.import_module(f"services.{service}.settings").Settings


@pytest.mark.parametrize("settings", [TopicSettings, *settings_of_services()])
def test_every_variable_is_explained(settings: type[SettingsBase]) -> None:
    variables = {variable_of(settings, field) for field in settings.model_fields}
    assert {name for name in variables if f"`{name}`" not in PAGE} == set()


def test_every_variable_that_is_read_beside_settings_is_explained() -> None:
    named = {
        name
        for path in sources()
        for name in re.findall(r'"(STEWARD_[A-Z_]+)"', path.read_text("utf-8"))
    }
    assert {"STEWARD_HOME", "STEWARD_CACHE"} <= named
    of_the_supervisor = {MARKER_VARIABLE}
    assert {name for name in named if f"`{name}`" not in PAGE} == of_the_supervisor


def test_every_link_inside_the_page_leads_somewhere() -> None:
    anchors = {anchor(heading) for heading in HEADINGS}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - anchors == set()


async def test_postgresql_understands_what_it_is_to_be_asked(
    database: str,
) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    text = "".join(blocks).replace("PID", "1")
    statements = [one for one in text.split(";\n") if one.strip()]
    assert len(statements) == 5
    connection = await asyncpg.connect(database)
    try:
        for statement in statements:
            await connection.prepare(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "injury",
    [
        "A service died",
        "Kafka is away",
        "A broker of three is away",
        "PostgreSQL is away",
        "The network is bad",
        "A rebalance does not end",
        "A stuck process",
        "A gap",
        "A full disk",
        "A restored backup",
        "Everything was sent twice",
        "Hostile or broken input",
    ],
)
def test_every_injury_has_a_section_of_its_own_with_more_than_a_heading(injury: str) -> None:
    section = PAGE.split(f"### {injury}\n")[1].split("\n#")[0]
    assert len(section) > 200


def test_after_an_older_backup_all_topics_are_made_anew_but_those_of_the_log() -> None:
    section = PAGE.split("### A restored backup\n")[1].split("\n### ")[0]
    (named,) = re.findall(r"for topic in (.+); do\n", section)
    assert set(named.split()) == {spec.name for spec in TOPICS} - {AUDIT, CHECKPOINTS}
