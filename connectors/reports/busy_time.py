"""Where the planned busy time of a day went: parts that add up, and the dearest losses first.

Numbers and words only, no markup. Minutes are whole microseconds divided once.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from connectors.reports import words
from pipelines.losses import PARTS, pareto

View = dict[str, Any]

TOP: Final = 10
US_PER_MIN: Final = 60_000_000
LEAST_MIN: Final = 0.001
"""Of PBT that no loss accounts for, more than this is said."""

GROUPS: Final = {
    "work_unit_id": words.MACHINE,
    "shift_id": words.SHIFT,
    "product_id": words.PRODUCT,
}
_CAUSE: Final = ["loss", "category", "stop_reason_code"]


def busy_time(
    losses: pl.DataFrame, oee: pl.DataFrame, reasons: pl.DataFrame, until: datetime
) -> View:
    """PBT in minutes and its `parts`; `groups` of rows by machine, shift, product; `ranks`.

    `losses` and `oee` are LOSSES_BY_SHIFT and OEE_BY_SHIFT of the same shifts, `reasons` say what
    codes mean by `until`. `apart_min` is PBT that no part accounts for; `ranks` the TOP losses by
    cause, `others` what comes after them, `gained_min` by machines faster than planned, where they
    outweigh the slow ones; `is_faster` says that there are some.
    """
    whole = losses.with_columns(us=(pl.col("lost_s") * 1_000_000).round().cast(pl.Int64))
    pbt_us = int((oee["pbt_s"] * 1_000_000).round().cast(pl.Int64).sum())
    (total,) = whole.select(_divided()).to_dicts()
    groups = {by: _rows(whole, by) for by in GROUPS}
    every = [total, *(row for rows in groups.values() for row in rows)]
    shown = [part for part in PARTS if any(row[part] for row in every)]
    ranks, others, gained_us = _ranks(whole, _names(reasons, until))
    return {
        "pbt_min": pbt_us / US_PER_MIN,
        "apart_min": (pbt_us - total["all"]) / US_PER_MIN,
        "is_apart": abs(pbt_us - total["all"]) > LEAST_MIN * US_PER_MIN,
        "is_faster": any(row["speed"] < 0 for row in groups["work_unit_id"]),
        "names": {part: words.PARTS[part] for part in shown},
        "parts": _minutes(total, shown),
        "groups": [
            {"name": GROUPS[by], "rows": [_row(row, by, shown) for row in rows]}
            for by, rows in groups.items()
        ],
        "heads": list(GROUPS.values()),
        "ranks": ranks,
        "others": others,
        "gained_min": gained_us / US_PER_MIN,
    }


def _divided() -> list[pl.Expr]:
    """Microseconds by part, and `all` of them."""
    of = pl.col("us").filter
    return [
        *(of(pl.col("loss") == part).sum().alias(part) for part in PARTS),
        pl.col("us").sum().alias("all"),
    ]


def _rows(whole: pl.DataFrame, by: str) -> list[View]:
    return whole.group_by(by).agg(_divided()).sort(by, nulls_last=True).to_dicts()


def _row(row: Mapping[str, Any], by: str, shown: list[str]) -> View:
    pbt_min = row["all"] / US_PER_MIN
    return {"name": row[by] or "", "parts": _minutes(row, shown), "pbt_min": pbt_min}


def _minutes(row: Mapping[str, Any], shown: list[str]) -> dict[str, float]:
    return {part: row[part] / US_PER_MIN for part in shown}


def _ranks(
    whole: pl.DataFrame, names: Mapping[str, words.Pair]
) -> tuple[list[View], View | None, int]:
    """The TOP causes, the sum of the others, and the microseconds gained by speed (below zero)."""
    summed = pl.col("us").sum().over(_CAUSE)
    lost = pareto(whole.filter(summed > 0), _CAUSE)
    gained = whole.filter(summed < 0)["us"].sum()
    first, rest = lost.head(TOP), lost.slice(TOP)
    others = (
        {"count": rest.height, "lost_min": rest["lost_s"].sum() / 60, "share": rest["share"].sum()}
        if rest.height
        else None
    )
    return [_rank(row, whole, names) for row in first.iter_rows(named=True)], others, int(gained)


def _rank(row: View, whole: pl.DataFrame, names: Mapping[str, words.Pair]) -> View:
    own = whole.filter(pl.col(name).eq_missing(pl.lit(row[name])) for name in _CAUSE)
    return {
        "loss": row["loss"],
        "label": _label(row, names),
        "lost_min": row["lost_s"] / 60,
        "share": row["share"],
        "cumulative": row["cumulative"],
        "stops": row["stops"],
        "pieces": row["pieces"],
        "most": [_most(own, by) for by in GROUPS],
    }


def _most(own: pl.DataFrame, by: str) -> View | None:
    """Which machine, shift or product has most of a loss, and its share; None without a name."""
    sums = own.group_by(by).agg(pl.sum("us")).filter(pl.col("us") > 0)
    first = sums.with_columns(share=pl.col("us") / pl.sum("us")).sort(
        "share", by, descending=[True, False]
    )
    name, share = first.select(by, "share").row(0)
    return None if name is None else {"name": name, "share": share}


def _label(row: View, names: Mapping[str, words.Pair]) -> words.Pair:
    """The loss and its cause: the code and its name, else the category, else the loss alone."""
    loss, code = words.pair(words.PARTS, row["loss"]), row["stop_reason_code"]
    if code:
        zh, en = names.get(code, ("", ""))
        cause = (f"{code} {zh}".strip(), f"{code} {en}".strip())
    elif row["category"]:
        cause = words.pair(words.CATEGORIES, row["category"])
    else:
        return loss
    return f"{loss[0]} · {cause[0]}", f"{loss[1]} · {cause[1]}"


def _names(reasons: pl.DataFrame, until: datetime) -> dict[str, words.Pair]:
    """What each code is called by then; every name where machines call it differently."""
    unit = ["park_id", "factory_id", "line_id", "work_unit_id", "stop_reason_code"]
    dated = reasons.filter((pl.col("valid_from") <= until).fill_null(value=True))
    now = dated.sort("valid_from", nulls_last=False).unique(unit, keep="last", maintain_order=True)
    return {
        str(code): (
            _called(rows["name_zh"], rows["name_en"]),
            _called(rows["name_en"], rows["name_zh"]),
        )
        for (code,), rows in now.group_by("stop_reason_code")
        if rows["name_zh"].count() + rows["name_en"].count()
    }


def _called(own: pl.Series, other: pl.Series) -> str:
    return " / ".join(dict.fromkeys(_said(own, other)))


def _said(own: pl.Series, other: pl.Series) -> Iterator[str]:
    for name, instead in sorted(zip(own, other, strict=True), key=str):
        if name or instead:
            yield name or instead
