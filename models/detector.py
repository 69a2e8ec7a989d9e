"""The anomaly detector of a machine: learned from its own normal rows, causal, reproducible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models import channels as ch
from models import limits, storage
from models.episodes import event_ids
from models.errors import ModelError, TableError, TrainingError
from models.neighbours import SETTLED_ROWS, residuals
from models.scaling import Floats, matrix

MIN_ROWS: Final = 300
"""Fewer known training values than this teach nothing about a sensor's tails: it is not judged, and
`notes` say so."""

LATEST_S: Final = 4.1e9
"""Numeric times above this (the year 2099 in seconds) are of a smaller unit."""

UNITS_PER_S: Final = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6}

FOLDS: Final = 5
UNCOUPLED: Final = 0.75
"""Where neighbours explain less than this of a held-out sensor's size, they are not asked."""

MOST_CONTRIBUTORS: Final = 10
LARGEST_SCORE: Final = 100.0
CALM: Final = 6.0
"""Sensors count up to this in the joint score, so that many small deviations weigh, not one."""

FROZEN_BLAME: Final = 3.0
"""A sensor that stands still accuses its neighbours of moving: it is blamed first."""

SHARED: Final = 0.25
"""What is left of a sensor's blame when its own level is as usual."""

Context = npt.NDArray[np.str_] | None

SCORES: Final = {
    "score": pl.Float64(),
    "is_anomaly": pl.Boolean(),
    "event_id": pl.Int64(),
    "contributors": pl.List(pl.Struct({"sensor": pl.String(), "share": pl.Float64()})),
}
"""Columns of `Detector.score`, after `timestamp`."""

