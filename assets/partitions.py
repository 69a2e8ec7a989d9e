"""Partitions of one home: local days, factories, parks, and factory-days.

A Dagster code location serves one home, named by $PARKPULSE_HOME: its first day and its fleet
file say which partitions there are.
"""

import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from connectors.home import Home, default_home
from connectors.lake import Partition
from pipelines.days import ZONE, day_of

HOME: Final = Home(default_home())

ISO_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
"""How a day looks in a partition key: a site's id may begin with a number too."""


def site_names(kind: str, home: Home = HOME) -> dict[str, str]:
    """Ids and names of the home's sites of a kind (factory, park), as its fleet file has them."""
    return {key: name for key, (name, _) in names_in_both(kind, home).items()}


def names_in_both(kind: str, home: Home = HOME) -> dict[str, tuple[str, str]]:
    """The same, with English names (`name_en`) where the fleet file has them, else the others."""
    fleet = home.root / "fleet.toml"
    if not fleet.is_file():
        return {}
    sites = tomllib.loads(fleet.read_text("utf-8")).get(kind, [])
    names = {site["id"]: site.get("name", site["id"]) for site in sites}
    return {
        site["id"]: (names[site["id"]], site.get("name_en", names[site["id"]])) for site in sites
    }


def sector_of(factory: str, home: Home = HOME) -> str | None:
    """The sector of a factory, as the fleet file has it; null where it says none."""
    fleet = home.root / "fleet.toml"
    sites = tomllib.loads(fleet.read_text("utf-8")).get("factory", []) if fleet.is_file() else []
    return next((site.get("sector") for site in sites if site["id"] == factory), None)


def sharing_oee(home: Home = HOME) -> list[str]:
    """Factories whose OEE may stand in a portrait: those with `share_oee` in the fleet file."""
    fleet = home.root / "fleet.toml"
    sites = tomllib.loads(fleet.read_text("utf-8")).get("factory", []) if fleet.is_file() else []
    return [site["id"] for site in sites if site.get("share_oee") is True]


def local_today(home: Home = HOME, at: datetime | None = None) -> date:
    """The home's local date now, or at an instant of our clock; a replay pretends another."""
    offset = home.now_offset_s if home.exists() else 0.0
    return day_of((at or datetime.now(UTC)) + timedelta(seconds=offset))


def _days(home: Home) -> dg.DailyPartitionsDefinition:
    today = day_of(datetime.now(UTC))
    ahead = (local_today(home) - today).days
    first = home.first_day if home.exists() else today - timedelta(days=2)
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(), timezone=ZONE, end_offset=1 + ahead
    )


FACTORY_IDS: Final = list(site_names("factory"))
PARK_IDS: Final = list(site_names("park"))

DAYS: Final = _days(HOME)
FACTORIES: Final = dg.StaticPartitionsDefinition(FACTORY_IDS or ["none"])
PARKS: Final = dg.StaticPartitionsDefinition(PARK_IDS or ["none"])
FACTORY_DAYS: Final = dg.MultiPartitionsDefinition({"day": DAYS, "factory": FACTORIES})
SINGLE_RUN: Final = dg.BackfillPolicy.single_run()
"""One run serves a whole box of partitions."""


def factory_days(first: int, last: int) -> dg.MultiPartitionMapping:
    """The same factory, from `first` to `last` days away."""
    return dg.MultiPartitionMapping(
        {
            "day": dg.DimensionPartitionMapping(
                "day", dg.TimeWindowPartitionMapping(start_offset=first, end_offset=last)
            ),
            "factory": dg.DimensionPartitionMapping("factory", dg.IdentityPartitionMapping()),
        }
    )


NEIGHBOURS: Final = factory_days(-1, 1)
"""The day before and the day after: skewed clocks and night shifts cross midnight."""

SAME_FACTORY: Final = dg.MultiToSingleDimensionPartitionMapping("factory")
SAME_DAY: Final = dg.MultiToSingleDimensionPartitionMapping("day")


def partition_of(key: str) -> Partition:
    """The lake's partition for a Dagster partition key (day, site, or `day|factory`).

    >>> partition_of("2026-11-21|F03")
    Partition(day=datetime.date(2026, 11, 21), factory='F03')
    >>> partition_of("F03")
    Partition(day=None, factory='F03')
    >>> partition_of("2026-11-21|3101F")
    Partition(day=datetime.date(2026, 11, 21), factory='3101F')
    """
    parts = key.split("|")
    days = [date.fromisoformat(part) for part in parts if ISO_DATE.fullmatch(part)]
    sites = [part for part in parts if not ISO_DATE.fullmatch(part)]
    return Partition(days[0] if days else None, sites[0] if sites else None)


def key_of(partition: Partition) -> str:
    """The Dagster key of a lake partition."""
    parts = [partition.day.isoformat()] if partition.day else []
    return "|".join([*parts, *([partition.factory] if partition.factory else [])])


def range_tags(first: Partition, last: Partition) -> dict[str, str]:
    """What tells Dagster that one run serves the box of partitions from `first` to `last`."""
    return {
        "dagster/asset_partition_range_start": key_of(first),
        "dagster/asset_partition_range_end": key_of(last),
    }
