"""The tables ParkPulse keeps, as data. A change here needs a note in docs/decisions/.

Times are UTC. `source_ticks` and `server_ticks` are OPC UA's own: 100 ns since 1601.
`day` and `factory` name a partition in the path and are not columns.
"""

from typing import Final

import polars as pl

from pipelines.park_figures import ADOPTION
from pipelines.park_schemas import CONFLICTS, REGISTER, REJECTIONS, WARNINGS

TIME: Final = pl.Datetime("us", "UTC")
EQUIPMENT: Final = {
    "park_id": pl.String(),
    "factory_id": pl.String(),
    "line_id": pl.String(),
    "work_unit_id": pl.String(),
}
"""Where a figure belongs, ISA-95 downwards; the park stands outside ISA-95."""

EQUIPMENT_KEY: Final = list(EQUIPMENT)

RAW: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "node_id": pl.String(),
        "source_ticks": pl.Int64(),
        "server_ticks": pl.Int64(),
        "source_time": TIME,
        "server_time": TIME,
        "received_time": TIME,
        "value_type": pl.String(),
        "is_array": pl.Boolean(),
        "value_float": pl.Float64(),
        "value_int": pl.Int64(),
        "value_uint": pl.UInt64(),
        "value_text": pl.String(),
        "value_raw": pl.Binary(),
        "status_code": pl.UInt32(),
        "origin": pl.String(),
    }
)
"""Raw export and bronze: every collected value once. `node_id` carries its namespace URI
(`nsu=…;s=…`); exactly one `value_*` is set (none for a null value); `origin` is live,
republished or history."""

REPEAT_KEY: Final = [
    "server_uri", "node_id", "event_ticks", "value_type", "is_array", "value_float", "value_int",
    "value_uint", "value_text", "value_raw", "status_code",
]  # fmt: skip
"""Rows equal in these are one value received twice; `event_ticks` is the source time, or the
server time where the source gave none."""

EVENTS: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "event_id": pl.String(),
        "event_type": pl.String(),
        "source_node": pl.String(),
        "source_name": pl.String(),
        "time_ticks": pl.Int64(),
        "time": TIME,
        "receive_ticks": pl.Int64(),
        "receive_time": TIME,
        "received_time": TIME,
        "message": pl.String(),
        "message_locale": pl.String(),
        "severity": pl.UInt16(),
        "condition_id": pl.String(),
        "condition_name": pl.String(),
        "branch_id": pl.String(),
        "retain": pl.Boolean(),
        "enabled": pl.Boolean(),
        "active": pl.Boolean(),
        "active_ticks": pl.Int64(),
        "active_time": TIME,
        "acked": pl.Boolean(),
        "confirmed": pl.Boolean(),
        "suppressed": pl.Boolean(),
        "shelving": pl.String(),
        "quality": pl.UInt32(),
        "comment": pl.String(),
        "user": pl.String(),
        "other": pl.String(),
        "origin": pl.String(),
    }
)
"""Alarms and events (OPC UA Part 5 and 9), each notification once. `time` is when it happened,
`receive_time` when the server got it, `received_time` when we did; `active_time` when the alarm
last became active or inactive. A field that the event does not have is null; `branch_id` is null
for the present state. `event_id` is hexadecimal; `other` is JSON: fields of an unexpected type, or
the bytes (Raw) of what could not be decoded. `origin`: live, republished, refreshed."""

ONCE_EACH: Final = ["receive_ticks", "receive_time", "received_time", "origin"]
"""Events equal in all but these are one event received twice."""

ALARMS: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "condition_id": pl.String(),
        "condition_name": pl.String(),
        "source_name": pl.String(),
        "message": pl.String(),
        "severity": pl.UInt16(),
        "start": TIME,
        "end": TIME,
        "acked_time": TIME,
        "confirmed_time": TIME,
        "user": pl.String(),
    }
)
"""An alarm from when it became active to when it no longer was (null while it is): the message of
its start, the highest severity, and when and by whom it was first acknowledged."""

TAGS: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "namespace_uri": pl.String(),
        "node_id": pl.String(),
        **EQUIPMENT,
        "entity_id": pl.String(),
        "machine_type": pl.String(),
        "measure_kind": pl.String(),
        "measure": pl.String(),
        "unit": pl.String(),
        "counter_max": pl.Int64(),
        "reset_policy": pl.String(),
        "valid_from": TIME,
        "valid_to": TIME,
        "data_type": pl.String(),
        "value_map": pl.String(),
        "scale": pl.Float64(),
    }
)
"""The tag catalogue: what a node means. `entity_id` is the work unit, or the enterprise or
terminal of a park gateway. `measure_kind`: state, context, counter, process, energy, identity,
register, evidence, other. `data_type` is OPC UA's. `value_map` (`0=2;1=3`) turns raw codes into
what silver expects, `scale` multiplies numbers (docs/decisions/0014)."""

