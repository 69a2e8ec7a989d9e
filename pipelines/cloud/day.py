"""Everything that is counted of one day, from a register made ready for many."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, Self

import polars as pl

from pipelines.cloud import areas, change, discrepancy, firms, funnel, measures
from pipelines.cloud.listings import Listings, listings
from pipelines.cloud.owed import Calendars, calendars
from pipelines.cloud.units import of_terminals, units
from pipelines.park_schemas import REGISTER
from pipelines.versions import as_of


class Ground(NamedTuple):
    """The register, ready: nothing in it depends on a day, and no day reads what came after it."""

    tables: Mapping[str, pl.DataFrame]
    listings: Listings
    calendars: Calendars
    uses: pl.DataFrame

    @classmethod
    def of(
        cls, tables: Mapping[str, pl.DataFrame], last_day: date, first_day: date | None = None
    ) -> Self:
        """For counting `first_day` (None: the last alone) to `last_day`.

        From tables of `park_schemas.REGISTER` by name; one that is missing is empty.
        """
        full = {
            name: tables.get(name, pl.DataFrame(schema=REGISTER[name]))
            for name in (
                "enterprises", "sites", "machines", "terminals", "tenants", "declarations",
                "provider_use", "operating_days", "collector_down",
            )
        }  # fmt: skip
        known = listings(full["terminals"])
        days = calendars(
            full["operating_days"], full["collector_down"], known.owners.categories,
            first_day or last_day, last_day,
        )  # fmt: skip
        return cls(
            full,
            known,
            days,
            firms.attributed(full["provider_use"], full["tenants"]),
        )


class Day(NamedTuple):
    """What was counted of a day; the first four are tables of `park_figures`."""

    adoption: pl.DataFrame
    funnel: pl.DataFrame
    liveness: pl.DataFrame
    discrepancies: pl.DataFrame
    classified: pl.DataFrame
    firms: pl.DataFrame
    units: pl.DataFrame

    def contributions(self, on: date) -> pl.DataFrame:
        """What each legal group adds to each figure (`areas.contributions`)."""
        return areas.contributions(self.classified, on)

    def panel(self) -> pl.DataFrame:
        """Who is counted and who is not: a side of `change.changes`."""
        return pl.concat([change.enterprise_panel(self.firms), change.device_panel(self.units)])


def of_day(ground: Ground, state: pl.DataFrame, on: date) -> Day:
    """The figures of a day; `state` is `seen.STATE` of it."""
    return of_seen(ground, of_terminals(state, ground.listings.terminal_ids), on)


def of_seen(ground: Ground, seen: pl.DataFrame, on: date) -> Day:
    """The figures of a day from its state in the order of the ground's terminals."""
    tables = ground.tables
    devices = units(ground.listings, seen, ground.calendars, on)
    sure = pl.col("is_deployed") & pl.col("is_connected") & ~pl.col("is_ambiguous")
    connected = devices.filter(sure & (pl.col("kind") == "device"))["uscc"].unique().cast(pl.String)
    register = firms.enterprises(tables["enterprises"], tables["sites"], on)
    known = firms.evidence(register, tables["declarations"], ground.uses, connected, on)
    machines = _machines(tables, on)
    measured = pl.concat(
        [
            measures.cloud_share(known),
            measures.terminal_rates(devices),
            measures.machine_rates(machines, devices),
            measures.key_operations(machines, known),
            measures.platform_use(known),
        ]
    )
    classified = areas.classified(measured, known)
    park_ids = _parks(tables, on)
    return Day(
        adoption=areas.figures(classified, park_ids, on),
        funnel=pl.concat(
            [
                funnel.enterprises(known, devices, ground.uses, park_ids, on),
                funnel.terminals(devices, park_ids, on),
            ]
        ),
        liveness=funnel.liveness(devices, on),
        discrepancies=discrepancy.discrepancies(known, on),
        classified=classified,
        firms=known,
        units=devices,
    )


def _machines(tables: Mapping[str, pl.DataFrame], on: date) -> pl.DataFrame:
    """MACHINES of the day with `parks`: that of their site, none where the site is not known."""
    sites = as_of(tables["sites"], on).select("site_id", parks=pl.col("park_id").fill_null(""))
    machines = as_of(tables["machines"], on).join(sites, on="site_id", how="left")
    return machines.with_columns(pl.col("parks").fill_null(""))


def _parks(tables: Mapping[str, pl.DataFrame], on: date) -> list[str]:
    """Every park that a site or a terminal of the day is in."""
    said = [as_of(tables[name], on)["park_id"] for name in ("sites", "terminals")]
    parks: list[str] = pl.concat(said).drop_nulls().unique().sort().to_list()
    return parks
