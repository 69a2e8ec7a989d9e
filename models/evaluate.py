"""How good a detector is, by events: what was planted and found, how soon, at what false alarms.

For whoever changes a detector: nothing of the product calls it. Score rows with planted faults
(`events_of`), hold the figures against the change before and against `models.controls`, which know
nothing. Point-adjusted F1 is not offered: see `models.measures`.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import polars as pl

WEEK: Final = timedelta(days=7)
SLACK: Final = timedelta(minutes=30)
"""An event that starts up to so long after a fault's end still counts as finding it: wear is
seen by averages that look back."""

TOP: Final = 3
PROMPT_SHARE: Final = 0.1
PROMPT_ROWS: Final = 5
"""A fault is found promptly within a tenth of its length, or so many rows: an alarm at random
finds long faults, too, but not promptly."""

MAGNITUDES: Final = (1.0, 1.5, 2.5, 4.0, 6.0)
"""Edges of the bins of magnitude, in in-state robust deviations."""

BINS: Final = ("below 1", "1-1.5", "1.5-2.5", "2.5-4", "4-6", "above 6", "no size")


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one detector; ratios are null where their denominator is 0.

    Delays count from a fault's start, over the faults found; shares are of the fault's length.
    """

    planted: int
    found: int
    events: int
    matched: int
    recall: float | None
    prompt_recall: float | None
    precision: float | None
    median_delay_min: float | None
    median_delay_rows: float | None
    median_delay_share: float | None
    false_alarms_per_machine_week: float | None
    culprit_in_top3: float | None


def evaluate(
    events: pl.DataFrame,
    faults: pl.DataFrame,
    *,
    watched: timedelta,
    key: str = "work_unit_id",
    slack: timedelta = SLACK,
    step: timedelta | None = None,
) -> Quality:
    """Events against planted faults.

    Args:
        events: `key`, start, end (null while it lasts), signals (ranked names); suppressed events
            and data gaps are the caller's to leave out.
        faults: `key`, start, end, signals (names touched).
        watched: machine-time observed, summed over machines; the time of faults is taken off it.
        key: what events and faults of one machine share.
        slack: how long after a fault's end an event may start and still be its own.
        step: time between two rows, for delays in rows and what is prompt.
    """
    told = outcomes(events, faults, key=key, slack=slack, step=step)
    matched = _pairs(events, faults, key, slack)["event"].n_unique()
    found = told.filter("is_found")
    minutes = _median(found["delay_s"] / 60)
    weeks = fault_free_weeks(faults, watched)
    return Quality(
        planted=told.height,
        found=found.height,
        events=events.height,
        matched=matched,
        recall=_ratio(found.height, told.height),
        prompt_recall=_ratio(int(told["is_prompt"].sum()), told.height),
        precision=_ratio(matched, events.height),
        median_delay_min=minutes,
        median_delay_rows=None
        if minutes is None or step is None
        else minutes * 60 / step.total_seconds(),
        median_delay_share=_median(found["delay_share"]),
        false_alarms_per_machine_week=(events.height - matched) / weeks if weeks > 0 else None,
        culprit_in_top3=_ratio(int(found["is_culprit_named"].sum()), found.height),
    )


def fault_free_weeks(faults: pl.DataFrame, watched: timedelta) -> float:
    """Machine-weeks `watched` less those in faults."""
    in_faults_s = float((faults["end"] - faults["start"]).dt.total_seconds().sum() or 0)
    return (watched - timedelta(seconds=in_faults_s)) / WEEK


def outcomes(
    events: pl.DataFrame,
    faults: pl.DataFrame,
    *,
    key: str = "work_unit_id",
    slack: timedelta = SLACK,
    step: timedelta | None = None,
) -> pl.DataFrame:
    """Each fault with what became of it.

    Adds is_found, delay_s, delay_share (of its length), is_prompt, is_culprit_named.

    An event finds a fault when it starts within it (or `slack` later): an alarm that rings already
    when the fault begins tells nobody anything, and counts as false.
    """
    pairs = _pairs(events, faults, key, slack)
    prompt_s = 0.0 if step is None else PROMPT_ROWS * step.total_seconds()
    first = pairs.sort("start").group_by("fault", maintain_order=True).first()
    delay = (pl.col("start") - pl.col("start_fault")).dt.total_microseconds() / 1e6
    length = (pl.col("end_fault") - pl.col("start_fault")).dt.total_microseconds() / 1e6
    seen = first.select("fault", delay_s=delay, delay_share=delay / length.clip(1e-6))
    told = faults.with_row_index("fault").join(seen, on="fault", how="left", maintain_order="left")
    named = pl.Series("fault", _culprits(pairs), dtype=told["fault"].dtype)
    return told.with_columns(
        is_found=pl.col("delay_s").is_not_null(),
        is_prompt=(
            (pl.col("delay_share") <= PROMPT_SHARE) | (pl.col("delay_s") <= prompt_s)
        ).fill_null(value=False),
        is_culprit_named=pl.col("fault").is_in(named.implode()),
    ).drop("fault")


