"""Conformance for people: findings with what to do about them, and one row per factory."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import polars as pl

from pipelines import clock
from pipelines.conformance import OEE_LEVEL, at_levels, by_factory, levels, todo
from pipelines.conformance_data import EXPECTED_UNITS, Observed
from pipelines.conformance_silence import MEASURED
from pipelines.equipment import UNIT
from pipelines.park_figures import CONFORMANCE
from pipelines.units import known

FACTORY: Final = pl.Schema(
    {
        "factory_id": pl.String(),
        "level": pl.Int8(),
        "work_units": pl.Int64(),
        "l0": pl.Int64(),
        "l1": pl.Int64(),
        "l2": pl.Int64(),
        "l3": pl.Int64(),
        "values": pl.Int64(),
        "faultless": pl.Int64(),
        "owed_us": pl.Int64(),
        "silent_us": pl.Int64(),
        "oee_share": pl.Float64(),
        "faultless_share": pl.Float64(),
        "heard_share": pl.Float64(),
    }
)
"""How a factory conforms on a day. `oee_share`: of work units, at L2 or above. `faultless_share`:
of values. `heard_share`: of the node-time that measured values owe. Null where nothing is owed."""

_TOLD: Final = [*CONFORMANCE.names(), "touched"]
Row = dict[str, Any]


@cache
def texts() -> pl.DataFrame:
    """`finding aspect least_share zh en`: below `least_share` a finding is not worth an errand."""
    path = files("pipelines").joinpath("conformance_findings.csv")
    with path.open("rb") as file:
        return pl.read_csv(file, schema_overrides={"least_share": pl.Float64})


def findings(observed: Observed, work_units: pl.DataFrame) -> pl.DataFrame:
    """`park_figures.CONFORMANCE` of what a day's data does wrong; what touches most comes first.

    `work_units`: equipment key and `level` (`conformance.levels`). What the interface lacks
    (`conformance.todo`) goes before it: a level unlocks more than a cleaner value.
    """
    judged = pl.concat(
        [_of_values(observed), _of_units(observed), _of_silence(observed), _of_clocks(observed)],
        how="diagonal",
    )
    told = judged.join(texts(), on="finding", how="left", maintain_order="left")
    worth = told.filter((pl.col("share") > pl.col("least_share")).fill_null(value=True))
    units = work_units.select(*UNIT[1:], unit_level="level")
    least = by_factory(work_units).rename({"level": "factory_level"})
    placed = (
        worth.join(units, on=UNIT[1:], how="left", nulls_equal=True, maintain_order="left")
        .join(least, on="factory_id", how="left", maintain_order="left")
        .with_columns(level=pl.coalesce("unit_level", "factory_level"))
    )
    rows = pl.DataFrame(
        list(_written(placed)), schema={**CONFORMANCE, "touched": pl.Float64()}, orient="row"
    )
    order = ["touched", *UNIT[1:], "finding", "subject"]
    return rows.sort(order, descending=[True] + [False] * 5).select(CONFORMANCE.names())


def table(tags: pl.DataFrame, cycles: pl.DataFrame, observed: Observed) -> pl.DataFrame:
    """`park_figures.CONFORMANCE` of a factory-day: what the interface lacks, then the data."""
    levels_now = levels(tags, cycles)
    return pl.concat([todo(tags, cycles), findings(observed, levels_now)])


def together(found: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """CONFORMANCE for a page: what every machine of a factory (two or more) has is one row.

    It stands where its first one stood, work unit and line null, its to-do naming how many
    machines; `share` is the greatest of theirs.
    """
    units = work_units.group_by("factory_id").agg(every=pl.len())
    key = ["factory_id", "aspect", "subject", "finding", "level", "unlocks"]
    counted = found.with_row_index("place").join(units, on="factory_id", how="left")
    own = pl.col("work_unit_id").is_not_null()
    in_all = own & (pl.col("work_unit_id").n_unique().over(key) == pl.col("every"))
    is_one = in_all & (pl.col("every") > 1)
    name = pl.concat_str("factory_id", "line_id", "work_unit_id", separator="/", ignore_nulls=True)
    whole = (
        counted.filter(is_one).with_columns(name=name)
        .group_by(key, maintain_order=True)
        .agg(
            pl.first("place", "every", "name", "todo_zh", "todo_en"), pl.max("share"),
        )
        .with_columns(
            todo_zh=pl.format("{}（全部 {} 台）：例如 {}", "factory_id", "every", "todo_zh"),
            todo_en=pl.format("{}, all {} machines: such as {}", "factory_id", "every", "todo_en"),
        )
    )  # fmt: skip
    both = pl.concat([counted.filter(~is_one), whole], how="diagonal").sort("place")
    return both.match_to_schema(CONFORMANCE, missing_columns="insert", extra_columns="ignore")


def factories(observed: Observed, work_units: pl.DataFrame) -> pl.DataFrame:
    """`FACTORY` rows: how many machines at which level, and how much of the data is without fault.

    There is no index of the two: nobody has said what a level is worth in values.
    """
    sums = observed.tags.group_by("factory_id").agg(
        pl.sum("values", "faulty", "owed_us", "silent_us")
    )
    levels = at_levels(work_units).join(by_factory(work_units), on="factory_id")
    return (
        levels.join(sums, on="factory_id", how="left")
        .with_columns(pl.col("values", "faulty", "owed_us", "silent_us").fill_null(0))
        .with_columns(faultless=pl.col("values") - pl.col("faulty"))
        .with_columns(
            oee_share=_share(
                pl.sum_horizontal(f"l{n}" for n in range(OEE_LEVEL, 4)), pl.col("work_units")
            ),
            faultless_share=_share(pl.col("faultless"), pl.col("values")),
            heard_share=_share(pl.col("owed_us") - pl.col("silent_us"), pl.col("owed_us")),
        )
        .sort("factory_id")
        .match_to_schema(FACTORY, extra_columns="ignore")
    )


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def _of_values(observed: Observed) -> pl.DataFrame:
    facts = observed.tags.select(
        *UNIT[1:], "tag_no", "node_id", "measure", "unit", "values", "counter_max", "reset_policy"
    )
    rows = observed.faults.join(facts, on="tag_no")
    detail = (
        pl.when(pl.col("finding") == "outside_unit").then("unit")
        .when(pl.col("finding") == "count_over_max").then(pl.col("counter_max").cast(pl.String))
        .when(pl.col("finding") == "count_fell").then(pl.col("reset_policy").fill_null("never"))
        .otherwise("detail")
    )  # fmt: skip
    return rows.select(
        *UNIT[1:], "node_id", "finding", "count", subject="measure", detail=detail,
        share=pl.col("count") / pl.col("values"), touched=pl.col("count").cast(pl.Float64),
    )  # fmt: skip


def _of_units(observed: Observed) -> pl.DataFrame:
    """Units that the catalogue lacks, that UNECE does not know, or that the name contradicts."""
    unit, measure = pl.col("unit").fill_null(""), pl.col("measure")
    expected = measure.replace_strict(EXPECTED_UNITS, default=None, return_dtype=pl.String)
    standing = observed.tags.filter(
        pl.col("valid_to").is_null(),
        pl.col("measure_kind").is_in(MEASURED) | expected.is_not_null(),
    )
    symbols = known().select(expected="symbol", expected_code="code")
    finding = (
        pl.when(unit == "").then(pl.lit("unit_missing"))
        .when(pl.col("code").is_null()).then(pl.lit("unit_unknown"))
        .when((pl.col("code") != expected) & pl.col("scale").is_null())
        .then(pl.lit("unit_other"))
    )  # fmt: skip
    return (
        standing.select(
            *UNIT[1:], "node_id", finding=finding, subject="measure", detail="unit",
            expected_code=expected, touched=pl.col("values").cast(pl.Float64),
        )
        .filter(pl.col("finding").is_not_null())
        .join(symbols, on="expected_code", how="left")
        .drop("expected_code")
    )  # fmt: skip


def _of_silence(observed: Observed) -> pl.DataFrame:
    """Silence weighs as many values as a node of that server that spoke says at most."""
    share = pl.col("silent_us") / pl.col("owed_us")
    most = observed.tags["values"].max()
    weight = float(most) if isinstance(most, int) else 0.0
    nodes = observed.tags.filter(pl.col("silent_us") > 0).select(
        *UNIT[1:], "node_id", finding=pl.lit("silent"), subject="measure",
        share=share, touched=share * weight,
    )  # fmt: skip
    units = observed.silence.by_unit.filter(pl.col("silent_us") > 0).select(
        *UNIT[1:], finding=pl.lit("unit_silent"), subject="work_unit_id",
        share=share, touched=share * weight,
    )  # fmt: skip
    return pl.concat([nodes, units], how="diagonal")


def _of_clocks(observed: Observed) -> pl.DataFrame:
    owners = observed.tags.group_by("server_uri").agg(pl.first("factory_id"))
    off = observed.clocks.filter(pl.col("offset_us").abs() > clock.TOLERATED_US)
    seconds = (pl.col("offset_us") / 1_000_000).round(1).cast(pl.String)
    finding = pl.when("stable").then(pl.lit("clock_offset")).otherwise(pl.lit("clock_unsteady"))
    return off.join(owners, on="server_uri").select(
        "factory_id", finding=finding, subject="server_uri", detail=seconds,
        touched=pl.col("rows").cast(pl.Float64),
    )  # fmt: skip


def _written(rows: pl.DataFrame) -> Iterator[Row]:
    for row in rows.iter_rows(named=True):
        place = "/".join(filter(None, (row[name] for name in UNIT[1:])))
        percent = "" if row["share"] is None else f"{100 * row['share']:.3g} %"
        said = {"percent": percent, "node": row.get("node_id"), "expected": row.get("expected")}
        said |= {"count": row.get("count"), "detail": row.get("detail") or "?"}
        zh, en = (row[name].format_map(said) for name in ("zh", "en"))
        yield _typed(row) | {
            "todo_zh": f"{place} {row['subject']}：{zh}",
            "todo_en": f"{place} {row['subject']} {en}",
        }


def _typed(row: Mapping[str, Any]) -> Row:
    return {name: row.get(name) for name in _TOLD}
