"""The tables of the models, as data. Times are UTC."""

from typing import Final

import polars as pl

from pipelines.schemas import EQUIPMENT, TIME

CONTRIBUTOR: Final = pl.Struct(
    {
        "sensor": pl.String(),
        "kind": pl.String(),
        "unit": pl.String(),
        "seen": pl.Float64(),
        "expected": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "deviation": pl.Float64(),
        "share": pl.Float64(),
        "began": TIME,
    }
)
"""A signal's part in a finding. `kind`: level, residual, jump, noise, frozen, moved, rate, together
(jumped on several machines of the line at once), or follows: as usual once the first signal is left
out.
`deviation` is (seen - expected) in robust deviations of the signal in its training rows."""

FINDINGS: Final = pl.Schema(
    {
        "kind": pl.String(),
        "start": TIME,
        "end": TIME,
        "peak_score": pl.Float64(),
        "contributors": pl.List(CONTRIBUTOR),
    }
)
"""What one method saw on one machine; `end` null while it lasts. `kind`: signal,
sensor_frozen, micro_stop_burst, speed_loss, quality_slide."""

ANOMALY_EVENTS: Final = pl.Schema(
    {
        **EQUIPMENT,
        "event_id": pl.String(),
        "kind": pl.String(),
        "start": TIME,
        "end": TIME,
        "state": pl.String(),
        "priority": pl.String(),
        "why_zh": pl.String(),
        "why_en": pl.String(),
        "peak_score": pl.Float64(),
        "signals": pl.List(pl.String()),
        "contributors": pl.List(CONTRIBUTOR),
        "product_id": pl.String(),
        "order_id": pl.String(),
        "shift_id": pl.String(),
        "suppressed_by": pl.String(),
        "check_zh": pl.String(),
        "check_en": pl.String(),
        "lost_min": pl.Float64(),
        "exposed_min": pl.Float64(),
        "unknown_min": pl.Float64(),
        "model_version": pl.Int64(),
        "cause_id": pl.String(),
        "cause_measure": pl.String(),
    }
)
"""Findings of one machine grouped into what needs one response.

`state`: new, ongoing (began before the reported day), cleared. `priority`: high, medium, low.
`signals` are ranked, the likely culprit first. `lost_min`: minutes of OEE lost in the event beyond
the machine's own training day (`models.stakes`), null where no counts are known; `exposed_min`:
minutes it produced meanwhile; `unknown_min`: minutes without data, in neither. `model_version`: of
the model that judged the day (`models.registry`). `cause_id`, `cause_measure`: what it shares with
events of other machines (`models.common_cause`), null where it stands alone. Files of before a
column came have no such column."""

CAUSES: Final = pl.Schema(
    {
        "cause_id": pl.String(),
        "measure": pl.String(),
        "side": pl.String(),
        "start": TIME,
        "first_event_id": pl.String(),
        "machines": pl.List(pl.String()),
        "check_zh": pl.String(),
        "check_en": pl.String(),
    }
)
"""Events of several machines with one cause: the measure they share, off to one side (low, high),
the event that began first, and what to check that feeds them all."""

TRACES: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "sensor": pl.String(),
        "unit": pl.String(),
        "time": TIME,
        "seen": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)
"""A signal around an event, thinned for a chart, with the band it should have kept."""

DATA_GAPS: Final = pl.Schema({**EQUIPMENT, "start": TIME, "end": TIME, "minutes": pl.Float64()})
"""Spans in which a machine's state is unknown. Data that is missing is never an anomaly."""