STATE_EPISODES: Final = pl.Schema(
    {
        **EQUIPMENT,
        "start": TIME,
        "end": TIME,
        "item_state": pl.Int8(),
        "operation_mode": pl.Int8(),
        "order_id": pl.String(),
        "product_id": pl.String(),
        "stop_reason_code": pl.String(),
        "quality": pl.String(),
    }
)
"""A state that held from `start` to `end` (null while open). States are OPC 40001-1 numbers,
null where `quality` is unknown. `quality`: good, uncertain, unknown."""

COUNT_INCREMENTS: Final = pl.Schema(
    {
        **EQUIPMENT,
        "from_time": TIME,
        "to_time": TIME,
        "kind": pl.String(),
        "amount": pl.Int64(),
        "product_id": pl.String(),
        "cause": pl.String(),
        "estimated": pl.Boolean(),
    }
)
"""Pieces since the last reading, in the smallest declared unit. `kind`: total, good, scrap,
rework. `cause`: step, reset, rollover, gap. Rows of `gap` also tell what was not read: `from_time`
null at a first reading, `amount` null where a reading went Bad, 0 where nothing was lost."""

PLAN: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "start": TIME,
        "end": TIME,
        "kind": pl.String(),
    }
)
"""What was planned. `kind`: busy spans the whole shift; break and planned_maintenance are cut
out of it; not_planned says that the shift does not run. `production_day` is the local date on
which the shift starts."""

CYCLES: Final = pl.Schema(
    {
        **EQUIPMENT,
        "product_id": pl.String(),
        "pri_s": pl.Float64(),
        "origin": pl.String(),
        "valid_from": TIME,
    }
)
"""Planned run time per item, per work unit and product, from `valid_from` on. A null product means
every product that has no row of its own, and pieces of which nobody says what they are."""

REASONS: Final = pl.Schema(
    {
        **EQUIPMENT,
        "stop_reason_code": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "category": pl.String(),
        "valid_from": TIME,
    }
)
"""What a stop reason code means, from `valid_from` on; a null work unit means every one.
`category`: planned, setup, breakdown, minor_stop, starved, blocked, no_order, quality, unplanned
(ISO 22400's losses, and PackML's starved and blocked)."""

CONVENTIONS: Final = pl.Schema(
    {
        **EQUIPMENT,
        "profile_id": pl.String(),
        "rules": pl.String(),
        "breaks": pl.String(),
        "rework": pl.String(),
        "micro_stop_s": pl.Float64(),
        "start_up_s": pl.Float64(),
        "least_completeness": pl.Float64(),
        "valid_from": pl.Date(),
    }
)
"""Which profile a line or work unit (null: every one) has from a production day on, and what it
says (`profiles.Profile`): `rules` is the name of one that ParkPulse knows, `profile_id` of this
whole convention. A name that stands is not changed; another convention gets another name."""

LINES: Final = pl.Schema({**EQUIPMENT, "stage": pl.Int64(), "valid_from": TIME})
"""The stations of sequential lines, by stage from 1 on; those of one stage work side by side. The
rows of a line with one `valid_from` are one order, which holds from that local day on."""

GAPS: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "node_id": pl.String(),
        "from_time": TIME,
        "to_time": TIME,
        "reason": pl.String(),
    }
)
"""Spans in which a node should have spoken and was not heard; `node_id` null means every node
of the server, `to_time` null that the gap is still open."""

COVERAGE: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "factory_id": pl.String(),
        "from_time": TIME,
        "to_time": TIME,
    }
)
"""What the ledger vouches for: every value the server gave between these times is here. They are
the server's (or the collector's, where that is earlier), so source times are corrected before they
are compared with them; GAPS are in the same time."""

