"""``bizops roles``: who may do what in the database."""

from pathlib import Path
from typing import Annotated

import typer

from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(roles)


def roles(
    create_logins: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Make a login of each role too, or give it a new password; the URLs go to FILE.",
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make the database's roles, with no more rights than each needs; harmless to repeat.

    Roles cannot log in themselves: grant one to whoever does its work, or let --create-logins make
    logins. docs/security.md says which command needs which role.

    Example: bizops roles --create-logins passwords.txt
    """
    from bizops.cli.database import migrated_database
    from bizops.database import opened
    from warehouse import roles as database_roles
    from warehouse.rights import RIGHTS, ROLES

    database_url = migrated_database(Settings.from_environment())
    with opened(database_url, application="bizops-roles") as connection:
        new = database_roles.make_roles(connection)
        logins = database_roles.create_logins(connection, create_logins) if create_logins else []
    if form is Format.JSON:
        print_json({"new": new, "logins": logins, "rights": [vars(right) for right in RIGHTS]})
        return
    rows = []
    for role, purpose in ROLES.items():
        mine = [right for right in RIGHTS if right.role == role]
        for number, privileges in enumerate(dict.fromkeys(right.privileges for right in mine)):
            on = [
                f"{right.schema}.{right.relation}{' (some columns)' if right.columns else ''}"
                for right in mine
                if right.privileges == privileges
            ]
            what = ", ".join(on)
            rows.append(("" if number else role, ", ".join(privileges), what))
        typer.echo(f"{role:<17} {purpose}")
    typer.echo("")
    print_table(("role", "may", "on"), rows)
    if logins:
        typer.echo(f"{len(logins)} logins; their URLs, with passwords, are in {create_logins}")
