"""The dictionary of metrics is one: the seed, the page written from it, and the SQL."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from warehouse.transform import PROJECT

ROOT = Path(__file__).parents[2]
INTERMEDIATE = PROJECT / "models" / "intermediate"
EVENT_KIND = re.compile(r"^    '([a-z_]+(?::[a-z_]+)?)': \('", re.MULTILINE)
FACT = re.compile(r"fact\(\s*'([a-z_0-9]+)'")
SNAPSHOT = re.compile(r"'([a-z_0-9]+)'(?: as metric)?,\n\s+(?:''|experiment_id)")


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metric_page", ROOT / "docs" / "metric_page.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_dictionary_says(page: ModuleType) -> None:
    text = page.PAGE.read_text()
    assert text == page.with_tables(text), "run `make map`"


def test_the_sql_makes_the_metrics_that_the_dictionary_names(page: ModuleType) -> None:
    snapshots = {m["metric"] for m in page.dictionary() if m["aggregation"] == "snapshot"}
    facts = {m["metric"] for m in page.dictionary()} - snapshots
    assert named_in("*_facts.sql", FACT) == facts
    assert named_in("*_snapshots.sql", SNAPSHOT) == snapshots


def test_every_department_has_a_mart(page: ModuleType) -> None:
    """dbt's own tests hold that the mart's rows are of the department's metrics, and of each."""
    departments = {metric["department"] for metric in page.dictionary()}
    marts = (PROJECT / "models" / "marts").glob("*_metrics.sql")
    assert {mart.stem.removesuffix("_metrics") for mart in marts} == departments


def test_what_metrics_need_is_looked_for(page: ModuleType) -> None:
    kinds = set(EVENT_KIND.findall((INTERMEDIATE / "metrics" / "int_event_kinds.sql").read_text()))
    needed = {kind for metric in page.dictionary() for kind in metric["needs"].split()}
    assert needed == kinds


def test_every_model_of_a_metric_is_tested_by_hand() -> None:
    """What is only looked for is not: whether there are events of a kind."""
    folders = ("metrics", "sales", "marketing", "finance", "people", "engineering", "product")
    for model in (file for folder in folders for file in (INTERMEDIATE / folder).glob("*.sql")):
        if model.stem != "int_event_kinds":
            assert "unit_tests:" in model.with_suffix(".yml").read_text(), model.stem


def named_in(files: str, pattern: re.Pattern[str]) -> set[str]:
    texts = [file.read_text() for file in INTERMEDIATE.rglob(files)]
    return {name for text in texts for name in pattern.findall(text)}
