"""When nodes that should speak did not: silence of the factory's own, never of our collection."""

from datetime import date, timedelta
from typing import Final, NamedTuple

import polars as pl

from pipelines.coverage import disjoint, heard, lapped
from pipelines.days import midnight
from pipelines.equipment import UNIT
from pipelines.schemas import TIME

MEASURED: Final = ["process", "energy"]
"""Kinds that speak by themselves. States, counters and orders speak when they change only."""

SILENT_US: Final = 900_000_000
"""A quarter of an hour: a shorter pause may be a deadband or a slow process."""

PERIODS: Final = 20
"""A node is silent after so many of its own usual steps at the earliest."""

TAG: Final = ["tag_no"]
SPAN: Final = ["from_time", "to_time"]


class Listened(NamedTuple):
    """`by_tag`: tag_no, owed_us, silent_us; `by_unit`: equipment key, owed_us, silent_us.

    A tag's silence is what its machine's other nodes did not share; theirs together is the unit's.
    """

    by_tag: pl.DataFrame
    by_unit: pl.DataFrame


def listened(
    rows: pl.DataFrame,
    known: pl.DataFrame,
    day: date,
    coverage: pl.DataFrame,
    gaps: pl.DataFrame,
) -> Listened:
    """Who was silent on a local day, in microseconds of the time that was owed.

    `rows` by tag and time (`catalogue.named`), `known` their tags. Owed is the part of the day in
    which the tag held, the ledger vouches for its server, and no gap of either is on record.
    """
    needed = _needed(known, day)
    there = _there(needed, coverage)
    missed = _missed(needed, gaps)
    owed = heard(needed.select(*TAG, *SPAN), there, missed, TAG)
    quiet = _quiet(rows, needed)
    shared = _shared(quiet, needed)
    own = heard(
        quiet.select(*TAG, *SPAN),
        _clipped(quiet, there),
        pl.concat([missed, _clipped(quiet, shared.select(*TAG, *SPAN))]),
        TAG,
    )
    limits = quiet.group_by(TAG).agg(pl.first("limit_us"))
    silent = _long(own.join(limits, on="tag_no"), pl.col("limit_us"))
    by_tag = _sums(owed, TAG, "owed_us").join(
        _sums(silent, TAG, "silent_us"), on=TAG, how="left"
    ).with_columns(pl.col("silent_us").fill_null(0))  # fmt: skip
    return Listened(by_tag, _by_unit(owed, shared, there, missed, needed))


def _needed(known: pl.DataFrame, day: date) -> pl.DataFrame:
    """`tag_no server_uri node_id`, work unit, and the part of the day in which the tag held."""
    begin, end = (pl.lit(midnight(day + timedelta(days=n)), TIME) for n in (0, 1))
    spans = known.filter(pl.col("measure_kind").is_in(MEASURED)).with_columns(
        from_time=pl.max_horizontal(begin, "valid_from"),
        to_time=pl.min_horizontal(end, "valid_to"),
    )
    held = spans.filter(pl.col("from_time") < pl.col("to_time"))
    return held.select(*TAG, "server_uri", "node_id", *UNIT, *SPAN)


def _there(needed: pl.DataFrame, coverage: pl.DataFrame) -> pl.DataFrame:
    vouched = disjoint(coverage, ["server_uri"])
    return lapped(needed.join(vouched, on="server_uri", suffix="_other")).select(*TAG, *SPAN)


def _missed(needed: pl.DataFrame, gaps: pl.DataFrame) -> pl.DataFrame:
    """Gaps of the servers and of single nodes, each cut to the day."""
    of_server = gaps.filter(pl.col("node_id").is_null())
    of_node = gaps.filter(pl.col("node_id").is_not_null())
    parts = [
        needed.join(of_server, on="server_uri", suffix="_other"),
        needed.join(of_node, on=["server_uri", "node_id"], suffix="_other"),
    ]
    return disjoint(pl.concat([lapped(part).select(*TAG, *SPAN) for part in parts]), TAG)


def _quiet(rows: pl.DataFrame, needed: pl.DataFrame) -> pl.DataFrame:
    """Spans of `needed` without a value that are longer than the tag's `limit_us`."""
    nobody = pl.repeat(value=False, n=_tags(rows, needed), dtype=pl.Boolean, eager=True)
    is_needed = nobody.scatter(needed["tag_no"], values=True)
    own = rows.filter(is_needed.gather(rows["tag_no"])).select("tag_no", "time")
    same = pl.col("tag_no") == pl.col("tag_no").shift(1)
    before = pl.when(same).then(pl.col("time").shift(1))
    steps = own.select("tag_no", from_time=before, to_time=pl.col("time"))
    inner = _long(steps, pl.lit(SILENT_US))
    ends = own.group_by("tag_no").agg(first=pl.min("time"), last=pl.max("time"))
    edged = needed.join(ends, on="tag_no", how="left")
    head = edged.select("tag_no", "from_time", to_time=pl.coalesce("first", "to_time"))
    tail = edged.filter(pl.col("last").is_not_null()).select(
        "tag_no", from_time="last", to_time="to_time"
    )
    found = pl.concat([inner, _long(head, pl.lit(SILENT_US)), _long(tail, pl.lit(SILENT_US))])
    limits = _limits(own.join(found.select(TAG).unique(), on="tag_no", how="semi"))
    judged = found.join(limits, on="tag_no", how="left").with_columns(
        pl.col("limit_us").fill_null(SILENT_US)
    )
    cut = lapped(judged.join(needed, on="tag_no", suffix="_other"))
    return _long(cut.select(*TAG, "server_uri", *UNIT, "limit_us", *SPAN), pl.col("limit_us"))


