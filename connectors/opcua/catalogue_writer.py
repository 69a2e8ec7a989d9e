"""The tag catalogue of a server that was browsed; no trouble with it ever stops values."""

import logging
from collections.abc import Sequence

import polars as pl

from connectors.errors import FleetFileError
from connectors.opcua import catalogue
from connectors.opcua.browse import Variable
from connectors.opcua.connection import Connection
from connectors.opcua.nodes import some_of
from connectors.tables import catalogue_path, write_catalogue
from connectors.tag_file import read_tags

log = logging.getLogger(__name__)


class CatalogueWriter:
    """`make` once, then `write` now and then until it succeeds."""

    def __init__(self, connection: Connection) -> None:
        self.world, self.site, self.stock = connection.world, connection.site, connection.stock
        self.uri, self.url, self.nodes = connection.uri, connection.url, connection.nodes
        self._tags: pl.DataFrame | None = None
        """What is not written yet."""

    def make(self, listed: Sequence[Variable]) -> None:
        """The tags; what no catalogue can be made of is collected all the same."""
        try:
            self._tags = catalogue.tags(
                listed,
                server_uri=self.uri,
                site_id=self.site.site_id,
                is_park=self.site.is_park,
            )
        except Exception as error:
            log.debug("%s", self.url, exc_info=True)
            log.warning("%s: no tag catalogue can be made of its nodes (%s); its values are "
                        "collected without names", self.url, error)  # fmt: skip
        self.write()

    def write(self) -> None:
        """Write the tags if they are not written yet; a failure is told once and tried again."""
        if self._tags is None:
            return
        try:
            if len(self._tags):
                write_catalogue(
                    self.world.home,
                    self.site.site_id,
                    self._tags,
                    given=self._given(self._tags),
                    now=self.world.clock(),
                    is_whole=not self.nodes.unbrowsed,
                )
            self._tags = None
        except Exception as error:
            log.debug("%s", self.url, exc_info=True)
            path = catalogue_path(self.world.home, self.site.site_id)
            self.stock.warn_once(
                f"{path}: the tag catalogue cannot be written ({error}); correct that, "
                "values are collected, we retry"
            )

    def _given(self, tags: pl.DataFrame) -> pl.DataFrame | None:
        """What the site's tag file says of this server; what it gets wrong is told once."""
        if self.site.tags is None:
            return None
        try:
            rows = read_tags(self.site.tags, self.site.site_id, self.site.urls)
        except FleetFileError as error:
            self.stock.warn_once(f"{error}; until then the nodes mean what browsing finds")
            return None
        given, unknown = catalogue.given(
            rows, tags, self.nodes.variables, server_uri=self.uri, url=self.url
        )
        if unknown:
            self.stock.warn_once(
                f"{self.site.tags}: {self.url} has no node {some_of(unknown)}; correct node_id,"
                " or end its row with valid_to"
            )
        return given
