"""Charts as SVG that stands in a page by itself: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = ["energies", "fan", "intervals", "overlaid", "ranks", "trace"]

FloatArray = NDArray[np.float64]

COLOURS = ("#3b6fb6", "#c8553d", "#4f9d69", "#8a5fb0", "#b58900", "#2a9d8f", "#7f7f7f", "#d081b0")
WIDTH, HEIGHT = 340, 110
LEFT, BOTTOM, TOP = 8, 16, 18
MOST_POINTS = 400


def trace(chains: FloatArray, title: str) -> str:
    """Draws in the order they were made, a line a chain; ``chains`` is ``(chain, draw)``."""
    step = max(1, chains.shape[1] // MOST_POINTS)
    shown = chains[:, ::step]
    x = np.arange(shown.shape[1]) * step
    low, high = float(chains.min()), float(chains.max())
    lines = [(x, chain) for chain in shown]
    return _frame(
        title, lines, (0, float(chains.shape[1])), (low, high), f"{low:.3g} to {high:.3g}"
    )


def ranks(chains: FloatArray, title: str, bins: int = 20) -> str:
    """How each chain's draws rank among all, which is even where chains agree.

    Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16(2).
    """
    order = chains.ravel().argsort().argsort().reshape(chains.shape)
    edges = np.linspace(0, chains.size, bins + 1)
    counts = [np.histogram(chain, edges)[0] for chain in order]
    even = chains.shape[1] / bins
    top = max(float(np.max(counts)), 2 * even)
    lines = [_steps(edges, count) for count in counts]
    lines.append((edges[[0, -1]], np.full(2, even)))
    return _frame(title, lines, (0, float(chains.size)), (0, top), f"even: {even:.0f} a bin")


def overlaid(samples: Mapping[str, FloatArray], title: str, bins: int = 40) -> str:
    """Histograms over each other, each of area one, such as a prior and its posterior."""
    pooled = np.concatenate(list(samples.values()))
    low, high = (float(end) for end in np.quantile(pooled, (0.001, 0.999)))
    edges = np.linspace(low, max(high, low + 1e-9), bins + 1)
    heights = [np.histogram(values, edges, density=True)[0] for values in samples.values()]
    lines = [_steps(edges, height) for height in heights]
    note = "; ".join(f"{name}: {colour}" for name, colour in zip(samples, NAMES, strict=False))
    span = (low, float(edges[-1]))
    return _frame(
        title, lines, span, (0, float(np.max(heights))), f"{low:.3g} to {high:.3g}; {note}"
    )


def energies(energy: FloatArray, title: str) -> str:
    """Marginal energy and its change from draw to draw; ``energy`` is ``(chain, draw)``.

    Where changes are much narrower the sampler explores tails slowly. Source: Betancourt (2016),
    arXiv:1604.00695.
    """
    marginal = (energy - energy.mean()).ravel()
    return overlaid({"marginal": marginal, "transition": np.diff(energy, axis=1).ravel()}, title)


def intervals(
    rows: Sequence[tuple[str, float, float, float, float | None]], title: str, unit: str
) -> str:
    """Label, mean, low end, high end and what was observed, if anything, one row under another."""
    height, left, right = 18 * len(rows) + 40, 260, 90
    width = 760
    top = max([max(row[3], row[4] or 0.0) for row in rows] + [1e-9])
    scale = (width - left - right) / top
    parts = [f'<text x="4" y="14" class="title">{escape(title)}</text>']
    for number, (label, mean, low, high, observed) in enumerate(rows):
        y = 34 + 18 * number
        ends = [left + scale * value for value in (low, mean, high)]
        parts += [
            f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(label)}</text>',
            f'<line x1="{ends[0]:.1f}" x2="{ends[2]:.1f}" y1="{y}" y2="{y}" stroke="{COLOURS[0]}"'
            ' stroke-width="5" stroke-opacity="0.4"/>',
            f'<circle cx="{ends[1]:.1f}" cy="{y}" r="3.5" fill="{COLOURS[0]}"/>',
        ]
        if observed is not None:
            x = left + scale * observed
            parts.append(f'<path d="M{x:.1f} {y - 6}v12" stroke="{COLOURS[1]}" stroke-width="2"/>')
        text = f"{mean:,.0f}" if observed is None else f"{observed:,.0f} of {mean:,.0f}"
        parts.append(f'<text x="{max(ends[2], left) + 6:.1f}" y="{y + 4}">{text}</text>')
    axis = f'<text x="{left}" y="{height - 4}">0</text>'
    most = f"{top:,.0f} {escape(unit)}"
    axis += f'<text x="{width - right}" y="{height - 4}" text-anchor="end">{most}</text>'
    return _svg(title, width, height, [*parts, axis])


def fan(
    x: Sequence[float], bands: Sequence[Sequence[float]], title: str, note: str, mark: float
) -> str:
    """A mean over x, with two areas around it, and what x is now as a line upright.

    Parameters
    ----------
    bands
        At each x: mean, and the ends of the wide and of the narrow area; all from 0 on.
    """
    values = np.asarray(bands, dtype=np.float64)
    up = max(float(values.max()), 1e-9)
    x_scale = (WIDTH - 2 * LEFT) / max(x)
    y_scale = (HEIGHT - BOTTOM - TOP) / up

    def points(xs: Sequence[float], heights: FloatArray) -> str:
        return " ".join(
            f"{LEFT + x_scale * at:.1f},{HEIGHT - BOTTOM - y_scale * height:.1f}"
            for at, height in zip(xs, heights.tolist(), strict=True)
        )

    parts = [f'<text x="{LEFT}" y="12" class="title">{escape(title)}</text>']
    for low, high in ((1, 2), (3, 4)):
        around = points([*x, *x[::-1]], np.concatenate((values[:, low], values[::-1, high])))
        parts.append(f'<polygon points="{around}" fill="{COLOURS[0]}" fill-opacity="0.25"/>')
    line = points(x, values[:, 0])
    parts += [
        f'<polyline points="{line}" fill="none" stroke="{COLOURS[0]}" stroke-width="1.5"/>',
        f'<path d="M{LEFT + x_scale * mark:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{COLOURS[1]}"/>',
        f'<text x="{LEFT}" y="{HEIGHT - 3}">{escape(note)}</text>',
    ]
    return _svg(title, WIDTH, HEIGHT, parts)


NAMES = ("blue", "red", "green", "violet", "yellow", "teal", "grey", "pink")


def _steps(edges: FloatArray, heights: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.repeat(edges, 2)[1:-1], np.repeat(np.asarray(heights, dtype=np.float64), 2)


def _frame(
    title: str,
    lines: Iterable[tuple[FloatArray, FloatArray]],
    across: tuple[float, float],
    up: tuple[float, float],
    note: str,
) -> str:
    """Lines in one frame."""
    x_scale = (WIDTH - 2 * LEFT) / max(across[1] - across[0], 1e-12)
    y_scale = (HEIGHT - BOTTOM - TOP) / max(up[1] - up[0], 1e-12)
    parts = [f'<text x="{LEFT}" y="12" class="title">{escape(title)}</text>']
    for number, (x, y) in enumerate(lines):
        places = zip(
            (LEFT + x_scale * (x - across[0])).tolist(),
            (HEIGHT - BOTTOM - y_scale * (y - up[0])).tolist(),
            strict=True,
        )
        points = " ".join(f"{at:.1f},{to:.1f}" for at, to in places)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1"'
            ' stroke-opacity="0.75"/>'
        )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 3}">{escape(note)}</text>')
    return _svg(title, WIDTH, HEIGHT, parts)


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
