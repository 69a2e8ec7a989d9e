"""What the park pages are made of: frames that others computed, each of which may be missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import polars as pl

from connectors.errors import ParkPulseError
from pipelines import park_figures, park_schemas
from pipelines.indicators import KPI
from pipelines.versions import as_of

FACTORIES: Final = pl.Schema(
    {
        "factory_id": pl.String(),
        "park_id": pl.String(),
        "uscc": pl.String(),
        "sector": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "shares_oee": pl.Boolean(),
    }
)
"""The factories of the fleet; `sector` as in the fleet file. `shares_oee`: whether the enterprise
permits that the park reads its OEE."""

OEE_DAYS: Final = pl.Schema(
    {
        "level": pl.String(),
        "production_day": pl.Date(),
        "park_id": pl.String(),
        "factory_id": pl.String(),
        "oee": pl.Float64(),
        "completeness": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "is_reliable": pl.Boolean(),
    }
)
"""The columns of `pipelines.levels.by_day` that are shown; levels factory, park, district."""

SERVICE_USE: Final = pl.Schema(
    {
        "park_id": pl.String(),
        "service_id": pl.String(),
        "platform": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "level": pl.String(),
        "chain_stage": pl.String(),
        "is_listed": pl.Boolean(),
        "enterprises": pl.Int64(),
        "unattributed": pl.Int64(),
        "uses": pl.Int64(),
        "trend": pl.Float64(),
    }
)
"""云服务中心: the catalogue of an area (null: New City) with what was used of it in 90 days.
`is_listed` false: used, and not on offer. `unattributed`: uses of a group's account."""

PROJECT_STATES: Final = pl.Schema(
    {
        "project_id": pl.String(),
        "state": pl.String(),
        "phase": pl.String(),
        "days_late": pl.Int64(),
        "next_on": pl.Date(),
        "invested_wan": pl.Float64(),
    }
)
"""Where a project stands. `state`: not_begun, running, between, finished."""

PROJECT_FINDINGS: Final = pl.Schema(
    {"project_id": pl.String(), "todo_zh": pl.String(), "todo_en": pl.String()}
)
"""Dates of projects that cannot be right, and what to do about it."""

SELF_VIEWS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "figure": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "unit": pl.String(),
        "value": pl.Float64(),
        "quarter": pl.String(),
        "q1": pl.Float64(),
        "median": pl.Float64(),
        "q3": pl.Float64(),
        "peers_zh": pl.String(),
        "peers_en": pl.String(),
        "note_zh": pl.String(),
        "note_en": pl.String(),
    }
)
"""What each enterprise may see of itself among its peers (docs/decisions/0041). `quarter`: first to
fourth from below; lower_half, upper_half where only the median is told."""

Frame = pl.DataFrame | None


@dataclass(frozen=True, slots=True)
class PageFrames:
    """Everything the pages show of `day`; a frame that is None was never made or imported.

    `parks`: park id to (Chinese, English) name. `adoption` and `oee_days` may span many days, the
    others are of `day`. `enterprises` and `sites` may hold all versions. `kpi` may be KPI or, after
    disclosure control, PUBLISHED. `warnings`: those that no person closed. Forecasts and arrivals
    are in the unit of their indicator.
    """

    day: date
    parks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    factories: Frame = None
    enterprises: Frame = None
    sites: Frame = None
    enterprise_days: Frame = None
    adoption: Frame = None
    funnel: Frame = None
    liveness: Frame = None
    changes: Frame = None
    discrepancies: Frame = None
    oee_days: Frame = None
    warnings: Frame = None
    portraits: Frame = None
    self_views: Frame = None
    conformance: Frame = None
    cards: Frame = None
    projects: Frame = None
    project_states: Frame = None
    project_findings: Frame = None
    service_use: Frame = None
    missing_links: Frame = None
    pue: Frame = None
    kpi: Frame = None
    forecasts: Frame = None
    arrivals: Frame = None

    def __post_init__(self) -> None:
        for name, schema in SCHEMAS.items():
            frame = getattr(self, name)
            if frame is not None:
                _refuse_other(name, frame, schema)
        for name in ("enterprises", "sites"):
            frame = getattr(self, name)
            if frame is not None:
                object.__setattr__(self, name, as_of(frame, self.day))


SCHEMAS: Final[dict[str, pl.Schema]] = {
    "factories": FACTORIES,
    "enterprises": park_schemas.ENTERPRISES,
    "sites": park_schemas.SITES,
    "enterprise_days": park_schemas.ENTERPRISE_DAYS,
    "adoption": park_figures.ADOPTION,
    "funnel": park_figures.FUNNEL,
    "liveness": park_figures.LIVENESS,
    "changes": park_figures.CHANGES,
    "discrepancies": park_figures.DISCREPANCIES,
    "oee_days": OEE_DAYS,
    "warnings": park_schemas.WARNINGS,
    "portraits": park_figures.PORTRAITS,
    "self_views": SELF_VIEWS,
    "conformance": park_figures.CONFORMANCE,
    "cards": park_figures.CARDS,
    "projects": park_schemas.PROJECTS,
    "project_states": PROJECT_STATES,
    "project_findings": PROJECT_FINDINGS,
    "service_use": SERVICE_USE,
    "missing_links": park_figures.MISSING_LINKS,
    "pue": park_figures.PUE,
    "kpi": KPI,
    "forecasts": park_figures.FORECASTS,
    "arrivals": park_figures.ARRIVALS,
}
"""Columns that each frame must have; more are no harm."""


def _refuse_other(name: str, frame: pl.DataFrame, schema: pl.Schema) -> None:
    """ParkPulseError where a column is missing or of another type."""
    for column, dtype in schema.items():
        if frame.schema.get(column) != dtype:
            found = frame.schema.get(column, "no such column")
            raise ParkPulseError(
                f"PageFrames.{name}",
                f"column {column} should be {dtype}, found {found}",
                f"give it a frame of the schema of {name} (connectors/pages/frames.py)",
            )