def _tags(rows: pl.DataFrame, needed: pl.DataFrame) -> int:
    """One more than the greatest tag number."""
    ends = [one["tag_no"].max() for one in (rows, needed) if one.height]
    return 1 + max(end for end in ends if isinstance(end, int)) if ends else 0


def _limits(own: pl.DataFrame) -> pl.DataFrame:
    """Per tag how long a pause is none yet: PERIODS of its median step, SILENT_US at least."""
    step = pl.when(pl.col("tag_no") == pl.col("tag_no").shift(1)).then(
        pl.col("time").diff().dt.total_microseconds()
    )
    medians = own.select("tag_no", step=step).group_by("tag_no").agg(
        pl.col("step").filter(pl.col("step") > 0).quantile(0.5, "lower").cast(pl.Int64)
    )  # fmt: skip
    usual = pl.max_horizontal(pl.col("step") * PERIODS, SILENT_US)
    return medians.select("tag_no", limit_us=usual.fill_null(SILENT_US))


def _shared(quiet: pl.DataFrame, needed: pl.DataFrame) -> pl.DataFrame:
    """Spans, by tag, in which every needed node of the tag's work unit was quiet.

    Two that touch stay two: at the instant between them somebody spoke.
    """
    nodes = needed.select(*UNIT, "tag_no").unique().group_by(UNIT).agg(nodes=pl.len())
    edges = [
        quiet.select(*UNIT, time=name, depth=pl.lit(sign, pl.Int64))
        for name, sign in (("from_time", 1), ("to_time", -1))
    ]
    depth = (
        pl.concat(edges).group_by(*UNIT, "time").agg(pl.sum("depth")).sort(*UNIT, "time")
        .with_columns(
            pl.col("depth").cum_sum().over(UNIT), to_time=pl.col("time").shift(-1).over(UNIT)
        )
        .join(nodes, on=UNIT, nulls_equal=True)
        .filter(pl.col("depth") == pl.col("nodes"), pl.col("to_time").is_not_null())
    )  # fmt: skip
    whole = depth.select(*UNIT, from_time="time", to_time="to_time")
    return whole.join(needed.select(*UNIT, "tag_no"), on=UNIT, nulls_equal=True)


def _clipped(quiet: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The parts of `spans` (by tag) that lie in a quiet span of the same tag."""
    return lapped(quiet.select(*TAG, *SPAN).join(spans, on="tag_no", suffix="_other")).select(
        *TAG, *SPAN
    )


def _by_unit(
    owed: pl.DataFrame,
    shared: pl.DataFrame,
    there: pl.DataFrame,
    missed: pl.DataFrame,
    needed: pl.DataFrame,
) -> pl.DataFrame:
    """Silence of whole work units: of each the node that was owed the most stands for all."""
    units = needed.select(*UNIT, "tag_no").unique()
    spans = shared.select(*TAG, *SPAN)  # not merged: where two touch, somebody spoke
    quiet = _long(heard(spans, _clipped(spans, there), missed, TAG), pl.lit(SILENT_US))
    both = (
        units.join(_sums(owed, TAG, "owed_us"), on="tag_no", how="left")
        .join(_sums(quiet, TAG, "silent_us"), on="tag_no", how="left")
        .with_columns(pl.col("owed_us", "silent_us").fill_null(0))
    )
    fullest = both.sort(
        *UNIT, "owed_us", "silent_us", "tag_no", descending=[False] * 4 + [True, False, False]
    )
    return fullest.unique(UNIT, keep="first", maintain_order=True).drop("tag_no")


def _long(spans: pl.DataFrame, limit_us: pl.Expr) -> pl.DataFrame:
    return spans.filter(_us() > limit_us)


def _us() -> pl.Expr:
    return (pl.col("to_time") - pl.col("from_time")).dt.total_microseconds()


def _sums(spans: pl.DataFrame, key: list[str], name: str) -> pl.DataFrame:
    return spans.group_by(key).agg(_us().sum().cast(pl.Int64).alias(name))
