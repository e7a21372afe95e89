"""The page on operations, the alerts and the dashboard speak of what there is, and of all of it."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from faust.types import TP
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.health import ProbeLimits
from streams.metrics import Metrics
from streams.positions import Partition
from streams.watch import Watch

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
ALERTS = [
    rule
    for group in yaml.safe_load((DOCS / "operations" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((DOCS / "operations" / "grafana-dashboard.json").read_text())
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in ALERTS} | PANELS
NAME = re.compile(r"\b(?:bizops_stream|process)_[a-z_]+\b")
PARTS = ("_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """Names as Prometheus has them, each with its labels."""
    patient: Any = SimpleNamespace(retries=0, away_since=None, refusal="")
    metrics = Metrics()
    watch = Watch(patient, metrics, "", ProbeLimits())
    metrics.dead_letters.labels("touch", "invalid_json")
    watch.positions.by_partition = {TP("touches", 0): Partition()}
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


def base(name: str) -> str:
    return next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)


def test_the_page_has_every_metric_and_no_other(exposed: dict[str, set[str]]) -> None:
    histograms = {base(name) for name in exposed if name.endswith("_bucket")}
    there = {base(name) if base(name) in histograms else name for name in exposed}
    section = PAGE.partition("## Metrics")[2].partition("\n## ")[0]
    rows = {name for row in section.splitlines() if row[:3] == "| `" for name in NAME.findall(row)}
    assert rows == there
    assert set(NAME.findall(PAGE)) <= there


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_ask_for_what_there_is(name: str, exposed: dict[str, set[str]]) -> None:
    expression = EXPRESSIONS[name]
    used = NAME.findall(re.sub(r'"[^"]*"', "", expression))
    assert used, "it asks for nothing of ours"
    assert set(used) <= set(exposed)
    labels = {label for metric in used for label in exposed[metric]} | {"job", "instance"}
    for inside in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*=", inside)) <= labels
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(grouped.replace(" ", "").split(",")) <= labels
    depth = {"(": 0, "[": 0, "{": 0}
    closing = {")": "(", "]": "[", "}": "{"}
    for character in re.sub(r'"[^"]*"', "", expression):
        if character in depth:
            depth[character] += 1
        elif character in closing:
            depth[closing[character]] -= 1
            assert min(depth.values()) >= 0
    assert not any(depth.values())


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    entry = PAGE.partition(f"\n### {rule['alert']}\n")[2].partition("\n### ")[0]
    for word in ("**Means**", "**Do**" if "**Do**" in entry else "**do**"):
        assert word in entry


def test_the_runbook_has_no_entry_without_an_alert() -> None:
    entries = re.findall(r"^### (Stream\w+)$", PAGE, re.MULTILINE)
    assert sorted(entries) == sorted(rule["alert"] for rule in ALERTS)


def test_variables_that_the_page_names_are_read() -> None:
    source = "".join(path.read_text() for path in (DOCS.parent / "bizops").rglob("*.py"))
    for variable in set(re.findall(r"BIZOPS_\w+", PAGE)):
        assert variable in source, variable


def test_a_gap_found_before_the_first_scrape_is_told() -> None:
    """Prometheus sees no increase of a counter that is 1 when it is scraped first."""
    assert EXPRESSIONS["StreamOffsetGap"] == "sum by (type) (bizops_stream_offset_gaps_total) > 0"
