"""From frames to what the page shows: items in order, machines, totals. No markup, no files."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from markupsafe import Markup

from connectors.reports import figures, words
from connectors.reports.figures import ZONE, Axis, number
from pipelines.profiles import least_completeness

RANK: Final = {"high": 0, "medium": 1, "low": 2}
SHOWN_SIGNALS: Final = 3
BEFORE: Final = timedelta(hours=2)
AFTER: Final = timedelta(hours=1)

View = dict[str, Any]


def items(
    events: pl.DataFrame, signals: pl.DataFrame, episodes: pl.DataFrame, until: datetime
) -> list[View]:
    """Events that need a response, most urgent first."""
    wanted = events.filter(pl.col("suppressed_by").is_null())
    rows = sorted(
        wanted.iter_rows(named=True),
        key=lambda e: (
            RANK.get(e["priority"], 3),
            e["state"] == "cleared",
            -(e["lost_min"] or 0),
            -e["peak_score"],
        ),
    )
    return [_item(event, signals, episodes, until) for event in rows]


def suppressed(events: pl.DataFrame) -> list[View]:
    """Events set aside, with the reason."""
    rows = events.filter(pl.col("suppressed_by").is_not_null()).sort("start")
    return [
        {
            "machine": e["work_unit_id"],
            "kind": words.pair(words.KINDS, e["kind"]),
            "span": span(e["start"], e["end"]),
            "why": words.pair(words.REASONS, e["suppressed_by"]),
        }
        for e in rows.iter_rows(named=True)
    ]


def machine_rows(machines: pl.DataFrame, oee: pl.DataFrame, shown: list[View]) -> list[View]:
    """One row per machine: OEE and its factors from summed times, bounds, completeness, items."""
    totals = {r["work_unit_id"]: r for r in _totals(oee, ["work_unit_id"]).iter_rows(named=True)}
    rows = []
    for machine in machines.sort("line_id", "work_unit_id").iter_rows(named=True):
        name = machine["work_unit_id"]
        mine = [i for i in shown if i["machine"] == name]
        rows.append(
            {
                "machine": name,
                "line": machine["line_id"],
                "type": machine.get("machine_type") or "",
                "asked": len(mine),
                "worst": min((i["priority"] for i in mine), key=RANK.__getitem__, default=None),
                **_shares(totals.get(name)),
            }
        )
    return rows


def factory_totals(oee: pl.DataFrame) -> View:
    """OEE of the factory: summed ideal time of good pieces over summed planned busy time."""
    total = _totals(oee, []).to_dicts()
    return _shares(total[0] if total else None)


def gap_rows(gaps: pl.DataFrame) -> list[View]:
    """Data gaps per machine, longest first."""
    per = gaps.group_by("work_unit_id").agg(
        pl.sum("minutes"), pl.len(), pl.max("minutes").alias("m")
    )
    return [
        {
            "machine": r["work_unit_id"],
            "minutes": f"{r['minutes']:.0f}",
            "count": r["len"],
            "longest": f"{r['m']:.0f}",
        }
        for r in per.sort("minutes", "work_unit_id", descending=[True, False]).iter_rows(named=True)
    ]


def local(time: datetime) -> str:
    """Day and time in the factory's zone."""
    return f"{time.astimezone(ZONE):%m-%d %H:%M}"


def span(start: datetime, end: datetime | None) -> str:
    """From and to in the factory's zone, the date once where it is the same."""
    if end is None:
        return f"{local(start)} –"
    same = start.astimezone(ZONE).date() == end.astimezone(ZONE).date()
    return (
        f"{local(start)} – {end.astimezone(ZONE):%H:%M}"
        if same
        else f"{local(start)} – {local(end)}"
    )


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "—" if share is None else f"{100 * share:.1f}%"


