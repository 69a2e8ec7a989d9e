"""The tables that are made of the park register, as data (docs/decisions/0034).

Days are local dates. `park_id` null is the whole New City. Areas and classes without a unit are
rows with zeros where a reader would look for them.
"""

from typing import Final

import polars as pl

AREA: Final = {"reference_date": pl.Date(), "park_id": pl.String()}

ADOPTION: Final = pl.Schema(
    {
        **AREA,
        "dimension": pl.String(),
        "class_id": pl.String(),
        "metric_id": pl.String(),
        "basis": pl.String(),
        "numerator": pl.Int64(),
        "denominator": pl.Int64(),
        "unknown": pl.Int64(),
        "value": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
    }
)
"""CA-1 to CA-7. `dimension`: all (`class_id` null), size_class (micro, small, medium), sector (the
letter and two digits of GB/T 4754, as C39), level (C1 to C4). `basis`: declared, verified,
declared_or_verified, measured; of CA-4 pooled and mean_of_firms. Bounds are numerator / denominator
and (numerator + unknown) / denominator; CA-7 is a count and has no denominator."""

ADOPTION_RESTATEMENTS: Final = pl.Schema(
    {
        **AREA,
        "dimension": pl.String(),
        "class_id": pl.String(),
        "metric_id": pl.String(),
        "basis": pl.String(),
        "change": pl.String(),
        "old_numerator": pl.Int64(),
        "old_denominator": pl.Int64(),
        "old_unknown": pl.Int64(),
        "old_value": pl.Float64(),
        "new_numerator": pl.Int64(),
        "new_denominator": pl.Int64(),
        "new_unknown": pl.Int64(),
        "new_value": pl.Float64(),
        "cause": pl.String(),
        "restated_at": pl.Datetime("us", "UTC"),
        "run_id": pl.String(),
    }
)
"""A figure of ADOPTION that was replaced after its day, in order of time. `change`: changed,
appeared or vanished with its row. `cause`: the tables that were not what it was made from
(with commas), code, or unrecorded."""

ADOPTION_GROUND: Final = pl.Schema(
    {"component": pl.String(), "digest": pl.String(), "was_open": pl.Boolean()}
)
"""What the adoption of a day was made from: a hash per table as far as the day knows it;
`was_open` where the day was not over when it was made."""

FUNNEL: Final = pl.Schema(
    {**AREA, "of": pl.String(), "stage": pl.String(), "place": pl.Int64(), "units": pl.Int64()}
)
"""`of` terminals or enterprises; `stage` registered, activated, online, in_use, each within the one
before (`place` from 1). Online: heard within 30 days; in use: connected as CA-2 counts it."""

LIVENESS: Final = pl.Schema(
    {
        **AREA,
        "kind": pl.String(),
        "network": pl.String(),
        "status": pl.String(),
        "terminals": pl.Int64(),
    }
)
"""Registered terminals by status: connected, intermittent, stale (nothing for over 7 days), dark
(over 30), never, unscheduled (its enterprise did not work), inactive (not activated, or retired).
Days of our own collector's outage age nobody."""

CHANGES: Final = pl.Schema(
    {
        **AREA,
        "since": pl.Date(),
        "metric_id": pl.String(),
        "basis": pl.String(),
        "value_then": pl.Float64(),
        "value_now": pl.Float64(),
        "change": pl.Float64(),
        "matched_units": pl.Int64(),
        "matched_change": pl.Float64(),
        "within": pl.Float64(),
        "entry": pl.Float64(),
        "exit": pl.Float64(),
    }
)
"""How a share changed: of the population as it is, and of the units in both (the matched panel).
`within` + `entry` + `exit` = `change`: by units that are in both, that came, and that left."""

DISCREPANCIES: Final = pl.Schema(
    {
        "reference_date": pl.Date(),
        "uscc": pl.String(),
        "declared": pl.String(),
        "is_provider_used": pl.Boolean(),
        "is_connected": pl.Boolean(),
        "declared_level": pl.String(),
        "seen_level": pl.String(),
        "discrepancy": pl.String(),
    }
)
"""Declared beside verified, a row per enterprise in scope. `declared`: yes, no, unknown, expired.
`discrepancy`: claimed_not_seen, seen_not_claimed, seen_though_denied, level_not_seen; null where
the two agree or nothing is known."""

