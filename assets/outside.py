"""What Dagster is told of the world outside: it orchestrates none of it, but shows it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from assets.partitions import FACTORY_IDS, HOME, PARK_IDS
from connectors import events, received, warning_journal
from connectors.errors import SegmentUnreadable
from connectors.feedback import Journal
from connectors.judged import ENGINEERS
from connectors.lake import Lake, Partition, sha256_of
from connectors.segments import Sidecar


def materializations() -> Iterator[dg.AssetMaterialization]:
    """One event per site for its servers, segments and tags, per factory for what it plans."""
    for site in FACTORY_IDS:
        yield from _collected(site, "opcua_servers", "segments", "tags")
        yield from _events(site)
        for table in ("plan", "cycles", "reasons", "lines", "conventions"):
            yield from _file(table, site, Lake(HOME.lake).path(table, Partition(factory=site)))
        yield from _file("feedback", site, Journal(HOME.root).path)
        yield from _file("engineers", site, HOME.root / ENGINEERS)
    for site in PARK_IDS:
        yield from _collected(site, "park_gateways", "park_segments", "park_tags")
    yield from _file("warning_journal", None, warning_journal.journal(HOME).path)


def _collected(
    site: str, servers: str, segments: str, tags: str
) -> Iterator[dg.AssetMaterialization]:
    found, unreadable = received.sidecars(HOME, site)
    uris = sorted({one.server_uri for one in found})
    if not found:
        return
    yield dg.AssetMaterialization(servers, partition=site, metadata={"server_uris": uris})
    yield _sealed(segments, site, HOME.segments, found, unreadable)
    yield from _file(tags, site, Lake(HOME.lake).path("tags", Partition(factory=site)))


def _events(site: str) -> Iterator[dg.AssetMaterialization]:
    found, unreadable = events.sidecars(HOME, site)
    if found:
        yield _sealed("event_segments", site, HOME.event_segments, found, unreadable)


def _sealed(
    asset: str,
    site: str,
    root: Path,
    found: Sequence[Sidecar],
    unreadable: Sequence[SegmentUnreadable],
) -> dg.AssetMaterialization:
    """What a site's sealed segments hold, as lineage shows it."""
    return dg.AssetMaterialization(
        asset,
        partition=site,
        metadata={
            "segments": len(found),
            "rows": sum(one.rows for one in found),
            "sha256": received.digest(found),
            "unreadable": [str(error) for error in unreadable],
            "folder": dg.MetadataValue.path(str(root / site)),
        },
    )


def _file(table: str, site: str | None, path: Path) -> Iterator[dg.AssetMaterialization]:
    if path.is_file():
        yield dg.AssetMaterialization(
            table,
            partition=site,
            metadata={"path": dg.MetadataValue.path(str(path)), "sha256": sha256_of(path)},
        )
