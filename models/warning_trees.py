"""Boosted trees as a plain table of numbers: read, evaluated and explained without scikit-learn.

Fitted by scikit-learn's histogram gradient boosting (Ke et al. 2017) and written as CSV, a row per
node, so that what judges an enterprise can be read, compared and kept under version control.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models.errors import ModelFileError
from models.scaling import Floats

NODES: Final = pl.Schema(
    {
        "tree": pl.Int64(),
        "node": pl.Int64(),
        "column": pl.String(),
        "threshold": pl.Float64(),
        "unknown_left": pl.Boolean(),
        "left": pl.Int64(),
        "right": pl.Int64(),
        "value": pl.Float64(),
    }
)
"""`column` null is a leaf. A row goes left where its column is at most `threshold`, or is not known
and `unknown_left`. `value` is what the model would say at this node, in log odds; the row of tree
-1 has what it says of everybody."""

DIGITS: Final = 6
"""Significant digits of thresholds and values."""

ROWS: Final = 8_192
"""Judged at a time: their columns stay in the processor's cache."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees as arrays over all nodes; `column` -1 is a leaf, `roots` the first node of each."""

    columns: tuple[str, ...]
    base: float
    roots: Ints
    column: Ints
    threshold: Floats
    unknown_left: npt.NDArray[np.bool_]
    left: Ints
    right: Ints
    value: Floats

    def log_odds(self, rows: Floats) -> Floats:
        """The model's word (n,) of rows (n, k) in the order of `columns`."""
        parts = [self._part(rows[at : at + ROWS]) for at in range(0, len(rows), ROWS)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def contributions(self, rows: Floats) -> Floats:
        """What each column added (n, k); with `base` they add up to `log_odds` (Saabas 2014)."""
        added = np.zeros(rows.shape)
        every = np.arange(len(rows))
        for root in self.roots:
            at = np.full(len(rows), root)
            while (inner := self.column[at] >= 0).any():
                then = np.where(inner, self._next(rows, at), at)
                change = self.value[then] - self.value[at]
                np.add.at(added, (every[inner], self.column[at][inner]), change[inner])
                at = then
        return added

    def _part(self, rows: Floats) -> Floats:
        columns = np.ascontiguousarray(rows.T)
        total = np.full(len(rows), self.base)
        for root in self.roots:
            total += self._value(root, columns)
        return total

    def _value(self, node: int, columns: Floats) -> Floats:
        """Both sides everywhere, then one of them: quicker than to follow each row."""
        column, threshold = self.column[node], self.threshold[node]
        if column < 0:
            return np.asarray(self.value[node])
        seen = columns[column]
        is_left = ~(seen > threshold) if self.unknown_left[node] else seen <= threshold
        left, right = (self._value(side[node], columns) for side in (self.left, self.right))
        return np.where(is_left, left, right)

    def _next(self, rows: Floats, at: Ints) -> Ints:
        seen = rows[np.arange(len(rows)), np.maximum(self.column[at], 0)]
        is_left = np.where(np.isnan(seen), self.unknown_left[at], seen <= self.threshold[at])
        return np.where(is_left, self.left[at], self.right[at])


def fit(
    rows: Floats, labels: npt.NDArray[np.bool_], weights: Floats, columns: Sequence[str],
    *, trees: int, leaves: int, rate: float, least: int,
) -> pl.DataFrame:  # fmt: skip
    """Trees (NODES) learned from rows (n, k) that are labelled true or false, in log odds."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosted = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, learning_rate=rate, min_samples_leaf=least,
        l2_regularization=10.0, early_stopping=False, random_state=0,
    ).fit(rows, labels, sample_weight=weights)  # fmt: skip
    # scikit-learn has no public way to a histogram tree's nodes
    grown = [predictors[0].nodes for predictors in boosted._predictors]
    base: dict[str, object] = {
        "tree": -1,
        "node": 0,
        "value": float(boosted._baseline_prediction.item()),
    }
    told = [base]
    for number, nodes in enumerate(grown):
        told += [_told(number, at, node, columns, rate) for at, node in enumerate(nodes)]
    return pl.DataFrame(told, schema=NODES).with_columns(
        pl.col("threshold", "value").round_sig_figs(DIGITS)
    )


def _told(
    tree: int, at: int, node: np.void, columns: Sequence[str], rate: float
) -> dict[str, object]:
    """A node's row; scikit-learn shrinks the values of leaves only."""
    place = {"tree": tree, "node": at}
    if node["is_leaf"]:
        return {**place, "value": float(node["value"])}
    return {
        **place,
        "column": columns[int(node["feature_idx"])],
        "threshold": float(node["num_threshold"]),
        "unknown_left": bool(node["missing_go_to_left"]),
        "left": int(node["left"]),
        "right": int(node["right"]),
        "value": float(node["value"]) * rate if at else 0.0,
    }


def read(path: Path, columns: Sequence[str]) -> Trees:
    """Trees of a CSV file of NODES; ModelFileError where it does not fit these columns."""
    try:
        table = pl.read_csv(path, schema=NODES)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ModelFileError(path, "is not a table of trees", "fit the model again") from error
    return planted(table, columns, path)


def planted(table: pl.DataFrame, columns: Sequence[str], culprit: object) -> Trees:
    """NODES as arrays."""
    place = {name: n for n, name in enumerate(columns)}
    if unknown := sorted(set(table["column"].drop_nulls()) - set(place)):
        why = f"asks for columns that there are not: {', '.join(unknown)}"
        raise ModelFileError(culprit, why, "fit the model again")
    base, grown = table.filter(pl.col("tree") < 0), table.filter(pl.col("tree") >= 0)
    numbered = grown.sort("tree", "node").with_row_index("at")
    first = pl.col("at").min().over("tree").cast(pl.Int64)
    inner = numbered.with_columns(
        left=first + pl.col("left"), right=first + pl.col("right"), first=first
    )
    of = inner["column"].replace_strict(place, default=-1, return_dtype=pl.Int64).fill_null(-1)
    return Trees(
        columns=tuple(columns),
        base=float(base["value"].sum()),
        roots=inner["first"].unique().sort().to_numpy(),
        column=of.to_numpy(),
        threshold=inner["threshold"].fill_null(0.0).to_numpy(),
        unknown_left=inner["unknown_left"].fill_null(True).to_numpy(),
        left=inner["left"].fill_null(0).to_numpy(),
        right=inner["right"].fill_null(0).to_numpy(),
        value=inner["value"].to_numpy(),
    )