KINDS: Final = {"sensor": pl.String(), "kind": pl.String(), "ratio": pl.Float64()}
"""Columns of `Detector.kinds`."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A fitted detector. `notes` say in plain words what it cannot judge and why."""

    time: str
    context: str | None
    sensors: tuple[str, ...]
    base: ch.Baseline | None
    spans: tuple[int, ...]
    sizes: Floats
    limits: Floats
    joint_sizes: Floats
    joint_limit: float
    rows_seen: int
    notes: tuple[str, ...]

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """One row per input row: timestamp and the columns of SCORES.

        A score over 1 is beyond the model's own limit; event_id is null and contributors empty
        outside events. Causal: what a row gets depends on no later row; rows are taken as ordered.
        """
        ratios, joint, blame = self.ratios(frame)
        score = np.maximum(ratios.max(axis=1, initial=0.0), joint)
        score = np.minimum(np.nan_to_num(score), LARGEST_SCORE)
        ids = event_ids(score)
        return pl.DataFrame(
            {
                "timestamp": _times(frame, self.time),
                "score": score,
                "is_anomaly": ids > 0,
                "event_id": pl.Series(ids).replace(0, None),
                "contributors": self._contributors(blame, ids),
            },
            schema_overrides=SCORES,
        )

    def ratios(self, frame: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
        """How near each sensor is to its limit (n, k), all of them jointly (n), blame (n, k).

        1 is over. Blame is the ratio, less where the sensor's own level is as usual: of two
        coupled sensors the residual accuses both, the level only the one that left.
        """
        _in_order(frame, self.time, TableError, "data")
        values = matrix(frame, list(self.sensors))
        if self.base is None:
            return np.zeros(values.shape), np.zeros(len(values)), np.zeros(values.shape)
        if not set(self.sensors) & set(frame.columns):
            raise ModelError(
                "data", "holds none of the model's sensors", f"expected {', '.join(self.sensors)}"
            )
        z = self.base.levels.deviations(values, contexts(frame, self.context))
        known = np.isfinite(z)
        best, joint, own = np.zeros(values.shape), np.zeros(len(values)), np.zeros(values.shape)
        for i, (kind, _, statistic) in enumerate(_statistics(self.base, z, self.spans)):
            size = np.abs(statistic) / self.sizes[i]
            np.maximum(best, size / self.limits[i], out=best)
            if kind == "level":
                np.maximum(own, size / self.limits[i], out=own)
            if kind in ("level", "residual"):
                together = _joint(size, known) / self.joint_sizes[i]
                np.maximum(joint, together / self.joint_limit, out=joint)
        alone = np.maximum(ch.frozen(self.base, values), ch.moved(self.base, z))
        best = np.where(known, np.maximum(best, alone), 0.0)
        most = np.maximum(own.max(axis=1, keepdims=True, initial=0.0), 1e-9)
        blame = np.where(
            alone >= 1.0, best * FROZEN_BLAME, best * np.sqrt(SHARED + (1 - SHARED) * own / most)
        )
        return best, np.where(known.any(axis=1), joint, 0.0), blame

    def kinds(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Per sensor, the kind of finding nearest its limit over these rows: sensor, kind, ratio.

        For the explanation of an event; it judges nothing.
        """
        if self.base is None:
            return pl.DataFrame(schema=KINDS)
        values = matrix(frame, list(self.sensors))
        z = self.base.levels.deviations(values, contexts(frame, self.context))
        found = [
            (kind, (np.abs(s) / self.sizes[i] / self.limits[i]).max(axis=0, initial=0.0))
            for i, (kind, _, s) in enumerate(_statistics(self.base, z, self.spans))
        ]
        found.append(("frozen", ch.frozen(self.base, values).max(axis=0, initial=0.0)))
        found.append(("moved", ch.moved(self.base, z).max(axis=0, initial=0.0)))
        peaks = np.array([ratio for _, ratio in found])
        nearest = peaks.argmax(axis=0)
        # Standing still explains whatever else the sensor shows.
        standing = [kind for kind, _ in found].index("frozen")
        nearest[peaks[standing] >= 1.0] = standing
        return pl.DataFrame(
            {
                "sensor": self.sensors,
                "kind": [found[i][0] for i in nearest],
                "ratio": peaks.max(axis=0),
            },
            schema=KINDS,
        )

    def expected(self, frame: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
        """What each sensor should have read given its neighbours, in its own unit.

        Returns expected values (n, k), half width of the usual band (k), values seen (n, k).
        """
        values = matrix(frame, list(self.sensors))
        if self.base is None:
            return np.full(values.shape, np.nan), np.full(values.shape[1], np.nan), values
        levels = self.base.levels
        context = contexts(frame, self.context)
        whole, rest, _ = residuals(levels.deviations(values, context), self.base.weights)
        expected = levels.centre_rows(values, context) + (whole - rest) * levels.scale
        fast = self.sizes[ch.order(self.spans).index(_FAST)]
        return expected, BAND * fast * levels.scale, values

    def update(self, frame: pl.DataFrame) -> Detector:
        """A detector whose slow baselines have followed these rows; this one stays as it is.

        Sensors that violate their baseline do not follow. Limits stay.
        """
        if self.base is None:
            return self
        values = matrix(frame, list(self.sensors))
        z = self.base.levels.deviations(values, contexts(frame, self.context))
        whole, rest, _ = residuals(_without_constants(z, self.base), self.base.weights)
        level, residual = self.base.level_slow, self.base.residual_slow
        base = replace(
            self.base,
            level_slow=replace(level, start=level.follow(whole)[1]),
            residual_slow=replace(residual, start=residual.follow(rest)[1]),
        )
        return replace(self, base=base, rows_seen=self.rows_seen + frame.height)

    def save(self, path: Path | str) -> None:
        """Writes the model as arrays and JSON (npz, no pickle), replacing the file at once."""
        storage.write(self, Path(path))

    def _contributors(self, blame: Floats, ids: npt.NDArray[np.int64]) -> pl.Series:
        """Shares of the squared blame among sensors, for rows inside events."""
        rows = np.flatnonzero(ids)
        weight = np.square(blame[rows])
        order = np.argsort(-weight, axis=1, kind="stable")[:, :MOST_CONTRIBUTORS]
        top = np.take_along_axis(weight, order, axis=1)
        share = top / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        listed: list[list[dict[str, object]]] = [[] for _ in range(len(ids))]
        for row, names, shares in zip(rows, order, share, strict=True):
            listed[row] = [
                {"sensor": self.sensors[j], "share": float(s)}
                for j, s in zip(names, shares, strict=True)
                if s > 0
            ]
        return pl.Series("contributors", listed, dtype=SCORES["contributors"])


_FAST: Final = ("residual", ch.SPANS[0])
BAND: Final = 3.0 * 1.6
"""Half the usual band in sizes of the fastest residual: three of them, and a mean over SPANS[0]
rows of independent noise has 1 / 1.6 of a row's size."""


def fit(train: pl.DataFrame, *, time: str = "timestamp", context: str | None = None) -> Detector:
    """Learns a machine's normal from rows without labels.

    Args:
        train: a time column, in order, and numeric sensor columns; nulls, constants and irregular
            or repeated times are tolerated.
        time: name of the time column. Numeric times are seconds; where seconds would lie beyond
            2099 they are taken as ms, then µs, then ns, and a note says so.
        context: a string column (a product) whose values have levels of their own.

    Raises:
        TrainingError: no time column, no numeric sensor column, or times that run backwards.
    """
    named = _sensors(train, time, context)
    _in_order(train, time, TrainingError, "training rows")
    folds = np.array_split(np.arange(train.height), FOLDS)
    values, context_rows = matrix(train, named), contexts(train, context)
    enough = _enough(values, folds)
    sensors = [s for s, is_enough in zip(named, enough, strict=True) if is_enough]
    notes = _too_few(train.height, named, values, enough)
    if not sensors:
        empty = np.zeros((0, len(named)))
        return Detector(
            time, context, tuple(named), None, (), empty, empty, np.zeros(0), 1.0,
            train.height, notes,
        )  # fmt: skip
    values = np.ascontiguousarray(values[:, enough])
    spans = ch.spans_for(train.height // FOLDS)
    coupled = _coupled(values, context_rows, folds)
    base = ch.learn(values, context_rows, FOLDS, coupled)
    held = _held_out(values, context_rows, folds, spans, coupled)
    seconds, scaled = _seconds(train[time])
    rows_per_week = limits.rows_per_week(seconds)
    weeks = train.height / rows_per_week
    sizes, own, joint_sizes, joint_limit = _limits(held, ch.order(spans), rows_per_week, weeks)
    notes = (*_notes(sensors, base, weeks), *scaled, *notes)
    return Detector(
        time, context, tuple(sensors), base, spans, sizes, own, joint_sizes, joint_limit,
        train.height, notes,
    )  # fmt: skip


def load(path: Path | str) -> Detector:
    """Reads what `Detector.save` wrote; no pickle is opened.

    Raises:
        ModelFileError: not a model, or one of another schema.
    """
    return storage.read(Path(path), Detector)


def contexts(frame: pl.DataFrame, column: str | None) -> Context:
    """The context of each row as strings, "" where null; None where the model has no context."""
    if column is None:
        return None
    if column not in frame.columns:
        return np.full(frame.height, "")
    return frame[column].cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def _sensors(train: pl.DataFrame, time: str, context: str | None) -> list[str]:
    if time not in train.columns:
        raise TrainingError(
            "training rows", f"no time column {time!r}", f"columns are {', '.join(train.columns)}"
        )
    rest = [c for c in train.columns if c not in (time, context)]
    sensors = [c for c in rest if train[c].dtype.is_numeric() or train[c].dtype == pl.Boolean]
    if not sensors:
        raise TrainingError("training rows", "no numeric sensor column", "add at least one")
    return sensors


def _without_constants(z: Floats, base: ch.Baseline) -> Floats:
    return np.where(base.levels.constant & np.isfinite(z), 0.0, z)


def _statistics(
    base: ch.Baseline, z: Floats, spans: tuple[int, ...]
) -> Iterator[tuple[str, int, Floats]]:
    return ch.channels(base, *residuals(_without_constants(z, base), base.weights), spans)


def _joint(size: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """RMS of the sizes of all known sensors, each up to CALM."""
    capped = np.where(known, np.minimum(size, CALM), 0.0)
    counted = np.maximum(known.sum(axis=1), 1)
    return np.asarray(np.sqrt(np.square(capped).sum(axis=1) / counted))


def _coupled(
    values: Floats, context: Context, folds: list[npt.NDArray[np.int64]]
) -> npt.NDArray[np.bool_]:
    """Sensors whose neighbours explain them on rows held out."""
    alone, explained = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for fold in folds:
        base = ch.learn(*_leave(values, context, fold), FOLDS)
        (whole, rest, _), lead = _judged_fold(base, values, context, fold)
        alone += np.square(whole[lead:]).sum(axis=0)
        explained += np.square(rest[lead:]).sum(axis=0)
    return np.asarray(explained < UNCOUPLED**2 * alone)


def _leave(values: Floats, context: Context, fold: npt.NDArray[np.int64]) -> tuple[Floats, Context]:
    keep = np.ones(len(values), dtype=np.bool_)
    keep[fold] = False
    return values[keep], None if context is None else context[keep]


def _judged_fold(
    base: ch.Baseline, values: Floats, context: Context, fold: npt.NDArray[np.int64]
) -> tuple[tuple[Floats, Floats, Floats], int]:
    """What `residuals` says of a fold after a lead-in, and how many rows to leave out.

    The rows before a fold settle its residuals, as at scoring; the table's first rows never settle
    and are left out.
    """
    first = max(int(fold[0]) - SETTLED_ROWS, 0)
    rows = slice(first, int(fold[-1]) + 1)
    z = base.levels.deviations(values[rows], None if context is None else context[rows])
    lead = max(int(fold[0]), SETTLED_ROWS) - first
    return residuals(_without_constants(z, base), base.weights), lead


def _held_out(
    values: Floats,
    context: Context,
    folds: list[npt.NDArray[np.int64]],
    spans: tuple[int, ...],
    coupled: npt.NDArray[np.bool_],
) -> Iterator[Floats]:
    """One channel's statistic at a time, judged by models that never saw the row's fold."""
    leads, parts = [], []
    for fold in folds:
        base = ch.learn(*_leave(values, context, fold), FOLDS, coupled)
        filled, lead = _judged_fold(base, values, context, fold)
        leads.append(lead)
        parts.append(ch.channels(base, *filled, spans))
        del filled
    for channel in zip(*parts, strict=True):
        yield np.vstack([s[lead:] for lead, (_, _, s) in zip(leads, channel, strict=True)])


def _limits(
    held: Iterator[Floats], order: list[tuple[str, int]], rows_per_week: float, weeks: float
) -> tuple[Floats, Floats, Floats, float]:
    """Sizes, limits of every channel and sensor, sizes and limit of the joint score."""
    sizes, own, joint_sizes = [], [], np.ones(len(order))
    joint = np.zeros((0, 1))
    for i, (statistic, (kind, span)) in enumerate(zip(held, order, strict=True)):
        sizes.append(limits.tail_scale(statistic, span))
        size = np.abs(statistic) / sizes[i]
        chances = rows_per_week * len(order) * size.shape[1]
        own.append(limits.return_level(size, chances, weeks))
        if kind in ("level", "residual"):
            together = _joint(size, np.ones(size.shape, dtype=np.bool_))
            joint_sizes[i] = max(float(np.sqrt(np.mean(np.square(together)))), 1e-9)
            together = (together / joint_sizes[i])[:, None]
            joint = np.maximum(joint, together) if len(joint) else together
    return (
        np.array(sizes),
        np.array(own),
        joint_sizes,
        float(limits.return_level(joint, rows_per_week, weeks)[0]),
    )


def _enough(values: Floats, folds: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.bool_]:
    """Sensors with values enough, half of them known outside any one fold."""
    known = np.isfinite(values)
    total = known.sum(axis=0)
    most = np.max([known[fold].sum(axis=0) for fold in folds], axis=0)
    return np.asarray((total >= MIN_ROWS) & (total - most >= MIN_ROWS // 2))


def _too_few(
    rows: int, named: list[str], values: Floats, enough: npt.NDArray[np.bool_]
) -> tuple[str, ...]:
    if rows < MIN_ROWS:
        return (f"only {rows} training rows, {MIN_ROWS} are needed: nothing is alarmed on",)
    known = np.isfinite(values).sum(axis=0)
    few = [f"{named[j]} ({known[j]})" for j in np.flatnonzero(~enough)]
    if not few:
        return ()
    return (
        f"not judged, too few known values in training ({MIN_ROWS} are needed, "
        f"spread over the rows): {', '.join(few)}",
    )


def _notes(sensors: list[str], base: ch.Baseline, weeks: float) -> tuple[str, ...]:
    notes = [
        f"limits are the level that held-out noise passes about once a machine-week, "
        f"extrapolated from {weeks:.2f} weeks of training rows"
    ]
    constant = [sensors[j] for j in np.flatnonzero(base.levels.constant)]
    if constant:
        notes.append(f"constant in training, judged only when they move: {', '.join(constant)}")
    return tuple(notes)


def _times(frame: pl.DataFrame, time: str) -> pl.Series:
    if time not in frame.columns:
        raise ModelError("data", f"no time column {time!r}", "name it as in the training rows")
    return frame[time]


def _in_order(frame: pl.DataFrame, time: str, error: type[ModelError], culprit: str) -> None:
    """Raises at the first row whose time is before the one above it; unknown times are passed."""
    if time not in frame.columns:
        return
    known = frame[time].is_not_null()
    times = frame[time].filter(known)
    back = (times < times.shift(1)).fill_null(value=False).arg_true()
    if len(back):
        row = int(known.arg_true()[int(back[0])]) + 1
        raise error(culprit, f"times run backwards at row {row}", "sort the table by time")


def _seconds(times: pl.Series) -> tuple[Floats, tuple[str, ...]]:
    """Times in seconds, and a note where numbers were taken as a smaller unit."""
    if times.dtype == pl.Datetime or times.dtype == pl.Date:
        return times.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy() / 1e6, ()
    if not times.dtype.is_numeric():
        return np.zeros(0), ()
    numbers = times.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    largest = np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)
    fits = (u for u in UNITS_PER_S.items() if largest / u[1] <= LATEST_S)
    unit, per_s = next(fits, ("nanoseconds", 1e9))
    note = (f"{times.name}: numbers beyond the year 2099 in seconds, taken as {unit}",)
    return numbers / per_s, note if per_s > 1 else ()
