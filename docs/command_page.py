"""Write docs/commands.md from the commands' own help.

Run with ``make map``. A test fails where the page and the commands differ.
"""

from pathlib import Path
from typing import Any

import click
import typer.main

from bizops.cli import app

PAGE = Path(__file__).with_name("commands.md")
HEAD = """# Commands

Every command has `--help`, ends with a code other than 0 and one sentence on an error, and speaks
JSON with `--format json` where it prints data. `BIZOPS_HOME` says where local state is kept
(`.bizops` unless told); `BIZOPS_KAFKA` and `BIZOPS_DATABASE_URL` name services to use instead of
local ones.
"""


def commands(group: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All commands by their words, those of groups included."""
    found: dict[tuple[str, ...], Any] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            found |= commands(command, (*path, name))
        else:
            found[*path, name] = command
    return found


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for path, command in commands(typer.main.get_command(app)).items():
        help_text = (command.help or "").strip()
        told, _, example = help_text.rpartition("Example: ")
        parts.append(
            f"## `bizops {' '.join(path)}`\n\n{told.strip()}\n\n```\n{example.strip()}\n```\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
