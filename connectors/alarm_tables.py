"""Events in Part 9's words and what they weigh, as `parkpulse alarms` prints them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table
from rich.text import Text

from pipelines.days import ZONE

NOT_SAID: Final = "–"
STYLES: Final = {"high": "bold red", "medium": "yellow"}


def alarm_tables(factory: Mapping[str, Any]) -> list[Table | Text]:
    """What is to be printed of one factory of `alarms --json`."""
    return [
        _events(factory),
        *([_nowhere(factory)] if factory["nowhere"] else []),
        _metrics(factory),
        Text(_precision(factory), style="dim"),
    ]


def local(time: datetime | None) -> str:
    """A time in the factory's zone."""
    return f"{time.astimezone(ZoneInfo(ZONE)):%m-%d %H:%M}" if time else NOT_SAID


def part_9(event: Mapping[str, Any]) -> str:
    """The words of Part 9 that say something: what is as it is by default is left out."""
    words = [event["active_state"], event["acked_state"]]
    if event["acked_state"] == "Acknowledged":
        words.append(event["confirmed_state"])
    if event["shelving_state"] != "Unshelved":
        until = f" to {local(event['shelved_until'])}" if event["shelved_until"] else ""
        words.append(event["shelving_state"] + until)
    if event["suppressed_state"] != "Unsuppressed":
        words.append(event["suppressed_state"])
    return ", ".join(words)


def _events(factory: Mapping[str, Any]) -> Table:
    title = f"{factory['factory_id']} {factory['day']}: {len(factory['events'])} events"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in ("event", "kind", "from", "to", "priority", "state", "verdict"):
        table.add_column(name, overflow="fold", no_wrap=name == "event")
    waiting = {one["event_id"] for one in factory["announcements"] if not one["is_announced"]}
    for event in factory["events"]:
        name = event["event_id"]
        state = part_9(event) + (", over the budget" if name in waiting else "")
        judged = f"{event['verdict']} ({event['verdict_by']})" if event["verdict"] else NOT_SAID
        table.add_row(
            name, event["kind"], local(event["start"]), local(event["end"]),
            Text(event["priority"], STYLES.get(event["priority"], "")), state, judged,
        )  # fmt: skip
    return table


def _nowhere(factory: Mapping[str, Any]) -> Table:
    table = Table(title="said of events that are no longer there", title_justify="left",
                  box=box.SIMPLE)  # fmt: skip
    for name in ("entry", "time", "by", "event", "said", "note"):
        table.add_column(name, overflow="fold")
    for one in factory["nowhere"]:
        said = one["verdict"] or one["action"]
        table.add_row(
            str(one["sequence"]), local(one["time"]), one["by"], one["event_id"], said,
            one["note"] or one["reason"] or "",
        )  # fmt: skip
    return table


def _metrics(factory: Mapping[str, Any]) -> Table:
    table = Table(
        title="alarms per engineer (EEMUA 191: at most 6 an hour; 80/15/5 % low/medium/high)",
        title_justify="left",
        box=box.SIMPLE,
    )
    columns = ("engineer", "period", "alarms", "over", "/h", "max /h", "max /10min", "flood",
               "l/m/h %", "stale", "chatter", "top 10", "ack min")  # fmt: skip
    for name in columns:
        table.add_column(name, justify="left" if name in columns[:2] else "right")
    for row in factory["metrics"]:
        known = [row[f"{name}_share"] for name in ("low", "medium", "high")]
        shares = NOT_SAID if None in known else "/".join(f"{100 * one:.0f}" for one in known)
        table.add_row(
            row["engineer"], row["period"].replace("_", " "), str(row["alarms"]),
            str(row["over_budget"]), _figure(row["alarms_per_hour"]), str(row["peak_hour"]),
            str(row["peak_10_min"]), _percent(row["flood_share"]), shares, str(row["stale"]),
            str(row["chattering"]), _percent(row["top_10_share"]), _figure(row["ack_min"]),
        )  # fmt: skip
    return table


def _precision(factory: Mapping[str, Any]) -> str:
    whole = factory["precision"][0]
    if not whole["judged"]:
        return f"precision: nobody has judged any of {whole['unjudged']} events yet"
    return (
        f"precision {_percent(whole['precision'])} of {whole['judged']} judged events "
        f"(95 %: {_percent(whole['low'])} to {_percent(whole['high'])}); "
        f"{whole['unjudged']} not judged, duplicates: {whole['duplicate']}; what was missed "
        "nobody judges"
    )


def _figure(value: float | None) -> str:
    return NOT_SAID if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _percent(share: float | None) -> str:
    return NOT_SAID if share is None else f"{100 * share:.0f} %"
