"""A simulated company whose truth is known, written beside its events."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from bizops.errors import UsageError
from bizops.settings import Settings
from producers.source import Extracted, Option, Rejected, Source

__all__ = ["Simulated", "truth_path"]


class Simulated(Source):
    """All events of one simulated company, in the order in which its systems publish them."""

    description: ClassVar[str] = (
        "A made-up company over two years, with the truth in a file beside."
    )
    example: ClassVar[str] = "bizops produce simulated --accounts 300 --seed 7"

    seed: Annotated[int, Option("Which company: another seed, another one."), Field(ge=0)] = 7
    accounts: Annotated[
        int, Option("How many accounts; 3000 make about 106,000 events."), Field(ge=1, le=1_000_000)
    ] = 3_000
    months: Annotated[int, Option("For how long, from 2024-01-01 on."), Field(ge=1, le=120)] = 24
    truth: Annotated[
        Path | None,
        Option(
            "Where to write what caused what; simulated-truth-SEED.json in BIZOPS_HOME unless told."
        ),
    ] = None

    def read(self) -> Iterator[Extracted | Rejected]:
        """Simulate, write the truth, then give the events.

        Raises
        ------
        UsageError
            If the truth cannot be written where it should be.
        """
        from bizops.simulation import simulate

        world = simulate(self.seed, self.accounts, self.months)
        _write(
            self.truth or truth_path(Settings.from_environment(), self.seed), world.truth.to_json()
        )
        for number, event in enumerate(world.events, start=1):
            yield Extracted(f"simulated company {self.seed} event {number}", event)


def truth_path(settings: Settings, seed: int) -> Path:
    """Where the truth of a seed is kept unless another place is named."""
    return settings.home / f"simulated-truth-{seed}.json"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot write the truth to {path}: {reason}") from None
