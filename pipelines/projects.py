"""项目全周期: where a project stands, what is late, and what cannot be right in its dates."""

from datetime import date
from typing import Final

import polars as pl

PHASES: Final = ["admission", "construction", "operation", "evaluation"]
"""准入、建设、运营、评估, in the only order there is."""

STATES: Final = pl.Schema(
    {
        "project_id": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "uscc": pl.String(),
        "park_id": pl.String(),
        "state": pl.String(),
        "phase": pl.String(),
        "entered_on": pl.Date(),
        "days_in": pl.Int64(),
        "days_planned": pl.Int64(),
        "days_late": pl.Int64(),
        "next_milestone": pl.String(),
        "next_on": pl.Date(),
        "invested_wan": pl.Float64(),
        "findings": pl.Int64(),
    }
)
"""A row per project. `state`: not_begun, running, between (a phase is left, the next one not
entered), finished. `phase` is the one it is in, or was last; `days_late` is by how many days the
`next_milestone` (to enter or to leave a phase, as `enter:operation`) is overdue, 0 in time, null
without a plan. `days_in` counts the day of entry and today."""

FINDINGS: Final = pl.Schema(
    {
        "project_id": pl.String(),
        "park_id": pl.String(),
        "phase": pl.String(),
        "finding": pl.String(),
        "todo_zh": pl.String(),
        "todo_en": pl.String(),
    }
)
"""`finding`: skipped, entered_before_left, left_not_entered, left_before_entered, unknown_phase."""

SUMMARY: Final = pl.Schema(
    {
        "park_id": pl.String(),
        "projects": pl.Int64(),
        "not_begun": pl.Int64(),
        **{phase: pl.Int64() for phase in PHASES},
        "finished": pl.Int64(),
        "late": pl.Int64(),
        "with_findings": pl.Int64(),
        "invested_wan": pl.Float64(),
    }
)
"""Projects of a park (null: of all) by the phase they are in or were last."""

_WORDS: Final = {
    "skipped": (
        "未经过该阶段就进入了后面的阶段：请补录该阶段的日期，或更正后面阶段的进入日期。",
        "was never entered, a later phase was: enter its dates or correct the later one's.",
    ),
    "entered_before_left": (
        "在前一阶段结束之前进入：请补录前一阶段的结束日期，或更正进入日期。",
        "was entered before the one before it was left: correct one of the two dates.",
    ),
    "left_not_entered": (
        "有结束日期而没有进入日期：请补录进入日期。",
        "was left and never entered: enter the day of entry.",
    ),
    "left_before_entered": (
        "结束日期早于进入日期：请更正其一。",
        "was left before it was entered: correct one of the two dates.",
    ),
    "unknown_phase": (
        "不是准入、建设、运营、评估之一：请更正阶段名称。",
        "is none of admission, construction, operation, evaluation: correct its name.",
    ),
}
_PLACES: Final = pl.DataFrame({"place": range(len(PHASES)), "phase": PHASES})
_PLANNED: Final = ["planned_from", "planned_to"]
_PHASES_ZH: Final = dict(zip(PHASES, ("准入", "建设", "运营", "评估"), strict=True))


def states(projects: pl.DataFrame, on: date) -> pl.DataFrame:
    """`STATES` of projects (`park_schemas.PROJECTS`); dates after `on` are not known yet."""
    known = _as_of(projects, on).filter(pl.col("place").is_not_null())
    began = (
        known.filter(_begun()).sort("project_id", "place")
        .unique("project_id", keep="last", maintain_order=True)
        .select("project_id", "place", "phase", "entered_on", "left_on", *_PLANNED)
    )  # fmt: skip
    following = known.select(
        "project_id", next_place="place", next_phase="phase", next_from="planned_from"
    )
    placed = (
        _heads(projects)
        .join(began, on="project_id", how="left")
        .with_columns(next_place=(pl.col("place") + 1).fill_null(0))
        .join(following, on=["project_id", "next_place"], how="left")
    )
    counted = findings(projects, on).group_by("project_id").agg(findings=pl.len().cast(pl.Int64))
    return (
        _milestones(placed, on)
        .join(counted, on="project_id", how="left")
        .with_columns(pl.col("findings").fill_null(0))
        .sort("project_id")
        .match_to_schema(STATES, extra_columns="ignore")
    )


def findings(projects: pl.DataFrame, on: date) -> pl.DataFrame:
    """`FINDINGS`: dates as of a day that cannot be right, in the order of projects and phases.

    A phase may be entered on the day the one before it (the last that was begun) was left.
    """
    known = _as_of(projects, on)
    right = known.filter(pl.col("place").is_not_null())
    begun = right.filter(_begun()).sort("project_id", "place")
    own, last_left = pl.int_range(pl.len()).over("project_id") > 0, pl.col("left_on").shift(1)
    entered, left = pl.col("entered_on"), pl.col("left_on")
    rules = {
        "entered_before_left": own & entered.is_not_null()
        & (last_left.is_null() | (last_left > entered)),
        "left_not_entered": entered.is_null(),
        "left_before_entered": left < entered,
    }  # fmt: skip
    flagged = begun.with_columns(**rules)
    odd = known.filter(pl.col("place").is_null()).with_columns(place=pl.lit(len(PHASES), pl.Int64))
    parts = {
        "skipped": _skipped(begun),
        **{rule: flagged.filter(pl.col(rule).fill_null(value=False)) for rule in rules},
        "unknown_phase": odd,
    }
    rows = pl.concat(
        part.select("project_id", "place", "phase", finding=pl.lit(name))
        for name, part in parts.items()
    )
    named = rows.join(_heads(projects).select("project_id", "park_id"), on="project_id", how="left")
    return _worded(named.sort("project_id", "place", "finding"))


