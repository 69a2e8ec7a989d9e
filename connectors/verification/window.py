"""What was collected: for which times the ledger vouches, by the sources' clocks and truly."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from connectors.home import Home
from connectors.ledger import Ledger
from connectors.verification.truth import Truth
from pipelines.coverage import covered, disjoint
from pipelines.days import local_day
from pipelines.equipment import UNIT


@dataclass(frozen=True, slots=True)
class Window:
    """Coverage of the servers that the truth knows (server_uri, factory_id, from_time, to_time).

    `spans` is by the sources' clocks, `true` by the true time; `factories` are the true spans in
    which all servers of a factory are covered (factory_id, from_time, to_time). `missing` are sites
    of the home's fleet file that the truth knows and the ledger does not vouch for.
    """

    spans: pl.DataFrame
    true: pl.DataFrame
    factories: pl.DataFrame
    missing: list[str]

    @property
    def days(self) -> list[date]:
        """The local days that coverage touches."""
        if self.spans.is_empty():
            return []
        first, last = self.spans.select(
            local_day(pl.min("from_time")), local_day(pl.max("to_time"))
        ).row(0)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def holding(self, faults: pl.DataFrame) -> pl.DataFrame:
        """Faults of machines (factory_id, start, end; true times) wholly in a factory's span."""
        return _inside(faults, self.factories, "factory_id")

    def during(self, faults: pl.DataFrame) -> pl.DataFrame:
        """Faults of the wire (server_uri, start, end) wholly in the collection of their server.

        The wire has no clock of its own: a skewed source clock does not shorten this window.
        """
        return _inside(faults, self.spans, "server_uri")


def collected(home: Home, truth: Truth) -> Window:
    """Read the ledger; a server whose clock is off is covered in true time as the truth says.

    What a slow clock stamps before the end of coverage has left its source only as far as that end.
    """
    with Ledger(home.root, read_only=True) as ledger:
        coverage = ledger.coverage()
    wanted = _fleet_sites(home) & truth.servers.keys()
    known = coverage.filter(pl.col("server_uri").is_in(list(truth.servers.values())))
    spans = disjoint(known, ["server_uri", "factory_id"])
    offset = pl.duration(microseconds=pl.col("offset_us").fill_null(0))
    ahead = pl.duration(microseconds=pl.col("offset_us").fill_null(0).clip(0))
    true = (
        spans.join(truth.source_offsets, on="server_uri", how="left")
        .with_columns(pl.col("from_time") - offset, pl.col("to_time") - ahead)
        .drop("offset_us")
    )
    missing = sorted(wanted - set(spans["factory_id"]))
    return Window(spans, true, _whole_factories(true), missing)


def _whole_factories(true: pl.DataFrame) -> pl.DataFrame:
    """Spans in which every server of a factory is covered."""
    sites = true.select("factory_id").unique()
    units = sites.with_columns(
        pl.col("factory_id").alias(name) for name in UNIT if name != "factory_id"
    )
    return covered(true, units.select(UNIT)).select("factory_id", "from_time", "to_time")


def _fleet_sites(home: Home) -> set[str]:
    text = (home.root / "fleet.toml").read_text("utf-8")
    return set(_ids(tomllib.loads(text)))


def _ids(fleet: dict[str, Any]) -> Iterable[str]:
    for kind in ("factory", "park"):
        yield from (site["id"] for site in fleet.get(kind, []))


def _inside(rows: pl.DataFrame, spans: pl.DataFrame, key: str) -> pl.DataFrame:
    """Rows that lie wholly in one of the disjoint spans of their `key`."""
    paired = rows.join(spans.select(key, "from_time", "to_time"), on=key, maintain_order="left")
    whole = (pl.col("start") >= pl.col("from_time")) & (pl.col("end") <= pl.col("to_time"))
    return paired.filter(whole).select(rows.columns)
