"""What leaves for the bureau: frozen, numbered, checked releases."""

from connectors.release.text import kpi_table_text
from connectors.release.whole import check
from connectors.release.write import published_before, write_release

__all__ = ["check", "kpi_table_text", "published_before", "write_release"]
