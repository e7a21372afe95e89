"""What ``bizops doctor --data`` prints."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from bizops.cli.printing import Format, print_json, print_table
from bizops.settings import Settings

if TYPE_CHECKING:
    from warehouse.data_checks import DataReport, Finding

__all__ = ["examine_data"]


def examine_data(settings: Settings, currency: str | None, output: Format) -> bool:
    """Print what is wrong with the data; returns whether no figures are in doubt."""
    from rich.console import Console

    from bizops.database import opened
    from bizops.endpoints import find_database
    from warehouse.data_checks import check_data

    database_url = find_database(settings)
    with (
        Console(stderr=True).status("Looking at the data…"),
        opened(database_url, application="bizops-doctor") as connection,
    ):
        found = check_data(connection, now=datetime.now(UTC), currency=currency)
    if output is Format.JSON:
        checks = [_content(one) for one in found.findings]
        print_json({"ok": found.is_fine, "checks": checks, "left_out": found.left_out})
    else:
        _print(found)
    return found.is_fine


def _content(finding: "Finding") -> dict[str, Any]:
    content = {"verdict": finding.verdict} | asdict(finding)
    del content["check"]
    return asdict(finding.check) | content


def _print(found: "DataReport") -> None:
    columns = ("", "check", "found", "IACV in doubt", "share", "worst")
    print_table(columns, [_row(one) for one in found.findings])
    for one in found.findings:
        if one.count:
            spent = ", ".join(f"{amount:,.0f} {code}" for code, amount in one.spend.items())
            typer.echo(f"\n{one.check.name}: {one.check.meaning}")
            typer.echo(f"{one.check.remedy}{f' Spend: {spent}.' if spent else ''}")
    for sentence in found.left_out:
        typer.echo(f"\nNot looked at. {sentence}")


def _row(finding: "Finding") -> tuple[str, ...]:
    iacv = [one for one in finding.iacv if finding.count]
    return (
        finding.verdict,
        finding.check.name,
        f"{finding.count:,}",
        "\n".join(f"{one.iacv:,.0f} {one.currency}" for one in iacv),
        "\n".join(f"{one.share:.1%}" for one in iacv),
        "\n".join(
            f"{one.id}{f' ({one.name})' if one.name else ''}, {one.detail}"
            for one in finding.examples
        ),
    )
