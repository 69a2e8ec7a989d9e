"""Recovered figures against what the simulator knows really happened."""

from datetime import timedelta
from typing import Any, Final

import polars as pl

from pipelines import shift_errors
from pipelines.catalogue import NODE
from pipelines.coverage import disjoint
from pipelines.equipment import AnyFrame, eager
from pipelines.raw import event_ticks, time_of
from pipelines.schemas import TIME
from pipelines.shift_errors import ROUNDING
from pipelines.shifts import SHIFT_KEY

Tally = dict[str, int | float | None]

ELEMENTS_S: Final = ["apt_s", "aust_s", "adet_s", "adot_s"]

ADOPTION_KEY: Final = [
    "reference_date", "park_id", "dimension", "class_id", "metric_id", "basis",
]  # fmt: skip
ADOPTION_FIGURES: Final = ["numerator", "denominator", "unknown"]
STOPS: Final = ["breakdown", "minor_stop", "waiting"]
"""Which of them a stop is, its whole length says: one that began before anything was collected,
nobody can tell."""
TOP: Final = 3
SLACK: Final = timedelta(minutes=30)
"""Wear is seen by averages that look back: they may cross their limit after it has ended."""

NAMED_BY_KIND: Final = ["micro_stop_burst", "speed_loss", "quality_slide"]
"""Faults of production, not of a sensor: the kind of the event says what is wrong."""


def values(
    exported: AnyFrame, emitted: AnyFrame, windows: pl.DataFrame | None = None
) -> tuple[dict[str, int], pl.DataFrame]:
    """Counts emitted, exported, lost, repeated, foreign; and the last three by value.

    `emitted` counts inside `windows` (server_uri, from_time, to_time; event time, start inclusive)
    or everywhere.
    `exported` counts every row; `repeated` those beyond the first of a value; `foreign` the values
    that no source emitted. Values are the same when `schemas.REPEAT_KEY` is, float bits included.
    What is apart has `kind`, `server_uri`, `node_id`, `ticks` (event), `count`, and `row`: its
    place in `emitted` (lost) or `exported`.
    """
    truth, ours = eager(emitted), eager(exported)
    said, heard = _identities(truth), _identities(ours)
    once = heard.group_by("value").agg(pl.len(), pl.first("row"))
    asked = said if windows is None else _inside(truth, said, windows)
    asked = asked.unique("value")
    lost = asked.join(once, on="value", how="anti")
    again = once.filter(pl.col("len") > 1).with_columns(pl.col("len") - 1)
    foreign = once.join(said, on="value", how="anti")
    counts = {
        "emitted": asked.height,
        "exported": heard.height,
        "lost": lost.height,
        "repeated": int(again["len"].sum()),
        "foreign": foreign.height,
    }
    parts = [
        _named(kind, frame, rows)
        for kind, frame, rows in (
            ("lost", truth, lost.with_columns(len=1)),
            ("repeated", ours, again),
            ("foreign", ours, foreign),
        )
    ]
    return counts, pl.concat(parts)


def oee(
    figures: AnyFrame, truth: AnyFrame, windows: pl.DataFrame | None = None
) -> tuple[Tally, pl.DataFrame]:
    """Our OEE per machine and shift beside the true one.

    `windows` (factory_id, from_time, to_time; true time) is what was collected, by default the
    span of our figures. A true shift wholly in a window is asked for, and it is fully covered when
    the truth says so: no word of ours can excuse an error.

    The tally: machine_shifts (asked for), missing (of those, the ones that we lack or still call
    open), fully_covered, inside_bounds; over fully_covered ones max_abs_error (1 where only one
    side is defined) and max_loss_error_s (of any time element); over all asked for
    max_completeness_error, median_bound_width and max_bound_width; partly_collected and
    partly_inside_bounds are the closed ones that a window cuts.
    """
    beside = _beside(eager(figures), eager(truth), windows)
    tally: Tally = beside.select(shift_errors.tally()).row(0, named=True)
    return tally, beside


