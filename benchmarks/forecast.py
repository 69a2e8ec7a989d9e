"""`python -m benchmarks.forecast`: forecasts held against what came, kind by kind of series.

Seeds 1 to 9 develop, 401 to 409 are for published figures alone (docs/decisions/0038).
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click
import numpy as np

from parkpulse.cli import ENVIRONMENT

if TYPE_CHECKING:
    from rich.table import Table

    from benchmarks.forecast_series import Case

DEVELOP: Final = range(1, 10)
HELD_OUT: Final = range(401, 410)
DAYS: Final = 90
UNSETTLED: Final = {"revised": 5}
"""Days of which this kind says that not all has come in."""


@dataclass(frozen=True, slots=True)
class Result:
    """One forecast against what came. Errors are mean absolute ones over the usual daily change
    (over 1 where nothing ever changed)."""

    kind: str
    own: float
    naive: float
    seasonal: float
    inside: tuple[float, float]
    claims: bool
    claimed_coverage: float | None
    reached: int | None
    said: tuple[int | None, int | None, int | None] | None
    chance: float


@click.command()
@click.option("--dev", is_flag=True, help="On the seeds to develop with.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind; may be given again. [all]")
def main(dev: bool, kinds: tuple[str, ...]) -> None:
    """Forecast every series and hold it against what came."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # before anything loads BLAS
    from rich.console import Console

    from benchmarks.forecast_series import cases

    seeds, began = DEVELOP if dev else HELD_OUT, time.monotonic()
    results = [
        examined(case) for seed in seeds for case in cases(seed) if not kinds or case.kind in kinds
    ]
    console = Console(width=118)
    console.print(table(results, f"seeds {seeds[0]} to {seeds[-1]}, {DAYS} days ahead"))
    console.print(arrivals(results))
    console.print(f"{len(results)} forecasts in {time.monotonic() - began:.0f} s")


def examined(case: "Case") -> Result:
    """Forecast a case, and compare."""
    from models.forecast import Asked, forecast
    from models.forecast_bands import COVERAGES

    asked = Asked(case.kind, "310117", case.scale, case.target, case.comparator)  # type: ignore[arg-type]
    unsettled = UNSETTLED.get(case.kind, 0)
    found = forecast(case.known, asked, unsettled_days=unsettled, days=DAYS)
    values = case.known["value"].to_numpy()[: case.known.height - unsettled]
    rows = [found.forecasts.filter(coverage=one) for one in COVERAGES]
    ahead = rows[0].height
    truth = case.truth[:ahead]
    usual = float(np.abs(np.diff(values)).mean()) or 1.0
    last = np.arange(1, ahead + 1) + unsettled
    weekly = values[len(values) - 1 + last - 7 * -(-last // 7)]
    inside = [
        float(
            np.mean(
                (truth >= row["lower"].to_numpy() - 1e-9)
                & (truth <= row["upper"].to_numpy() + 1e-9)
            )
        )
        for row in rows
    ]
    return Result(
        case.kind,
        _miss(rows[0]["value"].to_numpy(), truth, usual),
        _miss(np.full(ahead, values[-1]), truth, usual),
        _miss(weekly, truth, usual),
        (inside[0], inside[1]),
        bool(rows[0]["beats_naive"][0]),
        found.covered[COVERAGES[0]],
        *_reached(case, found.arrivals.row(0, named=True)),
    )


def _miss(said: np.ndarray, truth: np.ndarray, usual: float) -> float:
    return float(np.abs(said - truth).mean()) / usual


def _reached(
    case: "Case", row: dict[str, object]
) -> tuple[int | None, tuple[int | None, int | None, int | None] | None, float]:
    """Days until the target was reached, those that were said, and the chance."""
    from models.forecast_arrival import is_reached

    there = is_reached(case.truth, float(case.known["value"][-1]), case.target, case.comparator)
    reached = int(there.argmax()) + 1 if there.any() else None
    days = [
        None if row[name] is None else (row[name] - row["origin"]).days  # type: ignore[operator]
        for name in ("earliest", "median", "latest")
    ]
    return reached, (days[0], days[1], days[2]), float(row["chance_within"])  # type: ignore[arg-type]


def skill(own: Iterable[float], other: Iterable[float]) -> float | None:
    """1 less the ratio of sums; null where the other never erred."""
    total = sum(other)
    return 1.0 - sum(own) / total if total else None


def table(results: Sequence[Result], title: str) -> "Table":
    """A row per kind."""
    from rich.table import Table

    from benchmarks.forecast_series import KINDS

    out = Table(title=title, title_justify="left")
    for name in ("kind", "series", "MASE naive", "MASE ours", "skill", "skill seasonal",
                 "inside 80 %", "inside 95 %", "says it beats naive", "and did"):  # fmt: skip
        out.add_column(name, justify="left" if name == "kind" else "right", no_wrap=name == "kind")
    for kind in (*KINDS, "all"):
        own = [one for one in results if kind in (one.kind, "all")]
        if own:
            out.add_row(kind, *_row(own))
    return out


def _row(own: Sequence[Result]) -> list[str]:
    claims = [one for one in own if one.claims]
    right = [one for one in claims if one.own < one.naive]
    ours = [one.own for one in own]
    return [
        str(len(own)),
        f"{np.mean([one.naive for one in own]):.2f}",
        f"{np.mean(ours):.2f}",
        _told(skill(ours, [one.naive for one in own])),
        _told(skill(ours, [one.seasonal for one in own])),
        f"{np.mean([one.inside[0] for one in own]):.3f}",
        f"{np.mean([one.inside[1] for one in own]):.3f}",
        str(len(claims)),
        str(len(right)),
    ]


def _told(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}"


def arrivals(results: Sequence[Result]) -> str:
    """How often a target was reached between the days that were said, and by chance as said."""
    asked = [one for one in results if one.said is not None]
    within = sum(_between(one) for one in asked)
    came = [one.reached is not None for one in asked]
    brier = float(np.mean([(one.chance - c) ** 2 for one, c in zip(asked, came, strict=True)]))
    return (
        f"targets: {within} of {len(asked)} were reached between the earliest and the latest day "
        f"(nominal 0.80: {within / max(len(asked), 1):.2f}); said to come within a year "
        f"{sum(one.chance for one in asked):.1f}, came {sum(came)}; Brier score {brier:.3f}"
    )


def _between(one: Result) -> bool:
    """Null is beyond the horizon, on either side."""
    assert one.said is not None
    day = np.inf if one.reached is None else one.reached
    low, high = (np.inf if at is None else at for at in (one.said[0], one.said[2]))
    return bool(low <= day <= high)


if __name__ == "__main__":
    main()
