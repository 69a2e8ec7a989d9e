"""Where planned busy time went: losses that add up, with fully productive time, to PBT.

The six big losses are breakdown and setup (of availability), minor_stop and speed (of
effectiveness), start_up and defect (of quality). Beside them stand waiting (no order, starved,
blocked: the cause is elsewhere), unrated (it ran, and no cycle or no counter says how well) and
unknown.
"""

from datetime import timedelta
from typing import Final

import polars as pl

from pipelines import oee
from pipelines.amounts import over, seconds
from pipelines.asked import Asked, asked
from pipelines.axis import atoms, with_unit_no
from pipelines.coverage import NO_GAPS, disjoint
from pipelines.elements import element_times
from pipelines.equipment import AnyFrame, Frame, eager
from pipelines.profiles import DEFAULT, Profile, element, profile_of
from pipelines.quantities import by_product, inside_plan
from pipelines.reasons import NO_REASONS, with_category
from pipelines.schemas import LOSSES_BY_SHIFT
from pipelines.shifts import SHIFT_KEY
from pipelines.states import MAINTENANCE, OUT_OF_SERVICE, stitch
from pipelines.unseen import unseen

PRODUCTIVE: Final = "productive"
BIG_SIX: Final = ["breakdown", "setup", "minor_stop", "speed", "start_up", "defect"]
LOSSES: Final = [*BIG_SIX, "waiting", "unrated", "unknown"]
PARTS: Final = [PRODUCTIVE, *LOSSES]
"""What PBT is divided into."""

ELSEWHERE: Final = ["no_order", "planned", "starved", "blocked"]
LONG_ANYWAY: Final = ["no_order", "planned"]
"""Categories that are no minor stop, however short."""

LONGEST_PAUSE: Final = timedelta(hours=16)
"""Without busy time for so long, as over a weekend, a stop has ended: what comes behind it, the
figures of its day, which are made of the next one too, would not see."""


def by_shift(
    state_episodes: AnyFrame,
    count_increments: AnyFrame,
    plan: AnyFrame,
    cycles: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    reasons: AnyFrame = NO_REASONS,
    profile: str | Profile = DEFAULT,
    gaps: AnyFrame = NO_GAPS,
) -> pl.DataFrame:
    """`schemas.LOSSES_BY_SHIFT` of the shifts of `oee.by_shift`, from the same input.

    `reasons` say what stop reason codes mean; without them the states do. A stop is minor by its
    whole busy time, over breaks, shift edges and midnight, though not over a weekend. `speed` is
    below zero where a machine is faster than planned. The parts of a shift sum to its PBT,
    microsecond by microsecond.
    """
    rules = profile_of(profile)
    known = asked(state_episodes, count_increments, plan, coverage, tags, gaps, rules)
    spent = _stops(_segments(eager(state_episodes), known, rules), eager(reasons), known, rules)
    prices = eager(cycles)
    made = by_product(known, prices, rules, _starts(spent, rules))
    times = element_times(state_episodes, known.covered, known.pieces, rules)
    figures = oee.figures(known, times, made, unseen(known, prices), rules)
    parts = pl.concat([_stopped(spent), _running(spent, made, known, figures)], how="diagonal")
    named = parts.join(known.shifts.select("shift", *SHIFT_KEY, "is_open"), on="shift")
    return (
        named.with_columns(lost_s=seconds(pl.col("us")), profile_id=pl.lit(rules.profile_id))
        .select(pl.col(name).cast(dtype) for name, dtype in LOSSES_BY_SHIFT.items())
        .sort(*SHIFT_KEY, "loss", "category", "stop_reason_code", "product_id")
    )


def pareto(losses: Frame, by: list[str]) -> Frame:
    """Losses (productive time left out) summed per `by`, the dearest first.

    Adds `share` of all that was lost and `cumulative` share. Speed gained (below zero) is summed as
    it is.
    """
    lost = losses.filter(pl.col("loss") != PRODUCTIVE)
    us = (pl.col("lost_s") * 1_000_000).round().cast(pl.Int64)
    sums = lost.group_by(by).agg(us.sum().alias("_us"), pl.sum("stops", "pieces"))
    ranked = sums.sort("_us", *by, descending=[True, *([False] * len(by))])
    whole = pl.col("_us").sum()
    return ranked.with_columns(
        lost_s=seconds(pl.col("_us")),
        share=over(pl.col("_us"), whole),
        cumulative=over(pl.col("_us").cum_sum(), whole),
    ).drop("_us")


def _segments(episodes: pl.DataFrame, known: Asked, profile: Profile) -> pl.DataFrame:
    """Busy time in order, cut where a state, a shift or coverage changes.

    `unit_no start end us shift element stop_reason_code product_id category`: the element is null
    where it is unknown, the category what the states alone tell of a stop.
    """
    states = with_unit_no(stitch(episodes), known.counters)
    numbered = states.with_row_index("id")
    busy = known.pieces.with_row_index("id")
    covered = with_unit_no(known.covered, known.counters)
    spans = covered.select("unit_no", start="from_time", end="to_time", id=1)
    parts = atoms({"episode": numbered, "piece": busy, "covered": spans})
    told = numbered.select(
        "stop_reason_code", "product_id", episode=pl.col("id").cast(pl.Int64),
        element=element(profile), category=_told(),
    )  # fmt: skip
    lasted = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    in_plan = parts.filter(pl.col("piece").is_not_null()).with_columns(
        episode=pl.when(pl.col("covered").is_not_null()).then("episode"), us=lasted
    )
    shifts = busy.select("shift", piece=pl.col("id").cast(pl.Int64))
    return in_plan.join(told, on="episode", how="left", maintain_order="left").join(
        shifts, on="piece", how="left", maintain_order="left"
    )


