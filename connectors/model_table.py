"""Champions and challengers on the terminal, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table


def models_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `parkpulse model list` for programs."""
    return json.dumps(list(rows), ensure_ascii=False)


def models_view(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A line per champion and challenger."""
    table = Table(title="Models", title_justify="left")
    for name in ("machine", "model", "state", "since", "trained on", "power", "false alarms"):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row["work_unit_id"],
            str(row["version"]),
            row["state"] + (", provisional" if row["provisional"] else ""),
            row["since"] or "–",
            _trained(row),
            "–" if row["power"] is None else f"{row['power']:.2f}",
            _alarms(row),
        )
    return table


def _trained(row: Mapping[str, Any]) -> str:
    days = f"{row['trained_from']}"
    if row["trained_to"] != row["trained_from"]:
        days += f"..{row['trained_to'][5:]}"
    whose = ", its type" if row["scope"] == "machine_type" else ""
    return f"{days} ({row['training_days']} d{whose})"


def _alarms(row: Mapping[str, Any]) -> str:
    if row["false_alarms"] is None:
        return "no day held out"
    return f"{row['false_alarms']} in {row['machine_weeks']:.2f} machine-weeks"
