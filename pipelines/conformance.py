"""How far a factory speaks the unified data interface: levels L0 to L3."""

from typing import Final

import polars as pl

from pipelines.equipment import UNIT
from pipelines.park_figures import CONFORMANCE

STATE: Final = ["item_state", "packml_state"]
OUTCOME: Final = ["parts_good", "parts_bad"]
OEE_LEVEL: Final = 2
"""From this level on OEE can be computed."""


NEEDS: Final = {
    1: {"state": STATE, "total": ["parts_total"]},
    2: {"outcome": OUTCOME, "order": ["order_id"], "ideal": ["ideal_cycle_s"]},
    3: {"reason": ["stop_reason_code"], "energy": ["energy_kwh"]},
}
"""What each level asks for beyond the one below: any one of these measures."""

WORDS: Final = {
    "state": ("设备状态", "machine state"),
    "total": ("总产量累计数", "total count"),
    "outcome": ("合格数或不合格数", "good or bad count"),
    "order": ("工单号", "order"),
    "ideal": (
        "单件计划时间（也可由节拍文件给出）",
        "run time per item (a cycles file will do too)",
    ),
    "reason": ("停机原因代码", "stop reason code"),
    "energy": ("累计电能", "cumulative energy"),
}
"""What people call a need, in Chinese and English."""

LEVELS: Final = [0, *NEEDS]
_NAMES: Final = [name for need in NEEDS.values() for name in need]


