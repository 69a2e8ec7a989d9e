"""How a detector is learned: which methods the training rows ask for, and limits held out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl

from models import channels as ch
from models import clock, heldout, limits, season, shape
from models.channels import Baseline, Choice
from models.detector import Detector, Limits, contexts, pooled
from models.episodes import sustained
from models.errors import TrainingError
from models.heldout import Fold
from models.scaling import Floats, Mask, Rows, learn_levels, matrix, quantiles
from models.season import Season

MIN_ROWS: Final = 300
"""Fewer known training values than this teach nothing about a sensor's tails: it is not judged, and
`notes` say so."""

STRETCHES: Final = 12
STRETCH: Final = 4_096
"""Rows learned from where there are more: a week at 1 Hz says little more than 12 hours of it,
spread over the week."""

UNCOUPLED: Final = 0.75
"""Where neighbours explain less than this of a held-out sensor's size, they are not asked."""

BETTER: Final = 0.95
"""The modes take a sensor from its neighbours where they leave less than this of what those do."""

ENOUGH_TO_POOL: Final = 3
"""Fewer sensors have nothing to say together that they do not say alone."""

POOLED_CALM: Final = 0.3
"""The largest of many ratios spreads so much less than one does."""

SWITCHING: Final = 12.0
"""A sensor whose largest steps (98 %) are so many times its usual ones switches: it has shapes to
learn. Steps of normal noise reach 4 times."""

UNSEEN: Final = 1.4
"""What limits of shapes are multiplied by: tomorrow has shapes that no training row had."""

LARGE: Final = 2.0
"""And they reach so many scales."""


