"""What a park manager asks day by day: PUE, missing links, projects, the services in use."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import DAYS, HOME, SINGLE_RUN
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors import register_store
from pipelines import chains, projects, pue, service_centre
from pipelines.register_history import history

Register = Mapping[str, pl.DataFrame]

REGISTER: Final = [
    "enterprises", "sites", "tenants", "provider_use", "projects", "services", "energy_days",
]  # fmt: skip
"""What the figures are made of."""


def _out(chinese: str, english: str) -> dg.AssetOut:
    return dg.AssetOut(
        group_name="gold",
        kinds={"polars"},
        owners=OWNERS,
        metadata=BY_DAY,
        description=both(chinese, english),
    )


MADE: Final = {
    "pue": _out(
        "数据中心近 365 日 PUE 与判定：只计两块表都有数的日。",
        "PUE of data centres over 365 days and its verdict, of days on which both meters spoke.",
    ),
    "missing_links": _out(
        "产业链缺失环节：园区有、新城他处有、都没有。",
        "Links of chains a park has begun: present, elsewhere in the New City, missing.",
    ),
    "project_states": _out(
        "每个项目处于哪个阶段、下一个节点、迟了几天。",
        "Where each project stands, its next milestone, and by how many days it is late.",
    ),
    "project_findings": _out(
        "项目日期中不可能成立之处。", "What cannot be right in the dates of projects."
    ),
    "project_summary": _out(
        "各园区各阶段的项目数。", "Projects of parks by the phase they are in."
    ),
    "service_catalogue": _out(
        "云服务目录与近 90 日使用：谁在用、多少次、谁都不用的。",
        "The catalogue of services with the use of 90 days: by whom, how often, by nobody.",
    ),
}


@dg.multi_asset(
    outs=MADE,
    ins={name: dg.AssetIn() for name in REGISTER},
    deps=["register_files"],
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    name="park_figures_of_days",
)
def park_figures_of_days(
    context: dg.AssetExecutionContext, **register: pl.LazyFrame
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Every figure as of each reference date, of the register as it is known now."""
    days = sorted(date.fromisoformat(key) for key in context.partition_keys)
    known = {name: frame.collect() for name, frame in register.items()}
    known["supply_links"] = _links()
    for name, of_day in OF_DAY.items():
        told = [of_day(known, day).with_columns(partition_day=pl.lit(day)) for day in days]
        yield dg.Output(pl.concat(told), name)


def _links() -> pl.DataFrame:
    """The chains that somebody imported, else ours."""
    imported = history("supply_links", register_store.rows(HOME, "supply_links"))[0]
    return chains.supply_links() if imported.is_empty() else imported


def _missing_links(known: Register, on: date) -> pl.DataFrame:
    units = known["enterprises"], known["sites"]
    return chains.missing_links(*units, known["supply_links"], on)


def _catalogue(known: Register, on: date) -> pl.DataFrame:
    use = known["provider_use"], known["tenants"]
    return service_centre.catalogue(known["services"], *use, known["enterprises"], on)


OF_DAY: Final[dict[str, Callable[[Register, date], pl.DataFrame]]] = {
    "pue": lambda known, on: pue.by_data_centre(known["energy_days"], on),
    "missing_links": _missing_links,
    "project_states": lambda known, on: projects.states(known["projects"], on),
    "project_findings": lambda known, on: projects.findings(known["projects"], on),
    "project_summary": lambda known, on: projects.summary(projects.states(known["projects"], on)),
    "service_catalogue": _catalogue,
}
"""How each table is made of the register, as of a day."""
