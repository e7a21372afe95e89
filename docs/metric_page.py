"""Write what docs/metrics.md says of the departments' metrics from the dictionary, a seed of dbt.

Run with ``make map``. A test fails where the page and the dictionary differ.
"""

import csv
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "metrics.md"
DICTIONARY = ROOT / "warehouse" / "dbt" / "seeds" / "metrics.csv"
START, END = "<!-- metrics of departments -->", "<!-- end of metrics of departments -->"
HEAD = """
| metric | unit | what it is | formula | aggregation | of each | target | needs |
|---|---|---|---|---|---|---|---|
"""


def dictionary() -> list[dict[str, str]]:
    """Every metric, as the seed has it."""
    with DICTIONARY.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables() -> str:
    """One table a department: what each metric is, and what it is made of."""
    parts = []
    for department, metrics in groupby(dictionary(), key=lambda metric: metric["department"]):
        rows = list(metrics)
        owner = rows[0]["owner"]
        parts.append(
            f"\n### {department.title()}\n\n"
            f"In `marts.{department}_metrics`; {owner} answers for it.\n"
            f"{HEAD}{''.join(map(_row, rows))}"
        )
    return "".join(parts)


def _row(metric: dict[str, str]) -> str:
    breakdown = f"; by {metric['breakdown']}" if metric["breakdown"] else ""
    needs = ", ".join(_kind(kind) for kind in metric["needs"].split())
    return (
        f"| `{metric['metric']}` | {metric['unit']} | {metric['definition']} | "
        f"{metric['formula']} | {metric['aggregation']} | {metric['grain']}{breakdown} | "
        f"{_target(metric)} | {needs} |\n"
    )


def _kind(kind: str) -> str:
    name, _, part = kind.partition(":")
    return f"{name} ({part})" if part else name


def _target(metric: dict[str, str]) -> str:
    direction = {"at_least": "≥", "at_most": "≤", "": ""}[metric["target_is"]]
    return f"{direction} {metric['target']}".strip() if metric["target"] else direction


def with_tables(text: str) -> str:
    """The page's text with its tables made anew."""
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