def fitted(train: pl.DataFrame, time: str, context: str | None) -> Detector:
    """What `models.detector.fit` gives."""
    named = _sensors(train, time, context)
    clock.in_order(train, time, TrainingError, "training rows")
    per_s, unit_notes = clock.unit(train[time])
    seconds = clock.seconds(train[time], per_s)
    rows = Rows(matrix(train, named), contexts(train, context), seconds)
    enough = _enough(rows.values, heldout.folds_of(train.height))
    sensors = tuple(s for s, is_enough in zip(named, enough, strict=True) if is_enough)
    few = _too_few(train.height, named, rows.values, enough)
    if not sensors:
        none = np.zeros((0, len(named)))
        bounds = Limits(none, none, 1.0, 1.0)
        return Detector(
            time, per_s, context, tuple(named), None, (), bounds, train.height, (*unit_notes, *few)
        )
    rows = thinned(rows.of(enough))
    spans = ch.spans_for(len(rows) // heldout.FOLDS)
    folds = heldout.folds_of(len(rows))
    season_ = _season(rows, folds)
    choice = chosen(rows, folds, season_)
    per_week = limits.rows_per_week(seconds)
    bounds = bounded(rows, folds, season_, choice, spans, per_week)
    base = ch.learn(rows, season_, choice)
    notes = (_promise(train.height, len(rows), per_week), *_notes(sensors, base, choice))
    notes = (*notes, *unit_notes, *few)
    return Detector(time, per_s, context, sensors, base, spans, bounds, train.height, notes)


def thinned(rows: Rows) -> Rows:
    """The rows, or of very many STRETCHES evenly spaced stretches, the last rows among them."""
    if len(rows) <= STRETCHES * STRETCH:
        return rows
    begins = np.linspace(0, len(rows) - STRETCH, STRETCHES).astype(np.int64)
    return rows[(begins[:, None] + np.arange(STRETCH)).ravel()]


def chosen(rows: Rows, folds: Sequence[Fold], season_: Season) -> Choice:
    """Which sensors neighbours explain, which the modes explain better, whose windows recur."""
    alone, near, modes = heldout.explained(rows, folds, season_)
    by_modes = modes < BETTER**2 * near
    least = np.minimum(near, modes)
    coupled = least < UNCOUPLED**2 * alone
    nothing = np.zeros(len(alone), dtype=np.bool_)
    choice = Choice(coupled & ~by_modes, coupled & by_modes, nothing)
    switching, widths = _switching(rows), shape.widths_for(len(rows) // heldout.FOLDS)
    recurs = switching.any() and widths
    return replace(choice, shaped=switching, widths=widths) if recurs else choice


def bounded(
    rows: Rows,
    folds: Sequence[Fold],
    season_: Season,
    choice: Choice,
    spans: tuple[int, ...],
    per_week: float,
) -> Limits:
    """Sizes and limits of every channel and sensor, pooled, and of all together; held out."""
    chances = limits.chances(len(rows), per_week)
    judged = ~learn_levels(rows.values, rows.context).silent
    sizes, own, best = [], [], np.zeros((0, rows.values.shape[1]))
    channels = len(ch.order(spans, choice.widths))
    for kind, span, statistic in heldout.statistics(rows, folds, season_, choice, spans):
        sizes.append(limits.tail_scale(statistic))
        size = np.abs(statistic) / sizes[-1]
        often = chances * channels * max(judged.sum(), 1)
        own.append(limits.return_level(size, often, limits.widening(statistic, span)))
        if kind == "shape":
            own[-1] = np.where(choice.shaped, UNSEEN * own[-1], np.inf)
        ratio = np.where(judged, size / own[-1], 0.0)
        best = np.maximum(best, ratio) if len(best) else ratio
    joint = pooled(best, np.broadcast_to(judged, best.shape))
    joint_limit = float(
        limits.return_level(joint[:, None], chances, calm=POOLED_CALM, least=1e-3)[0]
    )
    joint_limit = joint_limit if judged.sum() >= ENOUGH_TO_POOL else np.inf
    largest = np.maximum(best.max(axis=1), joint / joint_limit)
    peaks = sustained(largest)[:, None]
    whole = limits.return_level(peaks, chances, calm=POOLED_CALM, least=1e-3)[0]
    whole *= limits.surprise(peaks, chances, POOLED_CALM)
    return Limits(
        np.array(sizes),
        np.array(own),
        joint_limit,
        float(whole) * limits.MARGIN,
    )


def _switching(rows: Rows) -> Mask:
    levels = learn_levels(rows.values, rows.context)
    steps = np.abs(np.diff(levels.deviations(rows.values, rows.context), axis=0))
    usual, large = quantiles(steps, [0.5, 0.98])
    return np.asarray(
        (large > SWITCHING * usual) & (large > LARGE) & ~levels.silent & ~levels.constant
    )


def _season(rows: Rows, folds: list[Fold]) -> Season:
    levels = learn_levels(rows.values, rows.context)
    z = levels.deviations(rows.values, rows.context)
    z[:, levels.constant | levels.silent] = 0.0
    return season.learn(rows.seconds, z, folds)


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


def _enough(values: Floats, folds: Sequence[Fold]) -> Mask:
    """Sensors with values enough, half of them known outside any one fold."""
    known = np.isfinite(values)
    total = known.sum(axis=0)
    most = np.max([known[fold].sum(axis=0) for fold in folds], axis=0)
    return np.asarray((total >= MIN_ROWS) & (total - most >= MIN_ROWS // 2))


def _too_few(rows: int, named: list[str], values: Floats, enough: Mask) -> tuple[str, ...]:
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


def _promise(rows: int, used: int, per_week: float) -> str:
    """What limits promise; with few rows that it is less than one false alarm a week."""
    often = limits.chances(used, per_week)
    if often < per_week:
        return (
            f"{rows} training rows are too few to promise one false alarm a machine-week: "
            f"expect about {per_week / often:.0f}"
        )
    return (
        f"limits are the level that held-out noise passes about once a machine-week, "
        f"extrapolated from {rows / per_week:.2f} weeks of training rows"
    )


def _notes(sensors: tuple[str, ...], base: Baseline, choice: Choice) -> tuple[str, ...]:
    notes: list[str] = []

    def listed(what: str, which: Mask) -> None:
        if which.any():
            notes.append(f"{what}: {', '.join(sensors[j] for j in np.flatnonzero(which))}")

    silent = base.levels.silent
    listed("constant in training, judged only when they move", base.levels.constant & ~silent)
    listed("statuses, judged only by how long they stand", silent)
    listed("followed slowly, they drift in training", base.level_slow.rate > 0)
    listed("held against the hour and the weekday", np.abs(base.season.weights).sum(axis=0) > 0)
    listed("held against the shapes of their training windows", choice.shaped)
    return tuple(notes)
