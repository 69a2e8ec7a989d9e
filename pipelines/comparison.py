"""Recovered figures against what the simulator knows really happened."""

from typing import Any, Final

import polars as pl

from pipelines.coverage import disjoint
from pipelines.equipment import AnyFrame, eager
from pipelines.raw import event_ticks, time_of
from pipelines.schemas import TIME
from pipelines.shifts import SHIFT_KEY

Tally = dict[str, int | float | None]

NODE: Final = ["server_uri", "node_id"]
PACKED: Final = ["node", "ticks", "bits", "meta"]
ELEMENTS_S: Final = ["apt_s", "aust_s", "adet_s", "adot_s"]
ROUNDING: Final = 1e-9
"""An OEE of whole microseconds over a shift cannot differ by less than 1e-11 and mean it."""

ADOPTION_KEY: Final = ["reference_date", "park_id", "metric_id", "basis"]
ADOPTION_FIGURES: Final = ["numerator", "denominator", "unknown"]
TOP: Final = 3


def values(
    exported: AnyFrame, emitted: AnyFrame, windows: pl.DataFrame | None = None
) -> tuple[dict[str, int], pl.DataFrame]:
    """Counts emitted, exported, lost, repeated, foreign; and per node the last three.

    `emitted` counts inside `windows` (server_uri, from_time, to_time; event time, start inclusive)
    or everywhere.
    `exported` counts every row; `repeated` those beyond the first of a value; `foreign` the values
    that no source emitted. Values are the same when `schemas.REPEAT_KEY` is, float bits included.
    """
    truth, ours = eager(emitted), eager(exported)
    said, heard = _packed(truth), _packed(ours)
    once = heard.group_by(PACKED).len()
    asked = said if windows is None else _inside(truth, said, windows)
    asked = asked.select(PACKED).unique()
    apart = {
        "lost": asked.join(once, on=PACKED, how="anti", nulls_equal=True),
        "repeated": once.filter(pl.col("len") > 1).with_columns(pl.col("len") - 1),
        "foreign": once.join(said, on=PACKED, how="anti", nulls_equal=True),
    }
    counts = {
        "emitted": asked.height,
        "exported": heard.height,
        "lost": apart["lost"].height,
        "repeated": int(apart["repeated"]["len"].sum()),
        "foreign": apart["foreign"].height,
    }
    return counts, _per_node(apart, [truth, ours])


def oee(figures: AnyFrame, truth: AnyFrame) -> tuple[Tally, pl.DataFrame]:
    """Our OEE per machine and shift beside the true one, both sides complete or not.

    The tally: machine_shifts compared, missing (true ones within our span of time that we lack),
    fully_covered, max_abs_error over those (1 where only one side is defined), inside_bounds (of
    all compared), median_bound_width, max_completeness_error, max_loss_error_s (any time element,
    fully covered). Open shifts are set aside, as is the completeness of partly collected ones.
    """
    beside = _beside(eager(figures), eager(truth))
    compared = beside.filter("compared")
    whole = compared.filter("whole")
    settled = compared.filter(pl.col("whole") | ~pl.col("fully_covered"))
    tally: Tally = {
        "machine_shifts": compared.height,
        "missing": beside.filter("missing").height,
        "fully_covered": whole.height,
        "max_abs_error": _most(whole, "abs_error"),
        "inside_bounds": compared.filter("inside_bounds").height,
        "median_bound_width": _number(compared["bound_width"].median()),
        "max_completeness_error": _most(settled, "completeness_error"),
        "max_loss_error_s": _most(whole, "loss_error_s"),
    }
    return tally, beside


def adoption(figures: AnyFrame, truth: AnyFrame) -> tuple[dict[str, int], pl.DataFrame]:
    """Counts figures (true ones) and unequal, and gives the unequal rows.

    Unequal: numerator, denominator or unknown differ, or the figure is missing on either side.
    """
    ours = eager(figures).select(*ADOPTION_KEY, *ADOPTION_FIGURES, ours=pl.lit(value=True))
    true = eager(truth).select(*ADOPTION_KEY, *ADOPTION_FIGURES, true=pl.lit(value=True))
    beside = true.join(
        ours, on=ADOPTION_KEY, how="full", coalesce=True, suffix="_ours", nulls_equal=True
    )
    differs = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_ours")) for name in ADOPTION_FIGURES
    )
    unequal = beside.filter(differs | pl.col("ours").is_null() | pl.col("true").is_null())
    return {"figures": true.height, "unequal": unequal.height}, unequal.sort(ADOPTION_KEY)


