"""Computed figures against the truth: OEE, adoption, anomaly events."""

from datetime import timedelta
from typing import Any, Final

import polars as pl

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.verification.truth import Truth
from connectors.verification.window import Window
from pipelines import comparison, shift_errors
from pipelines.days import day_start
from pipelines.schemas import TIME

WEEK_US: Final = 7 * 24 * 3600 * 1_000_000
WORST: Final = 5
"""Machine-shifts named as the worst; the result has the others on demand."""
_DAY: Final = timedelta(days=1)

Part = dict[str, Any]


def table(home: Home, name: str, window: Window) -> pl.DataFrame | None:
    """A lake table on the days of the window and their neighbours; None where it has none."""
    lake, parts = Lake(home.lake), partitions(home, name, window)
    found = lake.scan(name, parts)
    return None if found is None else found.collect(engine="in-memory")


def partitions(home: Home, name: str, window: Window) -> list[Partition]:
    """The partitions that a table has on the days of the window and their neighbours."""
    days = window.days
    if not days:
        return []
    first, last = days[0] - _DAY, days[-1] + _DAY
    every = Lake(home.lake).partitions(name)
    return [part for part in every if part.day is not None and first <= part.day <= last]


def oee(home: Home, truth: Truth, window: Window) -> tuple[Part | None, Part | None, pl.DataFrame]:
    """The parts `oee` and `losses`, and every shift beside the true one."""
    figures = table(home, "oee_by_shift", window)
    if figures is None:
        return None, None, pl.DataFrame()
    tally, beside = comparison.oee(figures, truth.machine_shifts, window.factories)
    if not tally["machine_shifts"]:
        return None, None, beside
    element = tally.pop("max_loss_error_s")
    losses: Part | None = None if element is None else {"max_abs_error_s": element}
    lost, true = table(home, "losses_by_shift", window), truth.machine_losses
    if losses is not None and lost is not None and true is not None:
        compared, apart = comparison.losses(lost, true, beside)
        beside = shift_errors.with_losses(beside, apart)
        most = max(element or 0.0, compared.pop("max_abs_error_s") or 0.0)
        losses = {"max_abs_error_s": most, **compared}
    return dict(tally), losses, beside


def machine_shifts(beside: pl.DataFrame, *, every: bool) -> Part | None:
    """The part `machine_shifts`: `by_factory`, `total`, `worst`, and on demand `every` one."""
    if beside.is_empty():
        return None
    factories, total = shift_errors.by_factory(beside)
    rows = shift_errors.ranked(beside)
    part = {
        "by_factory": factories,
        "total": total,
        "worst": _rows(rows.head(WORST)),
    }
    by_name = rows.sort(shift_errors.KEY, maintain_order=True)
    return part | ({"every": _rows(by_name)} if every else {})


def _rows(rows: pl.DataFrame) -> list[Part]:
    return rows.with_columns(pl.col("production_day").dt.to_string()).to_dicts()


def adoption(home: Home, truth: pl.DataFrame) -> tuple[Part | None, pl.DataFrame]:
    """The part `adoption`, and the rows that are unequal."""
    days = truth["reference_date"].unique().to_list()
    lake = Lake(home.lake)
    found = lake.scan("adoption", [Partition(day=day) for day in days])
    if found is None:
        return None, pl.DataFrame()
    rows = found.filter(pl.col("reference_date").is_in(days)).collect(engine="in-memory")
    counts, unequal = comparison.adoption(rows, truth)
    return dict(counts), unequal


def anomaly(home: Home, truth: Truth, window: Window) -> tuple[Part | None, pl.DataFrame]:
    """The part `anomaly`, and each planted fault of the window with `events`.

    Suppressed events are left out. The faults' `events` are null where none was ever looked for.
    """
    faults = window.holding(truth.faults)
    parts = partitions(home, "anomaly_events", window)
    if not parts:
        return None, faults.with_columns(events=pl.lit(None, pl.Int64))
    asked = _events(home, parts).filter(pl.col("suppressed_by").is_null())
    tally, beside = comparison.events(asked, faults, _machine_weeks(truth, window, parts))
    kinds = beside.group_by("kind").agg(
        pl.len().alias("planted"), found=(pl.col("events") > 0).sum()
    )
    recall = {kind: found / planted for kind, planted, found in kinds.sort("kind").iter_rows()}
    return {**tally, "recall_by_kind": recall}, beside


