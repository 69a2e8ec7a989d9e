"""Small tables the collector leaves in the home: plans, cycles and the tag catalogue."""

import io
import logging
from pathlib import Path

import polars as pl

from connectors.fleet import Fleet, read_calendar, read_cycles
from connectors.home import write_atomic
from pipelines import schemas

log = logging.getLogger(__name__)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Replace a Parquet file whole: a reader sees the old rows or the new, never a part."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def write_plans(fleet: Fleet, home: Path) -> None:
    """Copy the fleet file, and the calendars and cycles it names, into the home."""
    home.mkdir(parents=True, exist_ok=True)
    if fleet.text:
        write_atomic(home / "fleet.toml", fleet.text.encode())
    for site in fleet.sites:
        for table, path, read in (
            ("plan", site.calendar, read_calendar),
            ("cycles", site.cycles, read_cycles),
        ):
            if path is not None:
                part = home / "lake" / table / f"factory={site.site_id}" / "part.parquet"
                write_parquet(read(path, site.site_id), part)


def catalogue_path(home: Path, site_id: str) -> Path:
    """Where a site's tag catalogue lies."""
    return home / "lake" / "tags" / f"factory={site_id}" / "part.parquet"


def write_catalogue(home: Path, site_id: str, tags: pl.DataFrame) -> None:
    """Replace the rows of the servers in `tags` in the site's catalogue, keep all others."""
    path = catalogue_path(home, site_id)
    servers = tags.get_column("server_uri").unique().to_list()
    others = _known_tags(path).filter(~pl.col("server_uri").is_in(servers))
    write_parquet(pl.concat([others, tags.match_to_schema(schemas.TAGS)]), path)


def _known_tags(path: Path) -> pl.DataFrame:
    """The catalogue as it stands; a damaged one is named and counts as empty."""
    if not path.exists():
        return pl.DataFrame(schema=schemas.TAGS)
    try:
        return pl.read_parquet(path).match_to_schema(schemas.TAGS)
    except (OSError, pl.exceptions.PolarsError) as error:
        log.warning("%s: it is no tag catalogue (%s); it is written anew, with every server of the "
                    "site as it connects", path, str(error).partition("\n")[0])  # fmt: skip
        return pl.DataFrame(schema=schemas.TAGS)