def events(
    events: AnyFrame, faults: AnyFrame, machine_weeks: float | None = None
) -> tuple[Tally, pl.DataFrame]:
    """Anomaly events against planted faults, by overlap in time on the same work unit.

    The tally: planted, events, recall, precision, culprit_in_top3 (of the detected faults, those
    with an overlapping event that names a true signal among its first three) and false alarms per
    machine-week where the span is given. Null where nothing was planted or reported.
    """
    found, planted = eager(events).with_row_index("event"), eager(faults)
    pairs = _overlaps(found, planted)
    named = pairs.filter("named")["fault_id"].n_unique()
    detected, true = pairs["fault_id"].n_unique(), pairs["event"].n_unique()
    false_alarms = found.height - true
    tally: Tally = {
        "planted": planted.height,
        "events": found.height,
        "recall": _share(detected, planted.height),
        "precision": _share(true, found.height),
        "culprit_in_top3": _share(named, detected),
        "false_alarms_per_machine_week": false_alarms / machine_weeks if machine_weeks else None,
    }
    per_fault = pairs.group_by("fault_id").agg(
        pl.len().alias("events"), pl.col("named").any(), pl.min("delay_s")
    )
    beside = planted.join(per_fault, on="fault_id", how="left")
    return tally, beside.with_columns(pl.col("events").fill_null(0)).sort("fault_id")


def _packed(rows: pl.DataFrame) -> pl.DataFrame:
    """Identity of values in four integer columns, in row order.

    Numbers keep their bits; node, text, bytes and type are hashed (64 bits).
    """
    bits = pl.coalesce(
        pl.col("value_float").cast(pl.Float64).reinterpret(dtype=pl.Int64),
        pl.col("value_int").cast(pl.Int64),
        pl.col("value_uint").cast(pl.UInt64).reinterpret(dtype=pl.Int64),
        _hashed(pl.col("value_text").cast(pl.String)),
        _hashed(pl.col("value_raw")),
    )
    kind = pl.col("value_type").cast(pl.String).hash() // 2**33
    meta = kind * 2 + pl.col("is_array").cast(pl.UInt64)
    return rows.select(
        node=_node(),
        ticks=event_ticks(),
        bits=bits,
        meta=meta * 2**32 + pl.col("status_code").cast(pl.UInt64),
    )


