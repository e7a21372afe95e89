"""Write the module map of ARCHITECTURE.md from the first line of each module's docstring.

Run with ``make map``. A test fails where the map and the code differ.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bizops", "producers", "streams", "attribution", "warehouse")
START, END = "<!-- module map -->", "<!-- end of module map -->"


def modules() -> list[Path]:
    """Every module of the product, packages' own files left out."""
    paths = [
        path.relative_to(ROOT)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py" and "migrations" not in path.parts
    ]
    return sorted(paths, key=lambda path: (path.parent, path.name))


def module_map() -> str:
    """One table a package: each module with what it says of itself."""
    lines: list[str] = []
    folder = ""
    for path in modules():
        if str(path.parent) != folder:
            folder = str(path.parent)
            lines += ["", f"**{folder}/**: {_first_line(path.parent / '__init__.py')}", ""]
            lines += ["| module | what it holds |", "|---|---|"]
        lines.append(f"| `{path.name}` | {_first_line(path)} |")
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    file = ROOT / path
    docstring = ast.get_docstring(ast.parse(file.read_text())) if file.exists() else None
    return (docstring or "").partition("\n")[0].replace("``", "`").rstrip(".")


def with_map(text: str) -> str:
    """ARCHITECTURE.md's text with its map made anew."""
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{module_map()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    page = ROOT / "ARCHITECTURE.md"
    page.write_text(with_map(page.read_text()))
