"""Facts for evidence cards that come from the park register: parks, and machines of factories.

A park of which a table says nothing has 0; where the whole table is empty nobody has entered it
yet, and the fact is unknown.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from pipelines.card_facts import RECENT, counts, shares
from pipelines.chains import ACTIVE
from pipelines.evidence_cards import BENCHMARK_PARK, FACTS, SMART_FACTORY
from pipelines.projects import PHASES
from pipelines.versions import as_of

FIVE_G: Final = "5g"


def of_days(
    kind: str, fact_id: str, days: pl.DataFrame, subjects: Sequence[str], on: date
) -> pl.DataFrame:
    """`FACTS`: on how many of the last 30 days something was there; `days`: subject_id, day."""
    recent = days.filter(pl.col("day").is_between(on - RECENT, on))
    number = recent.group_by("subject_id").agg(number=pl.col("day").n_unique().cast(pl.Int64))
    return counts(kind, fact_id, _of_all(number, subjects, days), on)


def of_projects(projects: pl.DataFrame, park_ids: Sequence[str], on: date) -> pl.DataFrame:
    """`FACTS`: through how many of the four phases a park's projects have been kept by a day."""
    came = projects.filter(pl.col("entered_on") <= on, pl.col("phase").is_in(PHASES))
    number = came.group_by(subject_id="park_id").agg(
        number=pl.col("phase").n_unique().cast(pl.Int64)
    )
    found = _of_all(number, park_ids, projects)
    return counts(BENCHMARK_PARK, "project_phases", found, on)


def of_services(
    catalogue: pl.DataFrame, platforms: pl.DataFrame, park_ids: Sequence[str], on: date
) -> pl.DataFrame:
    """`FACTS`: services of the catalogue in use (`service_centre.CATALOGUE`) on a park's platforms.

    `platforms`: park_id, platform.
    """
    used = catalogue.filter("is_listed", "is_used").join(platforms, on="platform")
    number = used.group_by(subject_id="park_id").agg(
        number=pl.struct("platform", "service_id").n_unique().cast(pl.Int64)
    )
    return counts(BENCHMARK_PARK, "services_in_use", _of_all(number, park_ids, catalogue), on)


def of_chains(missing_links: pl.DataFrame, park_ids: Sequence[str], on: date) -> pl.DataFrame:
    """`FACTS`: how many chains a park has begun (`park_figures.MISSING_LINKS`)."""
    number = missing_links.group_by(subject_id="park_id").agg(
        number=pl.col("chain").n_unique().cast(pl.Int64)
    )
    return counts(BENCHMARK_PARK, "chains_begun", _of_all(number, park_ids, missing_links), on)


def of_terminals(terminals: pl.DataFrame, park_ids: Sequence[str], on: date) -> pl.DataFrame:
    """`FACTS`: terminals on 5G in service on a day, each listing's once (`TERMINALS`)."""
    retired = pl.col("retired_on")
    in_service = as_of(terminals, on).filter(
        pl.col("activated_on") <= on, retired.is_null() | (retired > on),
        pl.col("network") == FIVE_G,
    )  # fmt: skip
    number = in_service.group_by(subject_id="park_id").agg(
        number=pl.col("terminal_id").n_unique().cast(pl.Int64)
    )
    return counts(BENCHMARK_PARK, "five_g_terminals", _of_all(number, park_ids, terminals), on)


def of_monitoring(
    enterprises: pl.DataFrame, sites: pl.DataFrame, enterprise_days: pl.DataFrame, on: date
) -> pl.DataFrame:
    """`FACTS`: enterprises of each park with operating data in the last 30 days, of all of them."""
    seen = enterprise_days.filter(pl.col("day").is_between(on - RECENT, on), "is_collected")
    return _share_of(residents(enterprises, sites, on), seen, "monitored_share", on)


def of_portraits(
    enterprises: pl.DataFrame, sites: pl.DataFrame, portraits: pl.DataFrame
) -> pl.DataFrame:
    """`FACTS`: enterprises of each park that have a portrait, of all of them, on the day of these.

    Of several days' portraits the last ones.
    """
    on = portraits["reference_date"].max()
    if not isinstance(on, date):
        return FACTS.to_frame()
    drawn = portraits.filter(pl.col("reference_date") == on)
    return _share_of(residents(enterprises, sites, on), drawn, "portrait_share", on)


def of_warnings(
    enterprises: pl.DataFrame, sites: pl.DataFrame, enterprise_days: pl.DataFrame, on: date
) -> pl.DataFrame:
    """`FACTS`: days of the last 30 that early warning could judge of a park's enterprises.

    Where it ran it read every day of which operating data was collected.
    """
    here = residents(enterprises, sites, on)
    parks = sorted(here["park_id"].unique())
    read = enterprise_days.filter("is_collected").join(here, on="uscc")
    days = read.select("day", subject_id="park_id")
    return of_days(BENCHMARK_PARK, "warning_days", days, parks, on)


def of_machines(machines: pl.DataFrame, owners: pl.DataFrame, on: date) -> pl.DataFrame:
    """`FACTS`: digital machines of factories (`owners`: factory_id, uscc) that are networked.

    Of those of which it is not known whether they are, none is.
    """
    digital = as_of(machines, on).filter("is_digital", pl.col("kind") == "machine")
    own = digital.join(owners.drop_nulls("uscc"), on="uscc")
    sums = own.group_by(subject_id="factory_id").agg(
        numerator=pl.col("is_networked").fill_null(value=False).sum().cast(pl.Int64),
        denominator=pl.len().cast(pl.Int64),
    )
    return shares(SMART_FACTORY, "networked_share", sums, on)


def platforms(terminals: pl.DataFrame, on: date) -> pl.DataFrame:
    """`park_id platform`: the platforms that list a terminal in a park on a day."""
    listed = as_of(terminals, on).filter(pl.col("park_id").is_not_null())
    return listed.select("park_id", "platform").unique().sort("park_id", "platform")


def residents(enterprises: pl.DataFrame, sites: pl.DataFrame, on: date) -> pl.DataFrame:
    """`park_id uscc` of the enterprises 在营 that have a site in a park on a day, once each."""
    active = as_of(enterprises, on).filter(pl.col("register_status") == ACTIVE)
    held = as_of(sites, on).filter(pl.col("park_id").is_not_null())
    return held.join(active, on="uscc", how="semi").select("park_id", "uscc").unique()


def _share_of(residents: pl.DataFrame, known: pl.DataFrame, fact_id: str, on: date) -> pl.DataFrame:
    there = residents.with_columns(has=pl.col("uscc").is_in(known["uscc"].unique().implode()))
    sums = there.group_by(subject_id="park_id").agg(
        numerator=pl.col("has").sum().cast(pl.Int64), denominator=pl.len().cast(pl.Int64)
    )
    return shares(BENCHMARK_PARK, fact_id, sums, on)


def _of_all(number: pl.DataFrame, subjects: Sequence[str], table: pl.DataFrame) -> pl.DataFrame:
    """`subject_id number` of every subject: 0 where the table has none, null where it is empty."""
    every = pl.DataFrame({"subject_id": list(subjects)}, schema={"subject_id": pl.String})
    found = every.join(number, on="subject_id", how="left", maintain_order="left")
    return found if table.is_empty() else found.with_columns(pl.col("number").fill_null(0))
