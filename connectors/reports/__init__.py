"""What leaves for the factory engineer: one anomaly report per factory and day, as HTML."""

from connectors.reports.report import write_report

__all__ = ["write_report"]
