"""Park-level pictures in Dagster's metadata: SVG inside Markdown, so that no font is needed."""

import base64
from collections.abc import Sequence
from html import escape
from typing import Final

import dagster as dg

WIDTH: Final = 560
LABEL: Final = 190
ROW: Final = 26
BAR: Final = 290

Bar = tuple[str, float | None, float | None, float | None]
"""A label, and value, lower and upper bound as shares of 1."""


def bars(title: str, rows: Sequence[Bar]) -> dg.MarkdownMetadataValue:
    """Horizontal bars with what the unknown could add, for shares between 0 and 1."""
    drawn = "".join(_row(number, row) for number, row in enumerate(rows))
    height = ROW * len(rows) + 8
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13">{drawn}</svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"**{title}**\n\n![{title}](data:image/svg+xml;base64,{data})")


def _row(number: int, row: Bar) -> str:
    label, value, lower, upper = row
    y = ROW * number + 6
    text = f'<text x="0" y="{y + 13}">{escape(label)}</text>'
    if value is None:
        return f'{text}<text x="{LABEL}" y="{y + 13}" fill="#777">—</text>'
    low, high = (value if bound is None else bound for bound in (lower, upper))
    shapes = (
        (min(high, 1.0), "#a9cfe6"),
        (value, "#2f6f9f"),
        (min(low, value), "#1d4e73"),
    )
    rects = "".join(
        f'<rect x="{LABEL}" y="{y}" width="{max(share, 0) * BAR:.1f}" height="16" fill="{colour}"/>'
        for share, colour in shapes
    )
    return f'{text}{rects}<text x="{LABEL + BAR + 8}" y="{y + 13}">{100 * value:.1f} %</text>'
