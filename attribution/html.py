"""Pages of HTML that stand by themselves: no script, and nothing fetched from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["page", "table"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; }
td, th { padding: 0.15rem 0.8rem 0.15rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #eee; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { font: 11px system-ui, sans-serif; max-width: 100%; margin: 0 0.5rem 0.5rem 0; }
svg .title { font-weight: 600; }
.note { color: #666; }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole document; sections are HTML already."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        '</title><meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table under a heading; cells are text, whatever they hold."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    first = f"<tr>{head}</tr>" if any(heads) else ""
    return f"{heading}<table>{first}{body}</table>"
