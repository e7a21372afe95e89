"""A progress bar on a terminal, and nothing where standard error is a file or a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["sampling_progress"]


@contextmanager
def sampling_progress() -> Iterator[Callable[[int, int, int], None] | None]:
    """A bar that is told of draws done, of how many, and how many diverged; None off a terminal.

    It appears when sampling starts, and starts anew where that is tried again.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("sampling"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} draws{task.fields[note]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,
    )
    task = bar.add_task("", total=None, note="", visible=False)

    def progress(done: int, total: int, diverged: int) -> None:
        note = f", {diverged:,} diverged" if diverged else ""
        bar.update(task, completed=done, total=total, note=note, visible=True)
        if done >= total > 0:
            bar.refresh()

    with bar:
        yield progress