LEDGER_BY_DAY: Final = pl.Schema(
    {
        "server_uri": pl.String(),
        "node_id": pl.String(),
        "day": pl.Date(),
        "received_live": pl.Int64(),
        "republished": pl.Int64(),
        "back_filled": pl.Int64(),
        "repeats_removed": pl.Int64(),
        "covered_s": pl.Float64(),
        "uncovered_s": pl.Float64(),
        "gap_s": pl.Float64(),
        "completeness": pl.Float64(),
    }
)
"""The account of a node (null: the server as a whole) and local day: rows as they came by live
notification, Republish and history, how many of them were repeats, and the seconds that are vouched
for, are not, and lie in a gap on record. Seconds are null where nothing was owed."""

OEE_BY_SHIFT: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "start": TIME,
        "end": TIME,
        "is_open": pl.Boolean(),
        "pbt_s": pl.Float64(),
        "apt_s": pl.Float64(),
        "aust_s": pl.Float64(),
        "adet_s": pl.Float64(),
        "adot_s": pl.Float64(),
        "unknown_s": pl.Float64(),
        "pq": pl.Int64(),
        "gq": pl.Int64(),
        "sq": pl.Int64(),
        "rq": pl.Int64(),
        "pq_outside_plan": pl.Int64(),
        "pq_estimated": pl.Int64(),
        "ideal_total_s": pl.Float64(),
        "ideal_good_s": pl.Float64(),
        "availability": pl.Float64(),
        "effectiveness": pl.Float64(),
        "quality_ratio": pl.Float64(),
        "oee": pl.Float64(),
        "nee": pl.Float64(),
        "completeness": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "outside_plan": pl.Boolean(),
        "effectiveness_over_1": pl.Boolean(),
        "is_reliable": pl.Boolean(),
        "profile_id": pl.String(),
    }
)
"""OEE per work unit and shift. Seconds are whole microseconds divided once; `ideal_total_s` and
`ideal_good_s` are the sums of PRI x PQ and PRI x GQ over products. A shift that has not ended
counts up to the end of its coverage and says `is_open`. Quantities and what follows from them are
null where no counter was read; `pq_estimated` of pq were placed by the states, as nobody saw on
which side of an edge they were made. `completeness` is of time, `lower` and `upper` are of both.
What is not `is_reliable` (too little of the time is known, or no OEE) enters no ranking and no
release."""

LINE_OEE_BY_SHIFT: Final = pl.Schema(
    {
        "park_id": pl.String(),
        "factory_id": pl.String(),
        "line_id": pl.String(),
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "start": TIME,
        "end": TIME,
        "is_open": pl.Boolean(),
        "aggregation": pl.String(),
        "bottleneck": pl.String(),
        "bottleneck_stage": pl.Int64(),
        "work_units": pl.UInt32(),
        "work_units_missing": pl.UInt32(),
        "lacks": pl.String(),
        "pbt_s": pl.Float64(),
        "apt_s": pl.Float64(),
        "aust_s": pl.Float64(),
        "adet_s": pl.Float64(),
        "adot_s": pl.Float64(),
        "unknown_s": pl.Float64(),
        "pq": pl.Int64(),
        "gq": pl.Int64(),
        "sq": pl.Int64(),
        "rq": pl.Int64(),
        "ideal_total_s": pl.Float64(),
        "ideal_good_s": pl.Float64(),
        "availability": pl.Float64(),
        "effectiveness": pl.Float64(),
        "quality_ratio": pl.Float64(),
        "oee": pl.Float64(),
        "nee": pl.Float64(),
        "completeness": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "outside_plan": pl.Boolean(),
        "effectiveness_over_1": pl.Boolean(),
        "is_reliable": pl.Boolean(),
        "profile_id": pl.String(),
    }
)
"""OEE of a sequential line and shift. Times are the bottleneck stage's, each station by its share
of the stage's work; good pieces are the last stage's, the others those it spoils or a station
before it loses; ideal times are at the line's pace. `bottleneck` names work units (M2+M3).
`completeness` is the least of its stations'. `lacks` says why OEE is null: station, count, cycle.
docs/decisions/0022-lines-and-scope.md has the rest."""
RESTATEMENTS: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "part": pl.String(),
        "figure": pl.String(),
        "change": pl.String(),
        "old": pl.Float64(),
        "new": pl.Float64(),
        "old_text": pl.String(),
        "new_text": pl.String(),
        "cause": pl.String(),
        "restated_at": TIME,
        "run_id": pl.String(),
    }
)
"""A figure that was replaced, in order of time. `part` of a shift: of losses, the loss, category,
stop reason code and product with slashes between. `change`: changed, appeared or vanished with its
row; a null side of a change was undefined. Numbers stand in `old` and `new`, names in the texts.
`cause`: late_values, carried_values, clock, catalogue, plan, cycles, reasons, lines, coverage,
profile, code (several with commas), neighbours, unrecorded."""

