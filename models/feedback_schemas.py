"""The tables of what people said of events, and of the load that events are. Times are UTC."""

from typing import Final

import polars as pl

from pipelines.schemas import EQUIPMENT, TIME

FEEDBACK: Final = pl.Schema(
    {
        "sequence": pl.Int64(),
        "time": TIME,
        "by": pl.String(),
        "event_id": pl.String(),
        "action": pl.String(),
        "verdict": pl.String(),
        "of": pl.String(),
        "shelving": pl.String(),
        "until": TIME,
        "reason": pl.String(),
        "note": pl.String(),
        "factory_id": pl.String(),
        "work_unit_id": pl.String(),
        "kind": pl.String(),
        "start": TIME,
        "end": TIME,
        "priority": pl.String(),
        "peak_score": pl.Float64(),
    }
)
"""The journal, one row per entry. `action`: acknowledge, confirm, shelve, unshelve, verdict.

`verdict`: true, false, handled, duplicate (`of` an event). `shelving`: timed (to `until`) or
one_shot. From `factory_id` on: the event as the speaker saw it, so that words outlive its id."""

SAID: Final = pl.Struct(
    {name: FEEDBACK[name] for name in FEEDBACK.names()[: FEEDBACK.names().index("factory_id")]}
)
"""One entry, beside the event that it was said of."""

WORDS: Final = pl.Schema(
    {
        "active_state": pl.String(),
        "acked_state": pl.String(),
        "confirmed_state": pl.String(),
        "shelving_state": pl.String(),
        "shelved_until": TIME,
        "suppressed_state": pl.String(),
        "retain": pl.Boolean(),
        "verdict": pl.String(),
        "verdict_by": pl.String(),
        "ack_min": pl.Float64(),
        "asked": pl.List(TIME),
        "said": pl.List(SAID),
    }
)
"""OPC UA Part 9 of an event at an instant; `models.lifecycle` says when each holds.

`ack_min`: minutes from its start until it was first acknowledged. `asked`: when it asked for a
response: at its start, when it alarmed again, when its shelf ended; never while shelved."""

ANOMALY_FEEDBACK: Final = pl.Schema(
    {
        **EQUIPMENT,
        "event_id": pl.String(),
        "aliases": pl.List(pl.String()),
        "kind": pl.String(),
        "start": TIME,
        "end": TIME,
        "priority": pl.String(),
        **WORDS,
    }
)
"""Events of a day in Part 9's words, and what was said of each. `aliases`: ids it had before."""

ANNOUNCEMENTS: Final = pl.Schema(
    {
        **EQUIPMENT,
        "engineer": pl.String(),
        "shift_id": pl.String(),
        "time": TIME,
        "event_id": pl.String(),
        "kind": pl.String(),
        "priority": pl.String(),
        "lost_min": pl.Float64(),
        "is_again": pl.Boolean(),
        "is_announced": pl.Boolean(),
    }
)
"""Each time that an event asked an engineer for a response; not announced: over the budget."""

ALARM_METRICS: Final = pl.Schema(
    {
        "factory_id": pl.String(),
        "engineer": pl.String(),
        "period": pl.String(),
        "from": TIME,
        "to": TIME,
        "hours": pl.Float64(),
        "alarms": pl.Int64(),
        "announced": pl.Int64(),
        "over_budget": pl.Int64(),
        "alarms_per_hour": pl.Float64(),
        "peak_hour": pl.Int64(),
        "peak_10_min": pl.Int64(),
        "flood_share": pl.Float64(),
        "high_share": pl.Float64(),
        "medium_share": pl.Float64(),
        "low_share": pl.Float64(),
        "stale": pl.Int64(),
        "chattering": pl.Int64(),
        "top_10_share": pl.Float64(),
        "acknowledged": pl.Int64(),
        "ack_min": pl.Float64(),
    }
)
"""EEMUA 191's figures per engineer; `period`: day, 30_days. Defined in `models.alarm_metrics`."""

ALARM_PRECISION: Final = pl.Schema(
    {
        "factory_id": pl.String(),
        "work_unit_id": pl.String(),
        "kind": pl.String(),
        "true": pl.Int64(),
        "handled": pl.Int64(),
        "false": pl.Int64(),
        "duplicate": pl.Int64(),
        "judged": pl.Int64(),
        "unjudged": pl.Int64(),
        "precision": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)
"""Of 30 days' events, what engineers' verdicts say; a row without machine and kind sums them all.

`judged` = true + handled + false; `precision` = (true + handled) / judged, null where that is 0;
`low high`: Wilson's 95 % interval. What was missed nobody judged: recall is not told."""
