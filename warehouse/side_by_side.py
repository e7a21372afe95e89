"""All models of a run beside each other: what each credits to the same rows."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bizops.database import Connection
from bizops.models import MODELS, PUBLISHED
from warehouse.figures import Row, rank
from warehouse.formats import amount, describe_run, harmless, key_cells, printable
from warehouse.observe import NOTHING, ask
from warehouse.question import KEYS, Question
from warehouse.report import Report, Run, limited, read_run, report

__all__ = ["SideBySide", "side_by_side"]

FIGURES = ("attributed_conversions", "attributed_iacv")


@dataclass(frozen=True)
class SideBySide:
    """The same question answered by each model.

    Attributes
    ----------
    reports
        By model, in the order of :data:`MODELS`.
    rows
        What any of them has a row of, in the order of the first model's report.
    left_out
        Rows that the question's limit has cut off.
    """

    question: Question
    reports: dict[str, Report]
    rows: list[Row]
    left_out: int

    @property
    def run(self) -> Run:
        """The run that all of them are of."""
        return next(iter(self.reports.values())).run

    def as_json(self) -> str:
        """A JSON array of one object a row, in which each figure is an object of means by model."""
        return json.dumps(list(self._records()), indent=2, ensure_ascii=False)

    def as_csv(self) -> str:
        """CSV with a column a figure and model; what is not known is empty."""
        text = io.StringIO()
        columns = [f"{figure}_{model}" for figure in FIGURES for model in self.reports]
        named = [*KEYS[self.question.by], "period_start"]
        writer = csv.DictWriter(text, [*named, *columns, "currency", "run_id"], lineterminator="\n")
        writer.writeheader()
        for record in self._records():
            for figure in FIGURES:
                means = record.pop(figure)
                record |= {f"{figure}_{model}": mean for model, mean in means.items()}
            writer.writerow({name: harmless(value) for name, value in record.items()})
        return text.getvalue()

    def as_table(self, *, width: int) -> str:
        """IACV by as many models as fit into ``width`` columns of text, and a line on the run."""
        console = Console(width=width, color_system=None, file=io.StringIO(), emoji=False)
        endless = console.options.update(max_width=10_000)
        models, left_out = list(self.reports), list[str]()
        table = self._table(models)
        while len(models) > 1 and Measurement.get(console, endless, table).maximum > width:
            left_out.insert(0, models.pop())
            table = self._table(models)
        with console.capture() as captured:
            console.print(table)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        notes = ["", "IACV by model; conversions too with --format json"]
        notes += [f"{self.left_out:,} more rows: without --limit"] if self.left_out else []
        if left_out:
            notes.append(f"More models than fit: {', '.join(left_out)}; all with --format json")
        return "\n".join([*lines, *notes, printable(describe_run(self.run))])

    def _table(self, models: list[str]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        by_period = self.question.period != "all"
        names = KEYS[self.question.by]
        for name in (*(["period_start"] if by_period else []), *names):
            title = name.removesuffix("_id").removeprefix("account_").removesuffix("_start")
            table.add_column(title.capitalize(), no_wrap=True, max_width=28)
        for model in models:
            table.add_column(model.replace("_", "\n").capitalize(), justify="right")
        for record in self._records():
            cells = [record["period_start"] or ""] if by_period else []
            cells += [printable(record[name]) for name in names]
            cells += [amount(record["attributed_iacv"][model]) for model in models]
            table.add_row(*map(Text, cells))
        return table

    def _records(self) -> Iterator[dict[str, Any]]:
        found = {
            model: {row.group: row for row in answer.rows} for model, answer in self.reports.items()
        }
        for row in self.rows:
            names = KEYS[self.question.by]
            record: dict[str, Any] = dict(zip(names, key_cells(self.question, row), strict=True))
            record["period_start"] = row.group.start.isoformat() if row.group.start else None
            for figure in FIGURES:
                estimates = {
                    model: getattr(rows.get(row.group), figure, None) or NOTHING
                    for model, rows in found.items()
                }
                record[figure] = {model: value.mean for model, value in estimates.items()}
            yield record | {"currency": row.currency, "run_id": self.run.run_id}


def side_by_side(connection: Connection, question: Question) -> SideBySide:
    """Answer ``question`` by every model that the published run has credit of.

    Parameters
    ----------
    question
        Its model does not matter.

    Raises
    ------
    UsageError, ServiceError
        As :func:`warehouse.report.report`.
    """
    credited = ask(connection, "credited_models", {"run_id": read_run(connection).run_id})
    models = [name for name in MODELS if (name,) in credited] or list(PUBLISHED)
    reports = {
        name: report(connection, replace(question, model=name, limit=None)) for name in models
    }
    first, *others = reports.values()
    rows = {row.group: replace(row, attributed_iacv=None) for other in others for row in other.rows}
    rows |= {row.group: row for row in first.rows}
    kept, left_out = limited(sorted(rows.values(), key=rank), question.limit)
    return SideBySide(question, reports, kept, left_out)