def recall_by(told: pl.DataFrame, by: str = "kind") -> pl.DataFrame:
    """Planted, found, recall and delay of `outcomes` by a column; `magnitude` by its bins."""
    if by == "magnitude":
        told = told.with_columns(_binned(told["magnitude"]))
    return (
        told.group_by(by)
        .agg(
            planted=pl.len(),
            found=pl.col("is_found").sum(),
            recall=pl.col("is_found").mean(),
            prompt_recall=pl.col("is_prompt").mean(),
            delay_min=pl.col("delay_s").median() / 60,
            delay_share=pl.col("delay_share").median(),
            culprit_in_top3=pl.col("is_culprit_named").filter("is_found").mean(),
        )
        .sort(by)
    )


def _binned(magnitudes: pl.Series) -> pl.Series:
    """The bin of each magnitude; an edge belongs to the bin above it."""
    names = [
        BINS[-1] if size is None else BINS[bisect_right(MAGNITUDES, size)] for size in magnitudes
    ]
    return pl.Series("magnitude", names, dtype=pl.Enum(BINS))


def events_of(scored: pl.DataFrame, machine: str, key: str = "work_unit_id") -> pl.DataFrame:
    """A score table (`Detector.score`) as the events that `evaluate` takes."""
    inside = scored.with_row_index().filter("is_anomaly")
    last = scored.height - 1
    named = inside.select("event_id", pl.col("contributors").alias("c")).explode("c").unnest("c")
    if inside.is_empty():
        return pl.DataFrame(
            schema={
                key: pl.String(),
                "start": scored["timestamp"].dtype,
                "end": scored["timestamp"].dtype,
                "signals": pl.List(pl.String),
            }
        )
    signals = (
        named.group_by("event_id", "sensor")
        .agg(pl.sum("share"))
        .sort("event_id", "share", "sensor", descending=[False, True, False])
        .group_by("event_id", maintain_order=True)
        .agg(signals=pl.col("sensor").drop_nulls())
    )
    return (
        inside.group_by("event_id", maintain_order=True)
        .agg(
            start=pl.first("timestamp"),
            end=pl.when(pl.col("index").max() < last).then(pl.col("timestamp").last()),
        )
        .join(signals, on="event_id", how="left", maintain_order="left")
        .select(pl.lit(machine).alias(key), "start", "end", "signals")
    )


class Scores(Protocol):
    """What has a `score` as the detector has."""

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """One row per input row."""
        ...


@dataclass(frozen=True, slots=True)
class Peek:
    """A row whose figure was another while later rows were withheld."""

    cut: int
    row: int
    column: str
    with_later: object
    without: object


def withholding(detector: Scores, frame: pl.DataFrame, cuts: list[int]) -> Peek | None:
    """The first row that knows of later ones: scores of `frame[:cut]` against those of all rows.

    Every column counts, to the bit; null when no row differs at any cut.
    """
    whole = detector.score(frame)
    peeks = [p for cut in cuts if (p := _peek(whole, detector.score(frame.head(cut)), cut))]
    return min(peeks, key=lambda p: p.row, default=None)


def _peek(whole: pl.DataFrame, part: pl.DataFrame, cut: int) -> Peek | None:
    found = []
    for name in whole.columns:
        a, b = whole[name].head(cut), part[name]
        if a.equals(b, null_equal=True):
            continue
        pairs = enumerate(zip(a.to_list(), b.to_list(), strict=True))
        row, one, other = next((i, x, y) for i, (x, y) in pairs if not _same(x, y))
        found.append(Peek(cut, row, name, one, other))
    return min(found, key=lambda p: p.row, default=None)


def _same(a: object, b: object) -> bool:
    return bool(a == b) or (a != a and b != b)


def _pairs(events: pl.DataFrame, faults: pl.DataFrame, key: str, slack: timedelta) -> pl.DataFrame:
    """Events with the faults they find, as `event` and `fault` by number."""
    return (
        events.with_row_index("event")
        .join(faults.with_row_index("fault"), on=key, suffix="_fault")
        .filter(
            pl.col("start") <= pl.col("end_fault") + slack, pl.col("start") >= pl.col("start_fault")
        )
    )


def _culprits(pairs: pl.DataFrame) -> list[int]:
    """Faults of which an event names a touched signal among its first three."""
    named = set()
    for row in pairs.iter_rows(named=True):
        if set((row["signals"] or [])[:TOP]) & set(row["signals_fault"] or []):
            named.add(row["fault"])
    return sorted(named)


def _median(values: pl.Series) -> float | None:
    found = values.median()
    return float(found) if isinstance(found, (int, float)) else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
