"""Small tables the collector leaves in the home: what factories plan, and the catalogue."""

import io
import logging
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from connectors.conventions import profiles_of, read_conventions, refuse_renamed
from connectors.fleet import Fleet, Site
from connectors.home import write_atomic
from connectors.plans import read_calendar, read_cycles, read_lines, read_reasons
from pipelines import schemas
from pipelines.tag_history import CHANGES, changes, overlaid, renewed

log = logging.getLogger(__name__)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Replace a Parquet file whole: a reader sees the old rows or the new, never a part."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def write_plans(fleet: Fleet, home: Path) -> None:
    """Copy the fleet file and the tables it names into the home.

    FleetFileError, before anything is written, where a profile has another meaning than it had.
    """
    home.mkdir(parents=True, exist_ok=True)
    profiles = {site: _named_profiles(site, home) for site in fleet.sites}
    if fleet.text:
        write_atomic(home / "fleet.toml", fleet.text.encode())
    for site in fleet.sites:
        for table, path, read in (
            ("plan", site.calendar, read_calendar),
            ("cycles", site.cycles, read_cycles),
            ("reasons", site.reasons, read_reasons),
            ("lines", site.lines, read_lines),
            ("conventions", site.conventions, read_conventions),
        ):
            if path is not None:
                write_parquet(read(path, site.site_id), _path(home, table, site.site_id))
        if not profiles[site].is_empty():
            write_parquet(profiles[site], _path(home, "profiles", site.site_id))


def _named_profiles(site: Site, home: Path) -> pl.DataFrame:
    """Every profile that a site's conventions ever named; FleetFileError where one is another."""
    if site.conventions is None:
        return pl.DataFrame()
    given = read_conventions(site.conventions, site.site_id)
    named, path = profiles_of(given), _path(home, "profiles", site.site_id)
    try:
        standing = pl.read_parquet(path).match_to_schema(named.schema)
    except FileNotFoundError:
        return named
    except pl.exceptions.PolarsError as error:
        log.warning("%s: it cannot be read (%s); what profiles meant before is not compared",
                    path, str(error).partition("\n")[0])  # fmt: skip
        return named
    refuse_renamed(site.conventions, standing, given)
    return pl.concat([standing, named]).unique(maintain_order=True)


def _path(home: Path, table: str, site_id: str) -> Path:
    return home / "lake" / table / f"factory={site_id}" / "part.parquet"


def catalogue_path(home: Path, site_id: str) -> Path:
    """Where a site's tag catalogue lies."""
    return _path(home, "tags", site_id)


def write_catalogue(
    home: Path,
    site_id: str,
    tags: pl.DataFrame,
    *,
    given: pl.DataFrame | None = None,
    now: datetime | None = None,
    is_whole: bool = True,
) -> None:
    """Bring what browsing found of the servers in `tags` into the site's catalogue.

    A meaning that has changed ends (`valid_to`), so that history keeps it; one log line says what
    did. `given` is what a person says (TAGS): it holds in place of what was found. A browse that is
    not whole ends nothing.
    """
    path, browsed = catalogue_path(home, site_id), _browsed_path(home, site_id)
    standing = _known_tags(path)
    known = _known_tags(browsed) if browsed.exists() else standing
    own = pl.col("server_uri").is_in(tags.get_column("server_uri").unique().to_list())
    seen = tags.match_to_schema(schemas.TAGS, missing_columns="insert")
    before, others = known.filter(own), known.filter(~own)
    at = (now or datetime.now(UTC)).astimezone(UTC)
    history = renewed(before, seen, at, is_whole=is_whole)
    if not before.is_empty():
        _tell_changes(before, history)
    write_parquet(pl.concat([others, history]), browsed)
    meant = history if given is None else overlaid(history, given)
    write_parquet(pl.concat([standing.filter(~own), meant]), path)


def _browsed_path(home: Path, site_id: str) -> Path:
    """What browsing found, before anybody said otherwise: the ground of the next comparison."""
    return _path(home, "tags_browsed", site_id)


def _tell_changes(before: pl.DataFrame, after: pl.DataFrame) -> None:
    found = changes(before, after)
    if found.is_empty():
        return
    counts = dict(found.group_by("change").len().iter_rows())
    told = ", ".join(f"{counts[change]} {change}" for change in CHANGES if change in counts)
    first = found.row(0, named=True)
    log.warning(
        "%s: its nodes have changed (%s; first %s: %s, was %s); history keeps what they meant",
        before["server_uri"][0], told,
        first["node_id"], first["is"] or "gone", first["was"] or "new",
    )  # fmt: skip


def _known_tags(path: Path) -> pl.DataFrame:
    """The catalogue as it stands; a damaged one is named and counts as empty."""
    if not path.exists():
        return pl.DataFrame(schema=schemas.TAGS)
    try:
        return pl.read_parquet(path).match_to_schema(schemas.TAGS, missing_columns="insert")
    except (OSError, pl.exceptions.PolarsError) as error:
        log.warning("%s: it is no tag catalogue (%s); it is written anew, with every server of the "
                    "site as it connects", path, str(error).partition("\n")[0])  # fmt: skip
        return pl.DataFrame(schema=schemas.TAGS)
