"""Every command has help with an example, is documented, and fails with one clear sentence."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bizops.cli import app

ROOT = Path(__file__).parents[1]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = load("command_page")
COMMANDS = PAGE.commands(typer.main.get_command(app))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].help or ""
    assert "Example: bizops " + " ".join(path) in text


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert PAGE.PAGE.read_text() == PAGE.page(), "run `make map`"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BIZOPS_")}
        return subprocess.run(
            [str(Path(sys.executable).with_name("bizops")), *arguments],
            env=clean | {"BIZOPS_HOME": str(tmp_path)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return start


@pytest.mark.parametrize(
    "arguments",
    [
        ["stream", "--until-caught-up"],
        ["timeline", "acme"],
        ["replay"],
        ["dead-letters"],
        ["dead-letters", "retry", "--all"],
        ["forget", "email:ada@example.com"],
        ["export", "email:ada@example.com"],
        ["migrate"],
        ["attribute"],
        ["retrain"],
        ["runs", "rollback"],
        ["transform"],
        ["report", "--by", "channel"],
        ["doctor", "--data"],
    ],
    ids=" ".join,
)
def test_without_services_a_command_says_how_to_start_them(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert "bizops up" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["stream", "--until-caught-up"],
        ["produce", "simulated", "--accounts", "1", "--months", "1"],
    ],
)
def test_a_kafka_that_is_not_there_is_one_sentence(run: Run, arguments: list[str]) -> None:
    done = run(
        *arguments,
        BIZOPS_KAFKA="127.0.0.1:1",
        BIZOPS_DATABASE_URL="postgresql://bizops:secret-word@127.0.0.1:1/bizops",
    )
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr or "can't be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr + done.stdout


def test_a_setting_that_is_no_number_is_said_so(run: Run) -> None:
    done = run("status", BIZOPS_PARTITIONS="many")
    assert done.returncode == 2
    assert "BIZOPS_PARTITIONS" in done.stderr