def losses(found: AnyFrame, truth: AnyFrame, beside: pl.DataFrame) -> tuple[Tally, pl.DataFrame]:
    """Our losses per machine, shift and loss beside the true ones, of fully covered shifts.

    `beside` is what `oee` gave for the same windows. In the first and the last of a machine's
    shifts the STOPS are one loss: how long a stop is that began before anything was collected, or
    had not ended when collecting did, nobody can tell. The tally: losses (of machine-shifts, on
    either side), max_abs_error_s, max_share_error (of PBT).
    """
    key = [name for name in SHIFT_KEY if name != "park_id"]
    machine = [name for name in key if name not in ("production_day", "shift_id")]
    start = pl.col("start")
    at_edge = (start == start.min().over(machine)) | (start == start.max().over(machine))
    whole = beside.filter("whole").select(*key, at_edge=at_edge)
    loss = pl.when(pl.col("at_edge") & pl.col("loss").is_in(STOPS)).then(pl.lit("stops"))
    ours, true = (
        eager(frame).join(whole, on=key, nulls_equal=True)
        .group_by(*key, loss=loss.otherwise("loss")).agg(pl.sum("lost_s"))
        for frame in (found, truth)
    )  # fmt: skip
    both = true.join(
        ours, on=[*key, "loss"], how="full", coalesce=True, suffix="_ours", nulls_equal=True
    )
    numbers = pl.col("lost_s", "lost_s_ours").fill_null(0.0)
    apart = both.with_columns(numbers).with_columns(
        abs_error_s=(pl.col("lost_s") - pl.col("lost_s_ours")).abs()
    )
    pbt_s = pl.col("lost_s").sum().over(key)
    rows = apart.with_columns(share_error=pl.col("abs_error_s") / pbt_s)
    tally: Tally = {
        "losses": rows.height,
        "max_abs_error_s": _most(rows, "abs_error_s"),
        "max_share_error": _most(rows, "share_error"),
    }
    return tally, rows.sort(*key, "loss")


def adoption(figures: AnyFrame, truth: AnyFrame) -> tuple[dict[str, int], pl.DataFrame]:
    """Counts figures (true ones) and unequal, and gives the unequal rows.

    Unequal: numerator, denominator or unknown differ, or the figure is missing on either side;
    where nothing was counted there is no figure.
    """
    counted = pl.any_horizontal(pl.col(ADOPTION_FIGURES).fill_null(0) != 0)
    names = [*ADOPTION_KEY, *ADOPTION_FIGURES]
    ours = eager(figures).filter(counted).select(*names, ours=pl.lit(value=True))
    true = eager(truth).filter(counted).select(*names, true=pl.lit(value=True))
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

    `events` have factory_id, work_unit_id, start, end (null while it lasts), kind and signals
    (ranked); one that starts at most SLACK after a fault's end still finds it.

    The tally: planted, found, events, recall, precision, culprit_in_top3 (of the found faults,
    those with an event that names a true signal among its first three, or the very kind of a
    fault in NAMED_BY_KIND) and false alarms per machine-week where the span is given. Null where
    nothing was planted or reported. Beside it the faults with events, named, delay_s.
    """
    found, planted = eager(events).with_row_index("event"), eager(faults)
    pairs = _overlaps(found, planted)
    named = pairs.filter("named")["fault_id"].n_unique()
    detected, true = pairs["fault_id"].n_unique(), pairs["event"].n_unique()
    false_alarms = found.height - true
    tally: Tally = {
        "planted": planted.height,
        "found": detected,
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


def _identities(rows: pl.DataFrame) -> pl.DataFrame:
    """`row` and `value`: 64 bits that tell values apart by all of `schemas.REPEAT_KEY`.

    Numbers go in by their bits. Two of a million values agree by chance once in 4e7 such sets, a
    lost one is hidden by another once in 2e13 times.
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
    packed = pl.struct(
        node=_node(),
        ticks=event_ticks(),
        bits=bits,
        meta=meta * 2**32 + pl.col("status_code").cast(pl.UInt64),
    )
    return rows.select(value=packed.hash()).with_row_index("row")