def _skipped(begun: pl.DataFrame) -> pl.DataFrame:
    """`project_id place phase` of phases without a date before one that has one."""
    furthest = begun.group_by("project_id").agg(furthest=pl.max("place"))
    grid = furthest.join(_PLACES, how="cross").filter(pl.col("place") < pl.col("furthest"))
    return grid.join(begun, on=["project_id", "place"], how="anti")


def summary(states: pl.DataFrame) -> pl.DataFrame:
    """`SUMMARY` of the states of projects: each park, and all of them together."""
    whole = states.with_columns(park_id=pl.lit(None, pl.String))
    parks = states.filter(pl.col("park_id").is_not_null())
    one = pl.col("state")
    is_in = {
        phase: (one.is_in(["running", "between"]) & (pl.col("phase") == phase)) for phase in PHASES
    }
    counts = {
        "projects": pl.len(),
        "not_begun": (one == "not_begun").sum(),
        **{phase: holds.sum() for phase, holds in is_in.items()},
        "finished": (one == "finished").sum(),
        "late": (pl.col("days_late") > 0).sum(),
        "with_findings": (pl.col("findings") > 0).sum(),
    }
    return (
        pl.concat([whole, parks])
        .group_by("park_id")
        .agg(
            *(count.cast(pl.Int64).alias(name) for name, count in counts.items()),
            pl.sum("invested_wan"),
        )
        .sort("park_id", nulls_last=False)
        .match_to_schema(SUMMARY)
    )


def _as_of(projects: pl.DataFrame, on: date) -> pl.DataFrame:
    """Rows with the `place` of their phase, and only those dates that have come."""
    places = {phase: place for place, phase in enumerate(PHASES)}
    dates = [
        pl.when(pl.col(name) <= on).then(name).alias(name) for name in ("entered_on", "left_on")
    ]
    place = pl.col("phase").replace_strict(places, default=None, return_dtype=pl.Int64)
    return projects.with_columns(*dates, place=place)


def _begun() -> pl.Expr:
    return pl.col("entered_on").is_not_null() | pl.col("left_on").is_not_null()


def _heads(projects: pl.DataFrame) -> pl.DataFrame:
    """What the rows of a project share, by the first phase that says it; investments are summed."""
    shared = ["name_zh", "name_en", "uscc", "park_id"]
    return (
        projects.sort("project_id", "phase")
        .group_by("project_id", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().first() for name in shared),
            invested_wan=pl.col("invested_wan").sum(),
        )
    )


def _milestones(placed: pl.DataFrame, on: date) -> pl.DataFrame:
    """Adds the state, the days in the phase, and what comes next and when."""
    place, left = pl.col("place"), pl.col("left_on")
    is_last = place == len(PHASES) - 1
    state = (
        pl.when(place.is_null()).then(pl.lit("not_begun"))
        .when(left.is_null()).then(pl.lit("running"))
        .when(is_last).then(pl.lit("finished"))
        .otherwise(pl.lit("between"))
    )  # fmt: skip
    running = pl.col("state") == "running"
    finished = pl.col("state") == "finished"
    first_next = pl.col("next_place").replace_strict(dict(enumerate(PHASES)), default=None)
    until = pl.coalesce("left_on", pl.lit(on))
    late = (pl.lit(on) - pl.col("next_on")).dt.total_days().clip(0)
    return (
        placed.with_columns(state=state)
        .with_columns(
            days_in=(until - pl.col("entered_on")).dt.total_days() + 1,
            days_planned=(pl.col("planned_to") - pl.col("planned_from")).dt.total_days() + 1,
            next_milestone=pl.when(running).then(pl.format("leave:{}", "phase"))
            .when(~finished).then(pl.format("enter:{}", first_next)),
            next_on=pl.when(running).then("planned_to").when(~finished).then("next_from"),
        )
        .with_columns(days_late=pl.when(finished).then(0).otherwise(late))
    )  # fmt: skip


def _worded(rows: pl.DataFrame) -> pl.DataFrame:
    zh = {name: words[0] for name, words in _WORDS.items()}
    en = {name: words[1] for name, words in _WORDS.items()}
    phase = pl.col("phase").fill_null("?")
    return rows.with_columns(
        todo_zh=pl.format(
            "项目 {} 的“{}”阶段{}", "project_id", phase.replace(_PHASES_ZH),
            pl.col("finding").replace_strict(zh, return_dtype=pl.String),
        ),
        todo_en=pl.format(
            "project {}: {} {}", "project_id", phase,
            pl.col("finding").replace_strict(en, return_dtype=pl.String),
        ),
    ).match_to_schema(FINDINGS, extra_columns="ignore")  # fmt: skip