def _item(event: View, signals: pl.DataFrame, episodes: pl.DataFrame, until: datetime) -> View:
    end = event["end"] or until
    axis = Axis(event["start"] - BEFORE, min(end + AFTER, until))
    contributors = [contributor(c) for c in event["contributors"]]
    mine = episodes.filter(pl.col("work_unit_id") == event["work_unit_id"])
    panels: list[tuple[Markup, pl.DataFrame]] = []
    for c in contributors:
        trace = signals.filter(
            pl.col("event_id") == event["event_id"],
            pl.col("sensor") == c["sensor"],
            pl.col("time").is_between(axis.start, axis.end),
        )
        if trace.height > 1 and len(panels) < SHOWN_SIGNALS:
            panels.append((c["title"], trace))
    kind = words.pair(words.KINDS, event["kind"])
    return {
        **event,
        "machine": event["work_unit_id"],
        "kind": kind,
        "state": words.pair(words.STATES, event["state"]),
        "level": words.pair(words.PRIORITIES, event["priority"]),
        "span": span(event["start"], event["end"]),
        "minutes": f"{(end - event['start']).total_seconds() / 60:.0f}",
        "lost": None if event["lost_min"] is None else f"{event['lost_min']:.0f}",
        "exposed": f"{event['exposed_min'] or 0:.0f}",
        "unknown": f"{event['unknown_min']:.0f}" if (event["unknown_min"] or 0) >= 1 else None,
        "peak": number(event["peak_score"]),
        "contributors": contributors,
        "lead": contributors[0] if contributors else None,
        "chart": figures.chart(
            panels,
            axis,
            (event["start"], end),
            figures.spans(mine, axis),
            f"{event['work_unit_id']} {', '.join(c['sensor'] for c in contributors[:3])}",
        ),
    }


def contributor(c: Mapping[str, Any]) -> View:
    """A contributor as the page words it."""
    zh, en = words.pair(words.MEASURES, c["sensor"])
    unit = c["unit"] or ""
    apart = _apart(c)
    title = Markup("{}{}").format(bilingual(zh, en), f" ({unit})" if unit else "")
    return {
        **c,
        "name": (zh, en),
        "title": title,
        "unit": unit,
        "seen": number(c["seen"], apart),
        "expected": number(c["expected"], apart),
        "band": "—"
        if c["low"] is None
        else f"{number(c['low'], apart)} – {number(c['high'], apart)}",
        "deviation": "—" if c["deviation"] is None else f"{c['deviation']:+.1f} σ",
        "share": f"{100 * (c['share'] or 0):.0f}%",
        "how": words.pair(words.HOW, c["kind"]),
        "began": "—" if c["began"] is None else local(c["began"]),
    }


def _apart(c: Mapping[str, Any]) -> float:
    """The least of the differences that the reader compares."""
    pairs = (("seen", "expected"), ("high", "low"))
    known = [abs(c[a] - c[b]) for a, b in pairs if c[a] is not None and c[b] is not None]
    return min((d for d in known if d > 0), default=0.0)


def bilingual(zh: str, en: str) -> Markup:
    """Both wordings for SVG text, one of which the style hides; one where they are the same."""
    if zh == en:
        return Markup("{}").format(zh)
    return Markup(
        '<tspan class="zh" lang="zh-CN">{}</tspan><tspan class="en" lang="en">{}</tspan>'
    ).format(zh, en)


def _totals(oee: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sums over shifts; ratios are taken after summing. Bounds weigh by planned busy time."""
    pbt = pl.col("pbt_s")
    sums = [
        pl.col("pbt_s", "apt_s", "unknown_s").sum(),
        *(_sum_if_known(name) for name in ("ideal_total_s", "ideal_good_s")),
        (pl.col("lower") * pbt).sum().alias("lower_s"),
        (pl.col("upper") * pbt).sum().alias("upper_s"),
        least_completeness(oee.columns).max().alias("least"),
    ]
    return oee.group_by(by).agg(sums) if by else oee.select(sums)


def _sum_if_known(name: str) -> pl.Expr:
    """A sum that one unknown part makes unknown."""
    return pl.when(pl.col(name).is_not_null().all()).then(pl.sum(name)).alias(name)


def _shares(total: Mapping[str, Any] | None) -> View:
    if total is None or not total["pbt_s"]:
        return dict.fromkeys(
            ("oee", "availability", "effectiveness", "quality", "completeness", "low", "high")
        ) | {"is_reliable": True}
    completeness = 1 - total["unknown_s"] / total["pbt_s"]
    good = total["ideal_good_s"]
    return {
        "is_reliable": completeness >= total["least"] and good is not None,
        "oee": _over(total["ideal_good_s"], total["pbt_s"]),
        "availability": total["apt_s"] / total["pbt_s"],
        "effectiveness": _over(total["ideal_total_s"], total["apt_s"]),
        "quality": _over(total["ideal_good_s"], total["ideal_total_s"]),
        "completeness": completeness,
        "low": total["lower_s"] / total["pbt_s"],
        "high": total["upper_s"] / total["pbt_s"],
    }


def _over(part: float | None, whole: float | None) -> float | None:
    return part / whole if whole and part is not None else None