def _node() -> pl.Expr:
    server, node = (pl.col(name).cast(pl.String).hash() for name in NODE)
    return server ^ (node // 2)


def _named(kind: str, frame: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows (`row`, `len`) with the names they have in `frame`."""
    names = frame.select(pl.col(NODE).cast(pl.String), ticks=event_ticks())[rows["row"]]
    counts = rows.select(count=pl.col("len").cast(pl.Int64), row="row")
    return pl.concat([names, counts], how="horizontal").select(
        pl.lit(kind).alias("kind"), *NODE, "ticks", "count", "row"
    )


def _hashed(text: pl.Expr) -> pl.Expr:
    return pl.when(text.is_not_null()).then(text.hash().reinterpret(dtype=pl.Int64))


def _inside(truth: pl.DataFrame, said: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The emitted values whose event time lies in a window of their server.

    A value that left its source (`delivered_ticks`) after the window's end was not there to take.
    """
    left = "delivered_ticks" if "delivered_ticks" in truth.columns else "source_ticks"
    placed = truth.select(
        pl.col("server_uri").cast(pl.String),
        time=time_of(event_ticks()),
        left=time_of(pl.coalesce(left, event_ticks())),
    ).with_columns(said)
    spans = disjoint(windows, ["server_uri"]).sort("from_time")
    if spans.height == 1:
        spans = spans.with_columns(pl.col("server_uri").cast(pl.String))
        server, first, last = spans.select("server_uri", "from_time", "to_time").row(0)
        own = placed.filter(pl.col("server_uri") == server)
        ours = own.with_columns(from_time=pl.lit(first, TIME), to_time=pl.lit(last, TIME))
    else:
        ours = placed.sort("time").join_asof(
            spans, left_on="time", right_on="from_time", by="server_uri", coalesce=False,
            check_sortedness=False,
        )  # fmt: skip
    in_time = (pl.col("time") >= pl.col("from_time")) & (pl.col("time") < pl.col("to_time"))
    return ours.filter(in_time, pl.col("left") < pl.col("to_time")).select("row", "value")


def _asked(true: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The shifts of `true` that lie wholly in one window of their factory."""
    spans = disjoint(windows.select("factory_id", "from_time", "to_time"), ["factory_id"])
    inside = (pl.col("start") >= pl.col("from_time")) & (pl.col("end") <= pl.col("to_time"))
    return true.join(spans, on="factory_id").filter(inside).select("shift")


def _span(figures: pl.DataFrame, true: pl.DataFrame) -> pl.DataFrame:
    """The span of time of our figures as a window of every factory."""
    first, last = figures["start"].min(), figures["end"].max()
    return true.select(
        pl.col("factory_id").unique(),
        from_time=pl.lit(first, TIME),
        to_time=pl.lit(last, TIME),
    )


def _beside(
    figures: pl.DataFrame, truth: pl.DataFrame, windows: pl.DataFrame | None
) -> pl.DataFrame:
    ours = [*ELEMENTS_S, "oee", "completeness", "lower", "upper", "is_open"]
    key = [name for name in SHIFT_KEY if name != "park_id"]
    numbered = truth.with_row_index("shift")
    asked = _asked(numbered, _span(figures, numbered) if windows is None else windows)
    true = numbered.select(
        *key,
        "start",
        "fully_covered",
        pl.col("shift").is_in(asked["shift"].implode()).alias("asked"),
        *(pl.col(name).alias(f"{name}_true") for name in ours[:-3]),
    )
    both = true.join(
        figures.select(*key, *ours), on=key, how="left", nulls_equal=True, coalesce=True
    )
    loss = pl.max_horizontal((pl.col(s) - pl.col(f"{s}_true")).abs() for s in ELEMENTS_S)
    inside = (
        pl.col("oee_true").is_between(pl.col("lower") - ROUNDING, pl.col("upper") + ROUNDING)
        | pl.col("oee_true").is_null()
    )
    closed = (~pl.col("is_open")).fill_null(value=False)
    return both.with_columns(
        closed=closed,
        missing=pl.col("asked") & ~closed,
        whole=closed & pl.col("asked") & pl.col("fully_covered"),
        abs_error=_apart("oee"),
        loss_error_s=loss,
        inside_bounds=inside.fill_null(value=False),
        bound_width=pl.col("upper") - pl.col("lower"),
        completeness_error=_apart("completeness"),
    ).sort(key)


def _apart(name: str) -> pl.Expr:
    """The error of a ratio; 1 where only one side is defined, 0 where neither is."""
    undefined = pl.col(name).is_null() != pl.col(f"{name}_true").is_null()
    error = (pl.col(name) - pl.col(f"{name}_true")).abs().fill_null(0)
    return pl.when(undefined).then(1.0).otherwise(error)


def _overlaps(found: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Pairs of event and fault on one work unit that share time; `named`, `delay_s`."""
    unit = [name for name in ("factory_id", "work_unit_id") if name in found.columns]
    first = pl.col("signals").list.head(TOP)
    reported = found.select(
        *unit, "event", began="start", ended="end", sensors=first, named_kind="kind"
    )
    open_end = pl.col("ended").is_null() | (pl.col("ended") > pl.col("start"))
    still = pl.col("end").is_null() | (pl.col("began") < pl.col("end") + SLACK)
    delay = (pl.col("began") - pl.col("start")).dt.total_microseconds() / 1_000_000
    signals = _signals(planted.schema["signals"])
    pairs = reported.join(planted.with_columns(signals=signals), on=unit).filter(open_end, still)
    culprit = pl.col("sensors").list.set_intersection("signals").list.len() > 0
    same = pl.col("kind").is_in(NAMED_BY_KIND) & (pl.col("kind") == pl.col("named_kind"))
    named = culprit.fill_null(value=False) | same.fill_null(value=False)
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