def _node() -> pl.Expr:
    server, node = (pl.col(name).cast(pl.String).hash() for name in NODE)
    return server ^ (node // 2)


def _per_node(apart: dict[str, pl.DataFrame], frames: list[pl.DataFrame]) -> pl.DataFrame:
    """What is apart, counted per server_uri and node_id; nodes without any are left out."""
    counted = [
        rows.select(
            "node", pl.lit(kind).alias("kind"), count=pl.col("len") if "len" in rows.columns else 1
        )
        for kind, rows in apart.items()
    ]
    counts = pl.concat(rows.with_columns(pl.col("count").cast(pl.Int64)) for rows in counted)
    per_node = counts.group_by("node").agg(
        pl.col("count").filter(pl.col("kind") == kind).sum().alias(kind) for kind in apart
    )
    touched = per_node["node"].implode()
    names = [
        frame.select(pl.col(NODE).cast(pl.String), node=_node())
        .filter(pl.col("node").is_in(touched))
        .unique("node")
        for frame in frames
    ]
    named = pl.concat(names).unique("node")
    return named.join(per_node, on="node").select(*NODE, *apart).sort(NODE)


def _hashed(text: pl.Expr) -> pl.Expr:
    return pl.when(text.is_not_null()).then(text.hash().reinterpret(dtype=pl.Int64))


def _inside(truth: pl.DataFrame, said: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The emitted values whose event time lies in a window of their server.

    A value that left its source (`delivered_ticks`) after the window's end was not there to take.
    """
    left = "delivered_ticks" if "delivered_ticks" in truth.columns else "source_ticks"
    delivered = truth[left].alias("delivered_ticks")
    server = truth["server_uri"].cast(pl.String)
    spans = disjoint(windows, ["server_uri"]).sort("from_time")
    placed = (
        said.with_columns(delivered, server, time=time_of(pl.col("ticks")))
        .sort("time")
        .join_asof(
            spans, left_on="time", right_on="from_time", by="server_uri", check_sortedness=False
        )
    )
    in_time = (pl.col("time") < pl.col("to_time")) & (
        time_of(pl.col("delivered_ticks")).fill_null(pl.col("time")) < pl.col("to_time")
    )
    return placed.filter(in_time)


def _beside(figures: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    ours = [*ELEMENTS_S, "oee", "completeness", "lower", "upper", "is_open"]
    key = [name for name in SHIFT_KEY if name != "park_id"]
    first, last = figures["start"].min(), figures["end"].max()
    reached = (pl.col("start") >= pl.lit(first, TIME)) & (pl.col("end") <= pl.lit(last, TIME))
    true = truth.select(
        *key,
        "fully_covered",
        reached.fill_null(value=False).alias("reached"),
        *(pl.col(name).alias(f"{name}_true") for name in ours[:-3]),
    )
    both = true.join(
        figures.select(*key, *ours), on=key, how="left", nulls_equal=True, coalesce=True
    )
    loss = pl.max_horizontal((pl.col(s) - pl.col(f"{s}_true")).abs() for s in ELEMENTS_S)
    undefined = pl.col("oee").is_null() != pl.col("oee_true").is_null()
    error = (
        pl.when(undefined)
        .then(1.0)
        .otherwise((pl.col("oee") - pl.col("oee_true")).abs().fill_null(0))
    )
    inside = (
        pl.col("oee_true").is_between(pl.col("lower") - ROUNDING, pl.col("upper") + ROUNDING)
        | pl.col("oee_true").is_null()
    )
    return both.with_columns(
        missing=pl.col("reached") & pl.col("is_open").is_null(),
        compared=(~pl.col("is_open")).fill_null(value=False),
        whole=((pl.col("completeness").fill_null(1) == 1) & pl.col("fully_covered")),
        abs_error=error,
        loss_error_s=loss,
        inside_bounds=inside.fill_null(value=False),
        bound_width=pl.col("upper") - pl.col("lower"),
        completeness_error=(pl.col("completeness") - pl.col("completeness_true")).abs(),
    ).sort(key)


def _overlaps(found: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Pairs of event and fault on one work unit that share time; `named`, `delay_s`."""
    unit = [name for name in ("factory_id", "work_unit_id") if name in found.columns]
    first = pl.col("contributors").list.head(TOP).list.eval(pl.element().struct.field("sensor"))
    reported = found.select(*unit, "event", began="start", ended="end", sensors=first)
    open_end = pl.col("ended").is_null() | (pl.col("ended") > pl.col("start"))
    still = pl.col("end").is_null() | (pl.col("began") < pl.col("end"))
    delay = (pl.col("began") - pl.col("start")).dt.total_microseconds() / 1_000_000
    signals = _signals(planted.schema["signals"])
    pairs = reported.join(planted.with_columns(signals=signals), on=unit).filter(open_end, still)
    named = pl.col("sensors").list.set_intersection("signals").list.len() > 0
    return pairs.select("event", "fault_id", named=named, delay_s=delay.clip(0))


def _signals(dtype: Any) -> pl.Expr:  # noqa: ANN401
    """The faulty signals as a list; a text names them between commas."""
    if isinstance(dtype, pl.List):
        return pl.col("signals")
    return pl.col("signals").str.strip_chars("[] ").str.replace_all(r"[\"' ]", "").str.split(",")


def _most(rows: pl.DataFrame, name: str) -> float | None:
    return _number(rows[name].max())


def _number(value: Any) -> float | None:  # noqa: ANN401
    return None if value is None else float(value)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
