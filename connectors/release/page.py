"""The page and the two notes of a release."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jinja2
import polars as pl

from connectors.release import wording
from connectors.release.whole import SUMS
from pipelines.disclosure import CONFIDENTIAL
from pipelines.indicators import DISTRICT_ID, INCOMPLETE

if TYPE_CHECKING:
    from connectors.release.write import Edition

PAGES: Final = ("index.html", "README.zh.md", "README.en.md")
_BAR_HEADROOM: Final = 1.15
"""The scale of a bar ends a little beyond the larger of target and figure."""


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("connectors.release", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2", "html"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def pages(
    kpi: pl.DataFrame,
    dictionary: pl.DataFrame,
    checks: Sequence[Mapping[str, Any]],
    edition: "Edition",
    files: Sequence[str],
) -> dict[str, str]:
    """index.html and the READMEs by file name; `files` are the other files of the release."""
    facts = {
        **_figures(kpi),
        "edition": edition,
        "terms": dictionary.rows(named=True),
        "checks": checks,
        "files": sorted([*files, *PAGES, SUMS]),
        "w": wording,
    }
    return {name: _environment().get_template(f"{name}.j2").render(facts) for name in PAGES}


def _figures(kpi: pl.DataFrame) -> dict[str, Any]:
    rows = kpi.rows(named=True)
    district = [row for row in rows if row["area_id"] == DISTRICT_ID]
    hidden = [row for row in rows if row["status"] == CONFIDENTIAL]
    by = {(row["indicator_id"], row["area_id"]): row for row in rows}
    in_parks = {row["indicator_id"]: row for row in rows if row["area_id"] != DISTRICT_ID}
    return {
        "targets": [row for row in district if row["target"] is not None],
        "monitored": [row for row in district if row["target"] is None],
        "by": by,
        "in_parks": list(in_parks.values()),
        "hidden": hidden,
        "kept_out": [row for row in rows if row["status"] == INCOMPLETE],
        "reasons": [why for why in wording.REASON if any(row["reason"] == why for row in hidden)],
        "bars": {row["indicator_id"]: bar(row) for row in district},
    }


def bar(row: Mapping[str, Any]) -> dict[str, float] | None:
    """Where value, bounds and target lie on a bar, in per cent of its width."""
    value, target = row["value"], row["target"]
    if value is None:
        return None
    lower = value if row["lower"] is None else row["lower"]
    upper = value if row["upper"] is None else row["upper"]
    full = 100.0 if row["unit"] == "%" else _BAR_HEADROOM * max(upper, target or 0.0, 1e-9)
    places = {"value": value, "lower": lower, "upper": upper, "target": target}
    return {
        name: round(min(at / full, 1.0) * 100, 2) for name, at in places.items() if at is not None
    }
