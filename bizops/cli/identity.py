"""`bizops identity`: who is who, why, and taking it back."""

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bizops.cli.database import migrated_database
from bizops.cli.printing import Format, FormatOption, print_json, print_table
from bizops.settings import Settings

if TYPE_CHECKING:
    from streams.persons import Conflicts, Person

__all__ = ["register"]

NameArgument = Annotated[
    str,
    typer.Argument(help="KIND:VALUE, such as email:ada@acme.com, or a value that only one has."),
]
ReasonOption = Annotated[str | None, typer.Option(help="Why, for whoever looks later.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command()(show)
    group.command()(conflicts)
    group.command()(unmerge)
    group.command()(merge)
    group.command()(refresh)
    app.add_typer(group, name="identity", help="Who is who, why, and taking it back.")


def show(name: NameArgument, form: FormatOption = Format.TABLE) -> None:
    """Show a person: identifiers, the facts that join them with their causes, and the account.

    Example: bizops identity show email:ada@acme.com
    """
    from bizops.database import opened
    from streams.persons import find_identifier, read_person

    url = migrated_database(Settings.from_environment())
    with opened(url) as connection, connection.cursor() as cursor:
        person = read_person(cursor, find_identifier(cursor, name))
    if form is Format.JSON:
        print_json(asdict(person))
    else:
        _print_person(person)


def _print_person(person: "Person") -> None:
    account = "none is known" if person.account_id is None else person.account_id
    print(f"person {person.person_id}")
    print(f"account: {account}" + (f" ({person.rule})" if person.rule else ""))
    print_table(
        ("identifier", "note"),
        [(i.name, "shared by several people" if i.shared else "") for i in person.identifiers],
    )
    if person.facts:
        print()
    rows = [
        (
            f"{fact.first_at:%Y-%m-%d %H:%M}",
            f"{fact.lower} {'=' if fact.equal else '->'} {fact.higher}",
            f"event {fact.event_id} of {fact.source}" if fact.event_id else f"{fact.decided_by}",
            "stands" if fact.stands else "cut",
        )
        for fact in person.facts
    ]
    print_table(("since (UTC)", "fact", "first said by", ""), rows)
    claims = [
        (c.account_id, c.rule, c.identifier, f"event {c.event_id}" if c.event_id else "")
        for c in person.claims
    ]
    if claims:
        print()
        print_table(("account", "rule", "identifier", "first said by"), claims)
    for note in person.notes:
        print(f"note: {note}")


def conflicts(
    limit: Annotated[int, typer.Option(min=1, help="How many of each sort, worst first.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """List what is for review: shared identifiers, people of several accounts, shared domains.

    Example: bizops identity conflicts --limit 50 --format json
    """
    from bizops.database import opened
    from streams.persons import read_conflicts

    url = migrated_database(Settings.from_environment())
    with opened(url) as connection, connection.cursor() as cursor:
        found = read_conflicts(cursor, limit)
    if form is Format.JSON:
        print_json(asdict(found))
    else:
        _print_conflicts(found)


def _print_conflicts(found: "Conflicts") -> None:
    rows = [
        (row["identifier"], f"leads to {row['leads_to']} people", row["account_id"] or "no account")
        for row in found.shared
    ]
    rows += [
        (row["person"], f"linked to {len(row['accounts'])} accounts", ", ".join(row["accounts"]))
        for row in found.persons
    ]
    rows += [
        (row["web_domain"], f"of {len(row['accounts'])} accounts", ", ".join(row["accounts"]))
        for row in found.domains
    ]
    if rows:
        print_table(("what", "conflict", "accounts"), rows)
    else:
        print("nothing is in conflict")


def unmerge(one: NameArgument, other: NameArgument, reason: ReasonOption = None) -> None:
    """Cut what makes one person of two identifiers; saying it again does not bring it back.

    Example: bizops identity unmerge anonymous:V17 email:ada@acme.com --reason "shared laptop"
    """
    from bizops.database import opened
    from streams.decisions import unmerge

    url = migrated_database(Settings.from_environment())
    with opened(url) as connection, connection.cursor() as cursor:
        cut = unmerge(cursor, one, other, by=getpass.getuser(), reason=reason)
    for fact in cut:
        print(f"cut: {fact.lower} {'=' if fact.equal else '->'} {fact.higher}")
    print("to take it back: bizops identity merge")


def merge(one: NameArgument, other: NameArgument, reason: ReasonOption = None) -> None:
    """Take back the last cut between two identifiers, or state that they are one person's.

    Example: bizops identity merge anonymous:V17 email:ada@acme.com
    """
    from bizops.database import opened
    from streams.decisions import merge

    url = migrated_database(Settings.from_environment())
    with opened(url) as connection, connection.cursor() as cursor:
        done = merge(cursor, one, other, by=getpass.getuser(), reason=reason)
    print("the cut is taken back" if done == "restored" else "merged; `unmerge` takes it back")


def refresh() -> None:
    """Derive who is who anew from the stored facts, after a change of the guards or a migration.

    Example: bizops identity refresh
    """
    from bizops.database import opened
    from streams.decisions import refresh

    url = migrated_database(Settings.from_environment())
    with opened(url) as connection, connection.cursor() as cursor:
        print(f"{refresh(cursor):,} identifiers lead to somebody else than before")
