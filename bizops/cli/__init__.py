"""The command line: the only place that knows all four stages.

Each module here adds the commands of one concern. Stages are imported inside the commands, so
that ``bizops --help`` does not wait for a compiler or a sampler to load.
"""

import sys

import typer

from bizops.cli import (
    attribute,
    curves,
    dead_letters,
    demo,
    identity,
    live,
    privacy,
    produce,
    replay,
    restate,
    roles,
    runs,
    services,
    signals,
    stream,
    trace,
    warehouse,
    worth,
)
from bizops.errors import BizopsError

__all__ = ["app", "main"]

app = typer.Typer(
    name="bizops",
    help="Which campaigns cause people to buy: from touch and revenue events to attributed IACV.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    demo,
    services,
    produce,
    stream,
    dead_letters,
    identity,
    replay,
    privacy,
    trace,
    attribute,
    runs,
    curves,
    signals,
    restate,
    live,
    warehouse,
    worth,
    roles,
):
    module.register(app)


def main() -> None:
    """Run one command; an error a person can mend is one sentence on standard error."""
    try:
        app()
    except BizopsError as error:
        print(f"bizops: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except UnicodeEncodeError:  # bytes of the command line that are no text in UTF-8
        print("bizops: what was given holds a character that is no text", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # a service that goes away in the middle of a command is no fault of the program
        if type(error).__module__.partition(".")[0] not in ("psycopg2", "kafka"):
            raise
        print(f"bizops: {type(error).__name__}: {str(error).partition('\n')[0]}", file=sys.stderr)
        sys.exit(1)