def _told() -> pl.Expr:
    """What a stop is, where no reason says more."""
    broken = (pl.col("item_state") <= OUT_OF_SERVICE) | (pl.col("operation_mode") == MAINTENANCE)
    idle = pl.col("order_id").fill_null("") == ""
    told = pl.when(broken).then(pl.lit("breakdown")).when(idle).then(pl.lit("no_order"))
    return told.otherwise(pl.lit("unplanned"))


def _stops(
    segments: pl.DataFrame, reasons: pl.DataFrame, known: Asked, profile: Profile
) -> pl.DataFrame:
    """Segments with their `loss` and `category`; `begins` where a stop does.

    A stop is what follows each other in busy time, within LONGEST_PAUSE, with one element and one
    reason.
    """
    same = ["unit_no", "element", "stop_reason_code", "category"]
    paused = (pl.col("start") - pl.col("end").shift(1) >= LONGEST_PAUSE).fill_null(value=False)
    begins = pl.any_horizontal(paused, *(pl.col(n).ne_missing(pl.col(n).shift(1)) for n in same))
    runs = segments.sort("unit_no", "start").with_columns(begins=begins)
    whole = runs.with_columns(stop=pl.col("begins").cum_sum()).with_columns(
        stop_us=pl.sum("us").over("stop"), stop_start=pl.first("start").over("stop")
    )
    named = with_category(whole, reasons, known.counters, "stop_start").with_columns(
        category=pl.coalesce("stated", "category")
    )
    return named.with_columns(loss=_loss(profile)).sort("unit_no", "start")


def _loss(profile: Profile) -> pl.Expr:
    element_, category = pl.col("element"), pl.col("category")
    is_setup = (element_ == "aust") | (category == "setup")
    short = pl.col("stop_us") < round(profile.micro_stop_s * 1_000_000)
    return (
        pl.when(element_.is_null()).then(pl.lit("unknown"))
        .when(element_ == "apt").then(None)
        .when(is_setup).then(pl.lit("setup"))
        .when(short & ~category.is_in(LONG_ANYWAY)).then(pl.lit("minor_stop"))
        .when(category.is_in(ELSEWHERE)).then(pl.lit("waiting"))
        .otherwise(pl.lit("breakdown"))
    )  # fmt: skip


def _starts(spent: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Spans `unit_no start end` in which a machine starts up: behind every setup."""
    setups = spent.filter(pl.col("loss") == "setup").group_by("unit_no", "stop").agg(pl.max("end"))
    length = pl.duration(microseconds=round(profile.start_up_s * 1_000_000))
    spans = setups.select("unit_no", from_time="end", to_time=pl.col("end") + length)
    return disjoint(spans, ["unit_no"]).rename({"from_time": "start", "to_time": "end"})


def _stopped(spent: pl.DataFrame) -> pl.DataFrame:
    """Time that was not production, by shift, loss, category, reason and product."""
    of_stop = pl.col("loss") != "unknown"
    texts = ["category", "stop_reason_code", "product_id"]
    rows = spent.filter(pl.col("loss").is_not_null()).with_columns(
        pl.when(of_stop).then(name).alias(name) for name in texts
    )
    return rows.group_by("shift", "loss", *texts).agg(
        pl.sum("us"), stops=(pl.col("begins") & of_stop).sum()
    )


def _running(
    spent: pl.DataFrame, made: pl.DataFrame, known: Asked, figures: pl.DataFrame
) -> pl.DataFrame:
    """Production time by shift and product: productive, lost by speed and by what was not good.

    Unrated where the shift has no OEE.
    """
    key = ["shift", "product_id"]
    ran = spent.filter(pl.col("element") == "apt").group_by(key).agg(apt=pl.sum("us"))
    pieces = inside_plan(made).group_by(key).agg(
        pl.sum("pq", "gq", "bad_at_start", "ideal_total_us", "ideal_good_us", "ideal_start_us")
    )  # fmt: skip
    rated = known.shifts.join(
        figures.select(*SHIFT_KEY, "oee"), on=SHIFT_KEY, nulls_equal=True
    ).select("shift", has_oee=pl.col("oee").is_not_null())
    both = ran.join(pieces, on=key, how="full", coalesce=True, nulls_equal=True).join(
        rated, on="shift"
    )
    numbers = pl.exclude(*key, "has_oee").fill_null(0)
    bad = pl.col("pq") - pl.col("gq")
    lost_us = {
        PRODUCTIVE: (pl.col("ideal_good_us"), pl.col("gq")),
        "speed": (pl.col("apt") - pl.col("ideal_total_us"), pl.lit(None)),
        "start_up": (pl.col("ideal_start_us"), pl.col("bad_at_start")),
        "defect": (
            pl.col("ideal_total_us") - pl.col("ideal_good_us") - pl.col("ideal_start_us"),
            bad - pl.col("bad_at_start"),
        ),
        "unrated": (pl.col("apt"), pl.lit(None)),
    }
    found = both.with_columns(numbers)
    rows = [
        found.filter(~pl.col("has_oee") if name == "unrated" else pl.col("has_oee")).select(
            *key, loss=pl.lit(name), us=us, pieces=pieces_
        )
        for name, (us, pieces_) in lost_us.items()
    ]
    return pl.concat(rows, how="vertical_relaxed").filter(pl.col("us") != 0)