def levels(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Per work unit of the tag catalogue: equipment key, `level`.

    L0 reachable; L1 state and total count; L2 also good or bad count, order and planned run time
    (from `cycles` or the interface itself); L3 also stop reasons and energy.
    """
    return assessed(tags, cycles).select(*UNIT, "level")


def assessed(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """`levels` with `missing`: the measures the next level asks for, alternatives as `a|b`."""
    said = _said(tags, cycles).with_columns(level=_reached())
    return said.select(*UNIT, "level", missing=_missing()).sort(UNIT)


def todo(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """`park_figures.CONFORMANCE`: what each work unit's next level lacks, the most useful first.

    First what alone brings a machine its OEE, then what alone lifts it, by how far; among equals
    those that hold their factory back (its level is its least machine's).
    """
    said = _said(tags, cycles).with_columns(level=_reached())
    lacking = [
        said.filter(pl.col("level") == level - 1, ~pl.col(name)).select(
            *UNIT, "level", place=pl.lit(place), name=pl.lit(name),
            subject=pl.lit("|".join(measures)),
            alone=_reached({name}), together=_reached(set(need)),
        )
        for level, need in NEEDS.items()
        for place, (name, measures) in enumerate(need.items())
    ]  # fmt: skip
    rows = pl.concat(lacking).with_columns(
        unlocks=pl.when(pl.col("alone") > pl.col("level")).then("alone")
    )
    return _told(_ranked(rows, said))


def by_line(work_units: pl.DataFrame) -> pl.DataFrame:
    """`factory_id line_id level`: a line, too, is where its least machine is."""
    lines = work_units.filter(pl.col("line_id").is_not_null())
    return (
        lines.group_by("factory_id", "line_id").agg(pl.min("level")).sort("factory_id", "line_id")
    )


def by_factory(work_units: pl.DataFrame) -> pl.DataFrame:
    """`factory_id level`: a factory is where its least machine is."""
    return work_units.group_by("factory_id").agg(pl.min("level")).sort("factory_id")


def at_levels(work_units: pl.DataFrame) -> pl.DataFrame:
    """Per factory how many `work_units` there are, and how many at each level: `l0` to `l3`."""
    return (
        work_units.group_by("factory_id")
        .agg(
            pl.len().cast(pl.Int64).alias("work_units"),
            *((pl.col("level") == n).sum().cast(pl.Int64).alias(f"l{n}") for n in LEVELS),
        )
        .sort("factory_id")
    )


def _said(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Per work unit whether it says what each need asks for."""
    priced = cycles.select("factory_id", "work_unit_id").unique()
    standing = tags.filter(pl.col("valid_to").is_null()) if "valid_to" in tags.columns else tags
    return (
        standing.filter(pl.col("work_unit_id").is_not_null())
        .group_by(UNIT)
        .agg(
            _any(measures).alias(name) for need in NEEDS.values() for name, measures in need.items()
        )
        .join(
            priced.with_columns(priced=pl.lit(value=True)),
            on=["factory_id", "work_unit_id"],
            how="left",
        )
        .with_columns(ideal=pl.col("ideal") | pl.col("priced").fill_null(value=False))
    )


def _reached(given: set[str] | None = None) -> pl.Expr:
    """The level reached, were the needs in `given` met too."""
    met = {name: pl.lit(value=True) if name in (given or ()) else pl.col(name) for name in _NAMES}
    whole = [pl.all_horizontal(met[name] for name in need) for need in NEEDS.values()]
    reached = [pl.all_horizontal(whole[:level]) for level in NEEDS]
    return pl.sum_horizontal(one.cast(pl.Int8) for one in reached).cast(pl.Int8)


def _missing() -> pl.Expr:
    lacking = [
        pl.when((pl.col("level") == level - 1) & ~pl.col(name)).then(pl.lit("|".join(measures)))
        for level, need in NEEDS.items()
        for name, measures in need.items()
    ]
    return pl.concat_list(lacking).list.drop_nulls()


def _ranked(rows: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    least = said.group_by("factory_id").agg(least=pl.min("level"))
    brings_oee = (pl.col("level") < OEE_LEVEL) & (pl.col("unlocks") >= OEE_LEVEL)
    lift = (pl.col("unlocks") - pl.col("level")).fill_null(0)
    placed = rows.join(least, on="factory_id", nulls_equal=True).with_columns(
        brings_oee=brings_oee.fill_null(value=False), lift=lift,
        holds_back=pl.col("level") == pl.col("least"),
    )  # fmt: skip
    first = ["brings_oee", "lift", "holds_back"]
    return placed.sort(
        *first, "level", *UNIT, "place", descending=[True] * len(first) + [False] * 6
    )


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what to do, for an engineer."""
    place = pl.concat_str("factory_id", "line_id", "work_unit_id", separator="/", ignore_nulls=True)
    zh = {name: words[0] for name, words in WORDS.items()}
    en = {name: words[1] for name, words in WORDS.items()}
    brings = pl.col("brings_oee")
    oee_zh = pl.when(brings).then(pl.lit("，并可计算 OEE")).otherwise(pl.lit(""))
    oee_en = pl.when(brings).then(pl.lit(", and its OEE can be computed")).otherwise(pl.lit(""))
    alone, also = pl.col("unlocks"), pl.col("together")
    return rows.select(
        *UNIT[1:], "level", aspect=pl.lit("missing"), subject="subject", finding="name",
        share=pl.lit(None, pl.Float64), unlocks="unlocks",
        todo_zh=pl.format(
            "{}：接口中没有{}，请增加变量 {}；", place, pl.col("name").replace(zh),
            pl.col("subject").str.replace("|", " 或 ", literal=True),
        ) + pl.when(alone.is_not_null())
        .then(pl.format("仅此一项即由 L{} 升至 L{}{}。", "level", alone.fill_null(0), oee_zh))
        .otherwise(pl.format("与同级其余缺项一并补齐后由 L{} 升至 L{}。", "level", also)),
        todo_en=pl.format(
            "{}: the interface has no {}; add {}: ", place, pl.col("name").replace(en),
            pl.col("subject").str.replace("|", " or ", literal=True),
        ) + pl.when(alone.is_not_null())
        .then(pl.format(
            "this alone lifts it from L{} to L{}{}.", "level", alone.fill_null(0), oee_en
        ))
        .otherwise(pl.format(
            "with the others that L{} asks for it is lifted from L{} to L{}.",
            pl.col("level") + 1, "level", also,
        )),
    ).match_to_schema(CONFORMANCE)  # fmt: skip


def _any(measures: list[str]) -> pl.Expr:
    return pl.col("measure").is_in(measures).any()