def _events(home: Home, parts: list[Partition]) -> pl.DataFrame:
    """Anomaly events, each once: one that lasts over midnight is in two partitions.

    What still lasted at the end of its day is known to that end and no further.
    """
    lake = Lake(home.lake)
    days = [
        frame.with_columns(_day=pl.lit(part.day, pl.Date()))
        for part in parts
        if (frame := lake.scan("anomaly_events", [part])) is not None
    ]
    rows = pl.concat(days, how="diagonal").collect(engine="in-memory")  # older files know less
    until = day_start(pl.col("_day").dt.offset_by("1d")).cast(TIME)
    ended = rows.with_columns(end=pl.coalesce("end", until))
    return ended.sort("_day", maintain_order=True).unique(
        "event_id", keep="last", maintain_order=True
    )


def _machine_weeks(truth: Truth, window: Window, parts: list[Partition]) -> float | None:
    """Machines of a factory times the collected part of the days that its events were sought on."""
    machines = (
        truth.machine_shifts.select("factory_id", "work_unit_id").unique()
        .group_by("factory_id").agg(machines=pl.len())
    )  # fmt: skip
    days = pl.DataFrame(
        [(part.day, part.factory) for part in parts],
        schema={"day": pl.Date(), "factory_id": pl.String()},
        orient="row",
    ).with_columns(start=day_start(pl.col("day")), end=day_start(pl.col("day").dt.offset_by("1d")))
    first = pl.max_horizontal("start", "from_time")
    last = pl.min_horizontal("end", "to_time")
    lapped = (last - first).dt.total_microseconds().clip(0)
    spent = days.join(window.factories, on="factory_id").join(machines, on="factory_id")
    total = spent.select((lapped * pl.col("machines")).sum()).item()
    return total / WEEK_US if total else None


def worst(shifts: pl.DataFrame) -> dict[str, str]:
    """The shift with the largest error, by figure of a tolerance."""
    asked = shifts.filter("asked")
    missing, whole = asked.filter("missing"), asked.filter("whole")
    outside = shifts.filter("closed", ~pl.col("inside_bounds"))
    return {
        "oee.inside_bounds": _shift(outside.filter("asked"), "abs_error", "oee"),
        "oee.partly_inside_bounds": _shift(outside.filter(~pl.col("asked")), "abs_error", "oee"),
        "oee.missing": _shift(missing, "production_day"),
        "oee.fully_covered": f"of {asked.height}",
        "oee.max_abs_error": _shift(whole, "abs_error", "oee"),
        "oee.max_completeness_error": _shift(
            asked.filter("closed"), "completeness_error", "completeness"
        ),
        "losses.max_abs_error_s": _shift(whole, "loss_error_s"),
    }


def differing(unequal: pl.DataFrame) -> str:
    """The first adoption figures that differ, ours against the true ones."""
    said = []
    for row in unequal.head(3).iter_rows(named=True):
        pairs = [
            f"{name} {row[f'{name}_ours']} (true {row[name]})"
            for name in comparison.ADOPTION_FIGURES
            if row[f"{name}_ours"] != row[name]
        ]
        where = [row["park_id"] or "district", row["class_id"], row["metric_id"], row["basis"]]
        said.append(f"{' '.join(filter(None, where))} {', '.join(pairs)}")
    return "; ".join(said)


def _shift(rows: pl.DataFrame, by: str, ratio: str | None = None) -> str:
    """The row that has most of `by`, by name, with our ratio and the true one."""
    found = rows.sort(by, descending=True, nulls_last=True).head(1)
    if found.is_empty():
        return ""
    row = found.row(0, named=True)
    name = f"{row['work_unit_id']} {row['production_day']} {row['shift_id']}"
    if ratio is None:
        return name
    return f"{name}: {_ratio(row[ratio])} (true {_ratio(row[f'{ratio}_true'])})"


def _ratio(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
