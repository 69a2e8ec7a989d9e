"""Small tables the collector leaves in the home: plans, cycles and the tag catalogue."""

import os
from pathlib import Path

import polars as pl

from connectors.fleet import Fleet, read_calendar, read_cycles
from pipelines import schemas


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Replace a Parquet file whole: a reader sees the old rows or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    frame.write_parquet(temporary)
    temporary.replace(path)


def write_plans(fleet: Fleet, home: Path) -> None:
    """Copy the fleet file, and the calendars and cycles it names, into the home."""
    home.mkdir(parents=True, exist_ok=True)
    if fleet.text:
        temporary = home / ".fleet.toml.tmp"
        temporary.write_text(fleet.text, encoding="utf-8")
        temporary.replace(home / "fleet.toml")
    for site in fleet.sites:
        for table, path, read in (
            ("plan", site.calendar, read_calendar),
            ("cycles", site.cycles, read_cycles),
        ):
            if path is not None:
                part = home / "lake" / table / f"factory={site.site_id}" / "part.parquet"
                write_parquet(read(path, site.site_id), part)


def write_catalogue(home: Path, site_id: str, tags: pl.DataFrame) -> None:
    """Replace the rows of the servers in `tags` in the site's catalogue, keep all others."""
    path = home / "lake" / "tags" / f"factory={site_id}" / "part.parquet"
    if path.exists():
        known = pl.read_parquet(path)
        servers = tags.get_column("server_uri").unique().to_list()
        tags = pl.concat([known.filter(~pl.col("server_uri").is_in(servers)), tags])
    write_parquet(tags.match_to_schema(schemas.TAGS), path)
