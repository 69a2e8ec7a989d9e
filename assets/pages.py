"""The park pages: what a manager puts before a visitor, written from the tables of a day."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Final

import dagster as dg
import polars as pl

from assets.owners import owners_of
from assets.partitions import FACTORY_IDS, HOME, local_today, names_in_both, sector_of, sharing_oee
from assets.words import OWNERS, both
from connectors.lake import Lake, Partition
from connectors.pages import PageFrames, write_pages
from connectors.pages.frames import FACTORIES, SELF_VIEWS
from pipelines.self_view import self_view
from pipelines.warning_cycle import still_open

OF_THE_DAY: Final = {
    "funnel": "funnel",
    "liveness": "liveness",
    "changes": "adoption_changes",
    "discrepancies": "discrepancies",
    "kpi": "kpi",
    "missing_links": "missing_links",
    "pue": "pue",
    "project_states": "project_states",
    "project_findings": "project_findings",
    "service_use": "service_catalogue",
    "cards": "evidence_cards",
    "portraits": "portraits",
    "forecasts": "forecasts",
    "arrivals": "arrivals",
}
"""Frames of a page and the tables they are read from: of the day, or as they stand."""

AS_THEY_STAND: Final = ("enterprises", "sites", "enterprise_days", "projects")


@dg.asset(
    deps=[
        "adoption", "adoption_before", "adoption_changes", "funnel", "liveness", "discrepancies",
        "enterprises", "sites", "enterprise_days", "projects", "oee_roll_up", "kpi", "warnings",
        "warning_states", "portraits", "quartiles", "forecasts", "arrivals", "conformance",
        "evidence_cards", "missing_links", "pue", "project_states", "project_findings",
        "service_catalogue",
    ],
    group_name="release",
    kinds={"html"},
    owners=OWNERS,
    description=both(
        "园区页面：总览、各园区、产业数字地图、证据卡、项目、云服务、指标与企业页，离线可看。",
        "The park pages: overview, parks, map, evidence, projects, services, indicators and "
        "enterprises, read offline.",
    ),
)  # fmt: skip
def park_pages(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Write the pages of the last closed day; gives what was written."""
    day = local_today() - timedelta(days=1)
    shown = frames(Lake(HOME.lake), day)
    written = write_pages(HOME.pages, shown)
    public = write_pages(HOME.pages / "public", shown, "public")
    context.add_output_metadata(
        {
            "pages": len(written),
            "public_pages": len(public),
            "index": dg.MetadataValue.url(f"file://{written[0]}"),
        }
    )
    return pl.DataFrame({"page": [path.name for path in written]}).with_columns(day=pl.lit(day))


def frames(lake: Lake, day: date) -> PageFrames:
    """What there is of a day; tables that nobody made are None, and their pages say so."""
    stands = {name: lake.read(name, Partition()) for name in AS_THEY_STAND}
    of_day = {name: _of_day(lake, table, day) for name, table in OF_THE_DAY.items()}
    if of_day["service_use"] is not None:  # the catalogue is of the New City
        whole = pl.lit(None, pl.String)
        of_day["service_use"] = of_day["service_use"].with_columns(park_id=whole)
    return PageFrames(
        day=day,
        parks=names_in_both("park"),
        factories=_factories(lake, day),
        adoption=_over_days(lake, "adoption", day, lake.read("adoption_before", Partition())),
        oee_days=_over_days(lake, "oee_roll_up", day, None),
        conformance=_of_factories(lake, "conformance", day),
        warnings=_open_warnings(lake),
        self_views=_self_views(lake, of_day["portraits"], day),
        **stands,
        **of_day,
    )


def _of_day(lake: Lake, table: str, day: date) -> pl.DataFrame | None:
    own = lake.read(table, Partition(day))
    return lake.read(table, Partition()) if own is None else own


def _open_warnings(lake: Lake) -> pl.DataFrame | None:
    """WARNINGS but those that the data or a person ended."""
    warnings, told = (lake.read(name, Partition()) for name in ("warnings", "warning_states"))
    return warnings if warnings is None or told is None else still_open(warnings, told)


def _over_days(
    lake: Lake, table: str, day: date, before: pl.DataFrame | None
) -> pl.DataFrame | None:
    found = [part for part in lake.partitions(table) if part.day and part.day <= day]
    rows = lake.scan(table, found)
    made = [] if rows is None else [rows.collect(engine="in-memory")]
    told = [*([] if before is None else [before]), *made]
    return pl.concat(told, how="diagonal_relaxed") if told else None


def _of_factories(lake: Lake, table: str, day: date) -> pl.DataFrame | None:
    rows = lake.scan(table, [Partition(day, factory) for factory in FACTORY_IDS])
    return None if rows is None else rows.collect(engine="in-memory")


def _factories(lake: Lake, day: date) -> pl.DataFrame | None:
    """FACTORIES: where each stands is what its machines' roll-up says."""
    rolled = lake.read("oee_roll_up", Partition(day))
    if rolled is None:
        return None
    names = names_in_both("factory")
    zh, en = ({key: both[n] for key, both in names.items()} for n in (0, 1))
    parks = rolled.filter(pl.col("level") == "factory").select("factory_id", "park_id").unique()
    owners = owners_of(FACTORY_IDS).join(parks, on="factory_id", how="left")
    named = owners.with_columns(
        sector=pl.col("factory_id").map_elements(sector_of, pl.String),
        name_zh=pl.col("factory_id").replace(zh),
        name_en=pl.col("factory_id").replace(en),
        shares_oee=pl.col("factory_id").is_in(sharing_oee()),
    )
    return named.select(FACTORIES.names()).cast(FACTORIES)


def _self_views(lake: Lake, portraits: pl.DataFrame | None, day: date) -> pl.DataFrame | None:
    """What each enterprise with a portrait may see of itself."""
    quartiles = _of_day(lake, "quartiles", day)
    if portraits is None or quartiles is None:
        return None
    view: Callable[[str], pl.DataFrame] = partial(self_view, portraits, quartiles)
    views: Mapping[str, pl.DataFrame] = {uscc: view(uscc) for uscc in portraits["uscc"]}
    told = [rows.with_columns(uscc=pl.lit(uscc)) for uscc, rows in views.items()]
    return pl.concat([SELF_VIEWS.to_frame(), *(rows.select(SELF_VIEWS.names()) for rows in told)])
