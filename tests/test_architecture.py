"""Where code may live and what it may touch, held against the code itself."""

import ast
import importlib
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bizops.database import load_queries

ROOT = Path(__file__).parents[1]
STAGES = ("producers", "streams", "attribution", "warehouse")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in ("bizops", *STAGES)
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import; name the whole module"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_stages_meet_in_kafka_and_postgres_only(path: Path) -> None:
    package = path.parts[0]
    for name in imported(path):
        top = name.partition(".")[0]
        if package in STAGES:
            assert top not in set(STAGES) - {package}, f"{path} imports stage {name}"
            assert not name.startswith("bizops.cli"), f"{path} imports the command line"
        elif path.parts[:2] != ("bizops", "cli"):
            assert top not in STAGES, f"{path} imports {name}; bizops is what stages share"


@pytest.mark.parametrize("package", ["bizops", *STAGES])
def test_each_import_name_is_this_repositorys(package: str) -> None:
    """`streams` and `attribution` are other projects' names on the package index."""
    assert Path(importlib.import_module(package).__file__ or "").is_relative_to(ROOT)


def test_the_module_map_is_what_the_modules_say() -> None:
    spec = importlib.util.spec_from_file_location("module_map", ROOT / "docs" / "module_map.py")
    assert spec
    assert spec.loader
    module_map = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module_map)
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert text == module_map.with_map(text), "run `make map`"
    assert "| |" not in text.replace("|  |", "| |"), "a module has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_files_and_functions_stay_small(path: Path) -> None:
    """Over 400 lines, or 50 in a function, wants a reason: say it in LONGER_FOR_A_REASON."""
    text = (ROOT / path).read_text()
    assert text.count("\n") <= LONGER_FOR_A_REASON.get(str(path), 400), path
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            limit = LONGER_FOR_A_REASON.get(f"{path}:{node.name}", 50)
            assert length <= limit, f"{path}:{node.name} has {length} lines"


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] in STAGES], ids=str)
def test_blocks_of_sql_that_are_asked_for_are_there(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    blocks = {
        ast.unparse(target): load_queries(*ast.literal_eval(ast.Tuple(node.value.args)))
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "load_queries" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(node.value, ast.Call)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            held = blocks.get(ast.unparse(node.value), {node.slice.value: ""})
            assert node.slice.value in held, f"{path} asks for {ast.unparse(node)}"


@pytest.mark.parametrize("package", STAGES)
def test_blocks_of_sql_are_used(package: str) -> None:
    said = {
        node.value
        for path in MODULES
        if path.parts[0] == package
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Constant)
    }
    for file in (ROOT / package).glob("*.sql"):
        assert set(load_queries(package, file.name)) <= said, f"{file.name} has a block too many"


LONGER_FOR_A_REASON: dict[str, int] = {}


def test_packages_in_pyproject_are_those_there_are() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.parts) for path in MODULES if path.name == "__init__.py"}
    assert set(listed) == there


def test_nothing_names_a_registry_or_this_machine() -> None:
    """The lock carries hashes, not addresses, so that it installs from whatever index is set."""
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert not (ROOT / "uv.lock").exists()
