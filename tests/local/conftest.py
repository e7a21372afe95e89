import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bizops import local
from bizops.settings import Settings


@pytest.fixture(scope="module")
def new_home() -> Iterator[Callable[[], Settings]]:
    """Makes homes of their own, whose services are stopped and deleted at the end."""
    made: list[Settings] = []

    def make() -> Settings:
        # Not pytest's folder: PostgreSQL's user can't enter that one where tests run as root.
        folder = Path(tempfile.mkdtemp(prefix="bizops-test-"))
        folder.chmod(0o711)
        made.append(Settings(home=folder / "a höme"))
        return made[-1]

    yield make
    for settings in made:
        local.purge(settings)
        shutil.rmtree(settings.home.parent)