PORTRAITS: Final = pl.Schema(
    {
        "reference_date": pl.Date(),
        "uscc": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "park_ids": pl.List(pl.String()),
        "sector": pl.String(),
        "size_class": pl.String(),
        "running_h_per_day": pl.Float64(),
        "running_trend": pl.Float64(),
        "output_trend": pl.Float64(),
        "energy_trend": pl.Float64(),
        "energy_per_output_trend": pl.Float64(),
        "trend_basis": pl.String(),
        "completeness": pl.Float64(),
        "oee": pl.Float64(),
        "oee_completeness": pl.Float64(),
        "terminals": pl.Int64(),
        "terminals_online": pl.Int64(),
        "cloud_declared": pl.String(),
        "cloud_verified": pl.Boolean(),
        "digital_basis": pl.Float64(),
        "digital_operation": pl.Float64(),
        "digital_management": pl.Float64(),
        "digital_effect": pl.Float64(),
        "digital_known": pl.Float64(),
        "self_score": pl.Float64(),
        "warnings_open": pl.Int64(),
        "peers": pl.Int64(),
    }
)
"""企业画像. A trend is the last 28 scheduled days over the same number a year or, where that is not
known, 84 days before, less 1. `trend_basis`: year_by_weekday (364 days before), year_by_festival
(as far from the Spring Festival as now), days_84; null without a trend. `completeness` is the share
of the last 28 scheduled days' running, output and energy that was told. The four dimensions of the
2024 scheme (基础/经营/管理/成效) are 0 to 100 as far as evidence goes, null without any;
`digital_known` is the share of points that evidence could speak to. `peers` is how many enterprises
the quartiles of its page rest on: of those figures that are told, the fewest."""

QUARTILES: Final = pl.Schema(
    {
        "reference_date": pl.Date(),
        "sector": pl.String(),
        "size_class": pl.String(),
        "figure": pl.String(),
        "basis": pl.String(),
        "enterprises": pl.Int64(),
        "q1": pl.Float64(),
        "median": pl.Float64(),
        "q3": pl.Float64(),
    }
)
"""What peers are like: of at least 5 legal groups, or not told (`q1` to `q3` null). `basis` says
who the peers of this sector and size class are: sector_size, sector, all (industrial enterprises of
the New City); null where none could be told of. `enterprises` is how many they are."""

CONFORMANCE: Final = pl.Schema(
    {
        "factory_id": pl.String(),
        "line_id": pl.String(),
        "work_unit_id": pl.String(),
        "level": pl.Int8(),
        "aspect": pl.String(),
        "subject": pl.String(),
        "finding": pl.String(),
        "share": pl.Float64(),
        "unlocks": pl.Int8(),
        "todo_zh": pl.String(),
        "todo_en": pl.String(),
    }
)
"""What stands between a work unit and the next level of the unified interface, and what its data
does wrong; what would unlock most comes first. `aspect`: missing, unit, timestamp, status, silence,
value; `share` of values or time. `unlocks`: the level that mending this alone leads to, null where
it leads to none. A null work unit means the whole factory."""

CARDS: Final = pl.Schema(
    {
        "subject_kind": pl.String(),
        "subject_id": pl.String(),
        "criterion_id": pl.String(),
        "criterion_zh": pl.String(),
        "criterion_en": pl.String(),
        "basis_zh": pl.String(),
        "basis_en": pl.String(),
        "is_mandatory": pl.Boolean(),
        "evidence_zh": pl.String(),
        "evidence_en": pl.String(),
        "state": pl.String(),
        "as_of": pl.Date(),
    }
)
"""Evidence cards of smart factories and benchmark parks. `state`: met, not_met, unknown. The
basis quotes the plan and says whose the threshold is; no official text is known
(`evidence_cards.UNOFFICIAL`). A subject counts when all its mandatory criteria are met."""

MISSING_LINKS: Final = pl.Schema(
    {
        "park_id": pl.String(),
        "chain": pl.String(),
        "link": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "in_park": pl.Int64(),
        "in_district": pl.Int64(),
        "state": pl.String(),
    }
)
"""辅助精准招商: links of a chain that a park has begun. `state`: present, elsewhere (only in
the rest of the New City), missing."""

PUE: Final = pl.Schema(
    {
        "data_centre_id": pl.String(),
        "park_id": pl.String(),
        "is_edge": pl.Boolean(),
        "from_day": pl.Date(),
        "to_day": pl.Date(),
        "days": pl.Int64(),
        "facility_kwh": pl.Float64(),
        "it_kwh": pl.Float64(),
        "pue": pl.Float64(),
        "target": pl.Float64(),
        "completeness": pl.Float64(),
        "verdict": pl.String(),
    }
)
"""PUE over the last 365 days, of days on which both meters spoke; ≤ 1.3, edge ≤ 1.5."""

FORECASTS: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "area_id": pl.String(),
        "origin": pl.Date(),
        "day": pl.Date(),
        "horizon": pl.Int64(),
        "value": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "coverage": pl.Float64(),
        "method": pl.String(),
        "skill_naive": pl.Float64(),
        "skill_seasonal": pl.Float64(),
        "beats_naive": pl.Boolean(),
        "measured_coverage": pl.Float64(),
    }
)
"""Forecasts with intervals of nominal `coverage`, and the `measured_coverage` on held-out origins.
Skill is 1 less the ratio of back-tested mean absolute errors; `beats_naive` false is said wherever
the forecast is shown."""

ARRIVALS: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "area_id": pl.String(),
        "origin": pl.Date(),
        "target": pl.Float64(),
        "comparator": pl.String(),
        "earliest": pl.Date(),
        "median": pl.Date(),
        "latest": pl.Date(),
        "chance_within": pl.Float64(),
    }
)
"""When a target will be reached; null: not within the horizon. `chance_within` is the share of
simulated paths that reach it by the horizon's end."""
