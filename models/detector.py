"""The anomaly detector of a machine: learned from its own normal rows, causal, reproducible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models import channels as ch
from models import clock, storage
from models.episodes import event_ids
from models.errors import ModelError, TableError
from models.scaling import Context, Floats, Rows, matrix

MOST_CONTRIBUTORS: Final = 10
LARGEST_SCORE: Final = 100.0
CALM: Final = 1.0
"""Ratios count up to this in the joint score, so that many small deviations weigh, not one."""

FROZEN_BLAME: Final = 3.0
"""A sensor that stands still accuses its neighbours of moving: it is blamed first."""

SHARED: Final = 0.25
"""What is left of a sensor's blame when its own level is as usual."""

FAST: Final = ("residual", ch.SPANS[0])
BAND: Final = 3.0 * 1.6
"""Half the usual band in sizes of the fastest residual: three of them, and a mean over SPANS[0]
rows of independent noise has 1 / 1.6 of a row's size."""

AT_ONCE: Final = 8
"""Sensors whose channels are computed together: what they need then stays in a core's own memory.
Measured at 21,600 rows x 100 sensors: 8 at once take a sixth less time than all."""

RINGING: Final = 3.0
"""Averages take rows up to so many times their limit."""

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
class Limits:
    """How large held-out noise is (sizes) and how large it may be (limits, in sizes).

    Of every channel and sensor (c, k), of the sensors' ratios pooled, and `whole`: what the largest
    of all may be.
    """

    sizes: Floats
    limits: Floats
    joint: float
    whole: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """What rows show: ratios (n, k), all sensors jointly (n), levels, findings of one alone."""

    ratios: Floats
    joint: Floats
    own: Floats
    alone: Floats

    def blame(self, rows: npt.NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Who is accused on these rows (n, k); see `Detector.ratios`."""
        ratios, own = self.ratios[rows], self.own[rows]
        most = np.maximum(own.max(axis=1, keepdims=True, initial=0.0), 1e-9)
        shared = ratios * np.sqrt(SHARED + (1 - SHARED) * own / most)
        return np.asarray(np.where(self.alone[rows] >= 1.0, ratios * FROZEN_BLAME, shared))


@dataclass(frozen=True, slots=True)
class Detector:
    """A fitted detector. `notes` say in plain words what it cannot judge and why."""

    time: str
    per_s: float
    context: str | None
    sensors: tuple[str, ...]
    base: ch.Baseline | None
    spans: tuple[int, ...]
    bounds: Limits
    rows_seen: int
    notes: tuple[str, ...]

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """One row per input row: timestamp and the columns of SCORES.

        A score over 1 is beyond the model's own limit; event_id is null and contributors empty
        outside events. Causal: what a row gets depends on no later row; rows are taken as ordered.
        """
        seen = self._seen(frame)
        score = np.maximum(seen.ratios.max(axis=1, initial=0.0), seen.joint)
        score = np.minimum(np.nan_to_num(score), LARGEST_SCORE)
        ids = event_ids(score)
        inside = np.flatnonzero(ids)
        return pl.DataFrame(
            {
                "timestamp": _times(frame, self.time),
                "score": score,
                "is_anomaly": ids > 0,
                "event_id": pl.Series(ids).replace(0, None),
                "contributors": self._contributors(seen.blame(inside), inside, len(ids)),
            },
            schema_overrides=SCORES,
        )

    def rows(self, frame: pl.DataFrame) -> Rows:
        """The frame's sensors, contexts and times as arrays."""
        return Rows(
            matrix(frame, list(self.sensors)),
            contexts(frame, self.context),
            clock.seconds(frame[self.time], self.per_s)
            if self.time in frame.columns
            else np.full(frame.height, np.nan),
        )

    def ratios(self, frame: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
        """How near each sensor is to its limit (n, k), all of them jointly (n), blame (n, k).

        1 is over. Blame is the ratio, less where the sensor's own level is as usual: of two
        coupled sensors the residual accuses both, the level only the one that left.
        """
        seen = self._seen(frame)
        return seen.ratios, seen.joint, seen.blame()

    def _seen(self, frame: pl.DataFrame) -> _Seen:
        clock.in_order(frame, self.time, TableError, "data")
        rows = self.rows(frame)
        if self.base is None:
            nothing = np.zeros(rows.values.shape)
            return _Seen(nothing, np.zeros(len(rows)), nothing, nothing)
        if not set(self.sensors) & set(frame.columns):
            raise ModelError(
                "data", "holds none of the model's sensors", f"expected {', '.join(self.sensors)}"
            )
        z = self.base.deviations(rows)
        known = np.isfinite(z)
        judged = known & ~self.base.levels.silent
        best, own = np.zeros(z.shape), np.zeros(z.shape)
        parts, levels = ch.Parts.of(self.base, z, rows.seconds), self._kinds() == "level"
        for some in _few(z.shape[1]):
            sizes = self._sizes(parts, some, self.bounds.limits)
            best[:, some], own[:, some] = _largest(sizes, levels, best[:, some].shape)
        np.copyto(best, 0.0, where=~judged)
        joint = pooled(best, judged) / self.bounds.joint / self.bounds.whole
        best /= self.bounds.whole
        alone = np.maximum(ch.frozen(self.base, rows.values), ch.moved(self.base, z))
        np.copyto(alone, 0.0, where=~known)
        np.maximum(best, alone, out=best)
        return _Seen(best, np.where(judged.any(axis=1), joint, 0.0), own, alone)

    def kinds(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Per sensor, the kind of finding nearest its limit over these rows: sensor, kind, ratio.

        For the explanation of an event; it judges nothing.
        """
        if self.base is None:
            return pl.DataFrame(schema=KINDS)
        rows = self.rows(frame)
        z = self.base.deviations(rows)
        over = self.bounds.limits * self.bounds.whole
        found = [(str(kind), np.zeros(z.shape[1])) for kind in self._kinds()]
        parts = ch.Parts.of(self.base, z, rows.seconds)
        for some in _few(z.shape[1]):
            for i, size in enumerate(self._sizes(parts, some, over)):
                found[i][1][some] = size.max(axis=0, initial=0.0)
        found.append(("frozen", ch.frozen(self.base, rows.values).max(axis=0, initial=0.0)))
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
        """What each sensor should have read given neighbours, clock and slow baseline, in its unit.

        Returns expected values (n, k), half width of the usual band (k), values seen (n, k).
        """
        rows = self.rows(frame)
        if self.base is None:
            nothing = np.full(rows.values.shape, np.nan)
            return nothing, np.full(rows.values.shape[1], np.nan), rows.values
        levels = self.base.levels
        z = self.base.deviations(rows)
        rest = self.base.split(z, rows.seconds)[1]
        usual = self.base.residual_slow.path(rest) - rest
        expected = self.base.filled(z) + usual + self.base.season.of(rows.seconds)
        fast = self.bounds.sizes[ch.order(self.spans, ()).index(FAST)]
        return (
            levels.centre_rows(rows.values, rows.context) + expected * levels.scale,
            BAND * fast * levels.scale,
            rows.values,
        )

    def update(self, frame: pl.DataFrame) -> Detector:
        """A detector whose slow baselines have followed these rows; this one stays as it is.

        Sensors that violate their baseline do not follow. Limits stay.
        """
        if self.base is None:
            return self
        rows = self.rows(frame)
        z = self.base.deviations(rows)
        rest = self.base.split(z, rows.seconds)[1]
        base = replace(
            self.base,
            level_slow=self.base.level_slow.follow(self.base.filled(z))[1],
            residual_slow=self.base.residual_slow.follow(rest)[1],
        )
        return replace(self, base=base, rows_seen=self.rows_seen + frame.height)

    def save(self, path: Path | str) -> None:
        """Writes the model as arrays and JSON (npz, no pickle), replacing the file at once."""
        storage.write(self, Path(path))

    def _kinds(self) -> npt.NDArray[np.str_]:
        """The kind of each channel."""
        assert self.base is not None
        return np.array([kind for kind, _ in ch.order(self.spans, self.base.shapes.widths)])

    def _sizes(self, parts: ch.Parts, some: slice, limits: Floats) -> Iterator[Floats]:
        """How large each channel of some sensors is (n, some), in `limits` of its usual size."""
        assert self.base is not None
        caps = RINGING * self.bounds.whole * self.bounds.sizes * self.bounds.limits
        found = ch.channels(self.base, parts.some(some), self.spans, caps[:, some], some)
        for (_, _, statistic), usual, limit in zip(found, self.bounds.sizes, limits, strict=True):
            size = np.abs(statistic, out=statistic)
            size /= usual[some] * limit[some]
            yield size

    def _contributors(self, blame: Floats, rows: npt.NDArray[np.int64], of: int) -> pl.Series:
        """Shares of the squared blame (rows, k) among sensors, for these rows of so many."""
        weight = np.square(blame)
        order = np.argsort(-weight, axis=1, kind="stable")[:, :MOST_CONTRIBUTORS]
        top = np.take_along_axis(weight, order, axis=1)
        share = top / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        named = (
            pl.DataFrame(
                {
                    "row": np.repeat(rows, order.shape[1]),
                    "sensor": pl.Series(self.sensors, dtype=pl.String).gather(order.ravel()),
                    "share": share.ravel(),
                }
            )
            .filter(pl.col("share") > 0)
            .group_by("row", maintain_order=True)
            .agg(contributors=pl.struct("sensor", "share"))
        )
        whole = pl.DataFrame({"row": np.arange(of)})
        listed = whole.join(named, on="row", how="left", maintain_order="left")["contributors"]
        return listed.fill_null([]).cast(SCORES["contributors"])


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
    from models.fitting import fitted  # it makes Detectors: the other way round is a circle

    return fitted(train, time, context)


def load(path: Path | str) -> Detector:
    """Reads what `Detector.save` wrote; no pickle is opened.

    Raises:
        ModelFileError: not a model, or one of another schema.
    """
    return storage.read(Path(path), Detector, Limits)


def contexts(frame: pl.DataFrame, column: str | None) -> Context:
    """The context of each row as strings, "" where null; None where the model has no context."""
    if column is None:
        return None
    if column not in frame.columns:
        return np.full(frame.height, "")
    return frame[column].cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def pooled(size: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """RMS of the sizes of all known sensors (n), each up to CALM."""
    capped = np.where(known, np.minimum(size, CALM), 0.0)
    np.square(capped, out=capped)
    counted = np.maximum(known.sum(axis=1), 1)
    return np.asarray(np.sqrt(capped.sum(axis=1) / counted))


def _few(sensors: int) -> list[slice]:
    """All sensors, AT_ONCE of them at a time."""
    return [slice(first, first + AT_ONCE) for first in range(0, sensors, AT_ONCE)]


def _largest(
    sizes: Iterable[Floats], levels: npt.NDArray[np.bool_], shape: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """The largest of all sizes, and of those that are levels."""
    best, own = np.zeros(shape), np.zeros(shape)
    for size, is_level in zip(sizes, levels, strict=True):
        np.maximum(best, size, out=best)
        if is_level:
            np.maximum(own, size, out=own)
    return best, own


def _times(frame: pl.DataFrame, time: str) -> pl.Series:
    if time not in frame.columns:
        raise ModelError("data", f"no time column {time!r}", "name it as in the training rows")
    return frame[time]
