"""Dashboard and alerts are made of metrics that services have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from services.audit.handlers import witnesses
from services.cli.processes import PROCESSES
from services.retention.handlers import periodic
from tests.conftest import ROOT
from tests.support.metrics import exposed_names

OWN_METRICS = (witnesses, periodic)
"""Modules of services that have metrics of their own: loaded, they are among those exposed."""

PROMETHEUS = ROOT / "deploy" / "prometheus"
# What Prometheus says itself of a process that it scrapes.
OF_PROMETHEUS = {"up"}
# Labels that the scrape gives every metric, beside its own.
OF_THE_SCRAPE = {"job", "service", "process"}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "steward.json").read_text("utf-8"))
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


def of_dashboard() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def of_alerts() -> list[str]:
    return [rule["expr"] for rule in rules()]


def selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    """Every metric that an expression reads. Raises ValueError for what is no PromQL."""
    if isinstance(node, str):
        node = promql_parser.parse(node)
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, part, None)
        if inner is not None:
            yield from selectors(inner)
    for argument in getattr(node, "args", None) or []:
        yield from selectors(argument)


def names(expressions: list[str]) -> set[str]:
    return {one.name for text in expressions for one in selectors(text) if one.name}


def test_the_search_goes_into_every_part_of_an_expression() -> None:
    text = 'a / sum by (x) (rate(b{c="d"}[5m])) > max_over_time((e - 1)[1h:1m]) or topk(3, -f)'
    assert names([text]) == {"a", "b", "e", "f"}
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        names(["sum by ("])


def test_alerts_and_dashboard_read_only_what_services_tell() -> None:
    assert names(of_alerts()) - exposed_names() - OF_PROMETHEUS == set()
    assert names(of_dashboard()) - exposed_names() - OF_PROMETHEUS == set()


def test_the_dashboard_shows_every_metric_of_ours() -> None:
    ours = {name for name in exposed_names() if name.startswith("steward_")}
    assert ours - names(of_dashboard()) == set()


def test_an_alert_names_only_labels_that_its_expression_has() -> None:
    for rule in rules():
        text = " ".join(rule["annotations"].values())
        used = set(re.findall(r"\$labels\.(\w+)", text))
        kept = re.search(r"\b(?:sum|max) by \(([\w, ]+)\)", rule["expr"])
        known = OF_THE_SCRAPE | {"loop"} if kept is None else set(kept.group(1).split(", "))
        assert used, rule["alert"]
        assert used <= known, rule["alert"]


def test_every_rule_says_how_urgent_it_is() -> None:
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}


def test_panels_stand_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & taken, panel["title"]
        taken |= squares
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_targets_in_containers_are_the_processes_of_the_compose_file() -> None:
    targets = json.loads((PROMETHEUS / "targets.compose.json").read_text("utf-8"))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert [target["labels"] for target in targets] == [
        {"service": spec.service, "process": spec.name} for spec in PROCESSES
    ]
    for target, spec in zip(targets, PROCESSES, strict=True):
        name, _, port = target["targets"][0].partition(":")
        assert name == spec.name
        assert compose[name]["command"] == ["run", spec.service]
        assert compose[name]["environment"].get("STEWARD_HEARS", "all") == spec.hears
        assert any(published.endswith(f":{port}") for published in compose[name]["ports"])


def test_in_containers_whatever_people_wait_for_has_the_larger_share() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    usual = 1024
    shares = {name: one.get("cpu_shares", usual) for name, one in compose.items()}
    gives_way = {spec.name for spec in PROCESSES if spec.hears != "urgent"}
    assert {name for name, share in shares.items() if share < usual} == gives_way


def test_the_scrape_reads_these_rules() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    assert configuration["rule_files"] == ["alerts.yml"]
    (scrape,) = configuration["scrape_configs"]
    assert scrape["job_name"] == "steward"
    assert 'job="steward"' in " ".join(of_alerts())


def fire(tests: list[dict[str, Any]]) -> set[str]:
    """Alerts of which a test demands that they fire: by name, or by what is told of all."""
    found: set[str] = set()
    for test in tests:
        for one in test.get("alert_rule_test", []):
            found |= {one["alertname"]} if one["exp_alerts"] else set()
        for one in test.get("promql_expr_test", []):
            if 'alertstate="firing"' in one["expr"]:
                labels = " ".join(sample["labels"] for sample in one["exp_samples"])
                found.update(re.findall(r'alertname="(\w+)"', labels))
    return found


def test_each_alert_has_a_test_that_it_fires() -> None:
    silent = {"alertname": "Silent", "exp_alerts": []}
    assert fire([{"alert_rule_test": [silent, silent | {"exp_alerts": [{}]}]}]) == {"Silent"}
    assert fire([{"alert_rule_test": [silent]}]) == set()
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text("utf-8"))["tests"]
    assert {rule["alert"] for rule in rules()} - fire(tests) == set()


def promtool(*arguments: str) -> None:
    """Run in the folder of the rules; it has to be content."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    promtool(*arguments)


@needs_promtool
@pytest.mark.parametrize(("ready", "not_ready"), [("_", 3), ("1", 2), ("0", 3)])
def test_a_process_that_tells_nothing_counts_as_not_ready(
    ready: str, not_ready: int, tmp_path: Path
) -> None:
    """One tells `ready`, one was killed, one is stuck: these two have no sample."""
    (panel,) = (one for one in panels() if one["title"] == "Processes not ready")
    (target,) = panel["targets"]
    expression = target["expr"].replace("$service", ".*")
    series = [
        {"series": f'up{{job="steward", service="audit", process="audit-{number}"}}', "values": up}
        for number, up in enumerate(("1", "0", "0"))
    ]
    told = {"series": 'steward_ready{service="audit", process="audit-0"}', "values": ready}
    sample = {"labels": "{}", "value": not_ready}
    shown = {"expr": expression, "eval_time": "0s", "exp_samples": [sample]}
    test = {"interval": "15s", "input_series": [*series, told], "promql_expr_test": [shown]}
    document = tmp_path / "test.yml"
    document.write_text(yaml.safe_dump({"tests": [test]}), "utf-8")
    promtool("test", "rules", str(document))