LOSSES_BY_SHIFT: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "is_open": pl.Boolean(),
        "loss": pl.String(),
        "category": pl.String(),
        "stop_reason_code": pl.String(),
        "product_id": pl.String(),
        "lost_s": pl.Float64(),
        "stops": pl.Int64(),
        "pieces": pl.Int64(),
        "profile_id": pl.String(),
    }
)
"""Where the PBT of a work unit and shift went. `loss`: productive, or breakdown, setup, minor_stop,
speed, start_up, defect, waiting, unrated, unknown; `category` of REASONS where it is a stop.
`stops` counts those that began, `pieces` the good ones (productive) or the bad ones (start_up,
defect). The `lost_s` of a shift sum to its `pbt_s`."""

FAILURES: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "start": TIME,
        "end": TIME,
        "stop_reason_code": pl.String(),
        "ttr_s": pl.Float64(),
        "is_censored": pl.Boolean(),
    }
)
"""A failure, in the shift that first saw it. `end` is null where nobody saw it end; `ttr_s` is its
planned busy time, a lower bound where `is_censored`."""

RELIABILITY_BY_SHIFT: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "shift_id": pl.String(),
        "is_open": pl.Boolean(),
        "pbt_s": pl.Float64(),
        "uptime_s": pl.Float64(),
        "downtime_s": pl.Float64(),
        "other_s": pl.Float64(),
        "unknown_s": pl.Float64(),
        "ttf_s": pl.Float64(),
        "tbf_s": pl.Float64(),
        "failures": pl.Int64(),
        "repairs": pl.Int64(),
        "ttr_s": pl.Float64(),
        "mtbf_iso_s": pl.Float64(),
        "mttf_iso_s": pl.Float64(),
        "mtbf_s": pl.Float64(),
        "mttf_s": pl.Float64(),
        "mttr_s": pl.Float64(),
        "profile_id": pl.String(),
    }
)
"""Reliability per work unit and shift. Up, down (in failures), other and unknown time sum to PBT.
`repairs` are the failures that began here and are not censored, `ttr_s` their sum;
`docs/decisions/0020-the-rest-of-iso-22400.md` has the rest."""

SEMI_BY_DAY: Final = pl.Schema(
    {
        **EQUIPMENT,
        "production_day": pl.Date(),
        "is_open": pl.Boolean(),
        "total_s": pl.Float64(),
        "prd_s": pl.Float64(),
        "sby_s": pl.Float64(),
        "eng_s": pl.Float64(),
        "sdt_s": pl.Float64(),
        "udt_s": pl.Float64(),
        "nst_s": pl.Float64(),
        "unknown_s": pl.Float64(),
        "ideal_actual_s": pl.Float64(),
        "ideal_effective_s": pl.Float64(),
        "availability_efficiency": pl.Float64(),
        "operational_efficiency": pl.Float64(),
        "rate_efficiency": pl.Float64(),
        "quality_efficiency": pl.Float64(),
        "e79_oee": pl.Float64(),
        "completeness": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
    }
)
"""SEMI E10 states and E79 efficiencies per work unit and production day. The six states and unknown
sum to the total. Compare `e79_oee` with TEEP, never with the OEE index."""

TABLES: Final[dict[str, pl.Schema]] = {
    **REGISTER,
    "register_conflicts": CONFLICTS,
    "register_doubts": REJECTIONS,
    "raw_values": RAW,
    "quarantine": RAW,
    "last_values": RAW,
    "park_values": RAW,
    "events": EVENTS,
    "tags": TAGS,
    "state_episodes": STATE_EPISODES,
    "count_increments": COUNT_INCREMENTS,
    "ledger_by_day": LEDGER_BY_DAY,
    "plan": PLAN,
    "cycles": CYCLES,
    "reasons": REASONS,
    "lines": LINES,
    "conventions": CONVENTIONS,
    "oee_by_shift": OEE_BY_SHIFT,
    "losses_by_shift": LOSSES_BY_SHIFT,
    "line_oee_by_shift": LINE_OEE_BY_SHIFT,
    "reliability_by_shift": RELIABILITY_BY_SHIFT,
    "semi_by_day": SEMI_BY_DAY,
    "restatements": RESTATEMENTS,
    "warnings": WARNINGS,
    "adoption_before": ADOPTION,
}
"""What an empty table looks like, by its name in the lake."""
