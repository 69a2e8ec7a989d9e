"""Cloud adoption on a page: shares with bounds, funnels, terminals, and how it all changed."""

from typing import Any, Final

from markupsafe import Markup

from connectors.pages import charts, timeline, words
from connectors.pages.desk import Desk, Row, View, by, ordered, pair
from connectors.pages.numbers import HIDDEN, NOTHING, gap, percent, points, whole
from connectors.pages.sectors import SECTOR

BOTH: Final = ("verified", "declared_or_verified")
FIRMS_FOR_TWO_DECIMALS: Final = 100
VERIFIED: Final = "sme_cloud_share_verified"
"""The indicator that says whether the share of an area is published."""
PARTS: Final = ("within", "entry", "exit")
SHARES: Final = (
    ("CA-2", "measured"), ("CA-3", "verified"), ("CA-3b", "verified"), ("CA-4", "pooled"),
    ("CA-4", "mean_of_firms"), ("CA-5", "verified"), ("CA-6", "measured"),
)  # fmt: skip


def shares(desk: Desk, park_id: str | None) -> View | None:
    """CA-1 for all, by size and by sector, and the other shares of an area.

    A public page has no class below the area, and the area only where its share is published.
    """
    rows = desk.latest("adoption", park_id=park_id)
    if rows is None:
        return None
    whole_ = _classes(rows, "all", {}) if desk.is_published(VERIFIED, park_id) else []
    if desk.is_public:
        return {"all": whole_, "size_class": [], "sector": [], "others": []}
    return {
        "all": whole_,
        "size_class": _classes(rows, "size_class", words.SIZE),
        "sector": _classes(rows, "sector", SECTOR),
        "others": _others(rows),
    }


def _classes(rows: list[Row], dimension: str, names: dict[str, words.Pair]) -> list[View]:
    mine = [r for r in rows if r["metric_id"] == "CA-1" and r["dimension"] == dimension]
    cells = by(mine, "class_id", "basis")
    classes = ordered(names, [r["class_id"] for r in mine if r["class_id"] is not None])
    keys: list[str | None] = [*classes] or [None]
    return [
        _share(key, row, cells.get((key, BOTH[1])), names)
        for key in keys
        if (row := cells.get((key, BOTH[0]))) is not None and row["denominator"]
    ]


def _share(key: str | None, one: Row, two: Row | None, names: dict[str, words.Pair]) -> View:
    """Verified and claimed; a percentage of fewer than 100 enterprises has one decimal."""
    claimed = two["value"] if two else None
    fine = 2 if key is None or one["denominator"] >= FIRMS_FOR_TWO_DECIMALS else 1
    return {
        "key": key or "",
        "name": pair(names, key) if key else words.METRIC["CA-1"],
        "verified": percent(one["value"], fine),
        "claimed": percent(claimed, fine),
        "gap": points(gap(claimed, one["value"]), fine),
        "unknown": whole(one["unknown"]),
        "of": whole(one["denominator"]),
        "firms": f"{whole(one['numerator'])} / {whole(one['denominator'])}",
        "meter": charts.meter(one["value"], one["lower"], one["upper"], None, claimed),
    }


def bounds(row: Row) -> str | None:
    """Like 52.10 – 61.30, where they say more than the value."""
    if row["lower"] is None or row["upper"] is None or row["lower"] == row["upper"]:
        return None
    return f"{100 * row['lower']:.2f} – {percent(row['upper'])}"


def _others(rows: list[Row]) -> list[View]:
    cells = by([r for r in rows if r["dimension"] == "all"], "metric_id", "basis")
    return [
        {
            "name": words.METRIC[metric],
            "basis": words.BASIS[basis],
            "value": percent(row["value"]),
            "bounds": bounds(row),
            "units": NOTHING if basis == "mean_of_firms" else whole(row["denominator"]),
            "meter": charts.meter(row["value"], row["lower"], row["upper"]),
        }
        for metric, basis in SHARES
        if (row := cells.get((metric, basis))) is not None
    ]


def funnels(desk: Desk, park_id: str | None) -> list[View] | None:
    """Two funnels: enterprises and terminals, each stage within the one before."""
    rows = desk.latest("funnel", park_id=park_id)
    if rows is None:
        return None
    return [_funnel(desk, of, park_id, [r for r in rows if r["of"] == of]) for of in words.OF]


def _funnel(desk: Desk, of: str, park_id: str | None, rows: list[Row]) -> View:
    stages = sorted(rows, key=lambda row: row["place"])
    most = max((row["units"] for row in stages), default=0)
    is_told = not desk.is_public or (of == "enterprises" and desk.is_published(VERIFIED, park_id))
    return {
        "name": words.OF[of],
        "stages": _stages(desk, stages, most) if is_told else [],
        "is_told": is_told,
    }


def _stages(desk: Desk, rows: list[Row], most: int) -> list[View]:
    """A public page tells no stage that one or two firms have reached or have not."""
    views: list[View] = []
    before = None
    for row in rows:
        units = row["units"]
        is_few = desk.is_few(units) or (before is not None and desk.is_few(before - units))
        told = None if is_few else units
        views.append(
            {
                "name": pair(words.STAGE, row["stage"]),
                "units": HIDDEN if is_few else whole(units),
                "bar": charts.stack([(f"s{row['place']}", told or 0)], most),
            }
        )
        before = units if told is not None else before
    return views


def terminals(desk: Desk, park_id: str | None) -> View | None:
    """Registered terminals by kind and network, each bar by status."""
    rows = desk.latest("liveness", park_id=park_id)
    if rows is None:
        return None
    counts: dict[tuple[str, str], dict[str, int]] = {}
    totals: dict[str, int] = {}
    for row in rows:
        cell = counts.setdefault((row["kind"], row["network"]), {})
        cell[row["status"]] = cell.get(row["status"], 0) + row["terminals"]
        totals[row["status"]] = totals.get(row["status"], 0) + row["terminals"]
    most = max((sum(cell.values()) for cell in counts.values()), default=0)
    kinds = ordered(words.KIND, [kind for kind, _ in counts])
    networks = ordered(words.NETWORK, [network for _, network in counts])
    return {
        "rows": [
            _terminal_row(kind, network, cell, most)
            for kind in kinds
            for network in networks
            if sum((cell := counts.get((kind, network), {})).values())
        ],
        "statuses": [
            (name, words.STATUS[name], whole(totals.get(name, 0))) for name in words.STATUS
        ],
        "total": whole(sum(totals.values())),
    }


def _terminal_row(kind: str, network: str, cell: dict[str, int], most: int) -> View:
    return {
        "kind": pair(words.KIND, kind),
        "network": pair(words.NETWORK, network),
        "counts": [whole(cell.get(status, 0)) for status in words.STATUS],
        "total": whole(sum(cell.values())),
        "bar": charts.stack([(status, cell.get(status, 0)) for status in words.STATUS], most),
    }


def trends(desk: Desk, park_id: str | None) -> list[View] | None:
    """CA-1 and CA-2 over the days that are known."""
    rows = desk.rows("adoption", park_id=park_id, dimension="all")
    if rows is None:
        return None
    known = sorted((r for r in rows if r["value"] is not None), key=lambda r: r["reference_date"])
    asked = ((("CA-1", BOTH)), ("CA-2", ("measured",)))
    return [view for metric, bases in asked if (view := _trend(known, metric, bases))]


def _trend(rows: list[Row], metric: str, bases: tuple[str, ...]) -> View | None:
    by_basis = {
        basis: [r for r in rows if r["metric_id"] == metric and r["basis"] == basis]
        for basis in bases
    }
    lines = [
        timeline.Line(basis, [(r["reference_date"], r["value"]) for r in mine], _last(mine))
        for basis, mine in by_basis.items()
        if mine
    ]
    first = by_basis[bases[0]]
    if len({r["reference_date"] for r in first}) < 2:
        return None
    bands = [
        (r["reference_date"], r["lower"], r["upper"])
        for r in first
        if r["lower"] is not None and r["upper"] is not None
    ]
    zh, en = words.METRIC[metric]
    said = f"{zh} {_last(first)} / {en}"
    return {
        "name": words.METRIC[metric],
        "chart": timeline.timeline(lines, said, bands=bands, factor=100.0),
        "lines": [(basis, words.BASIS[basis]) for basis in by_basis if by_basis[basis]],
        "table": [
            (when, [percent(cells.get(when)) for cells in _cells(by_basis)])
            for when in _month_ends([r["reference_date"] for r in first])
        ],
    }


def _last(rows: list[Row]) -> str:
    return percent(rows[-1]["value"]) if rows else ""


def _cells(by_basis: dict[str, list[Row]]) -> list[dict[Any, float]]:
    return [{r["reference_date"]: r["value"] for r in rows} for rows in by_basis.values() if rows]


def _month_ends(days: list[Any]) -> list[Any]:
    """The last known day of each month."""
    last = {(day.year, day.month): day for day in sorted(days)}
    return list(last.values())


def changes(desk: Desk, park_id: str | None) -> list[View] | None:
    """Changes of shares in percentage points, by units in both, come and gone."""
    rows = desk.latest("changes", park_id=park_id)
    if rows is None:
        return None
    return [
        {
            "name": pair(words.METRIC, row["metric_id"]),
            "basis": pair(words.BASIS, row["basis"]),
            "since": row["since"],
            "then": percent(row["value_then"]),
            "now": percent(row["value_now"]),
            "change": points(row["change"]),
            "matched": points(row["matched_change"]),
            "units": desk.firms(row["matched_units"]),
            "parts": [points(row[part]) for part in PARTS],
            "bar": _waterfall(row),
        }
        for row in rows
        if row["change"] is not None
    ]


def _waterfall(row: Row) -> Markup:
    then, now, steps = row["value_then"], row["value_now"], [row[part] for part in PARTS]
    if None in (then, now, *steps):
        return charts.meter(now)
    return charts.waterfall(then, steps, now)


def _told(desk: Desk, count: int, park_id: str | None) -> str:
    """A public page tells the count of the New City alone: of all parks but one would follow it."""
    return HIDDEN if desk.is_public and park_id is not None else desk.firms(count)


def discrepancies(desk: Desk, park_id: str | None) -> list[View] | None:
    """How many enterprises of an area say something else than is seen, and what to do."""
    rows = desk.latest("discrepancies")
    if rows is None:
        return None
    if not desk.is_published(VERIFIED, park_id):
        return []
    mine = [r for r in rows if r["discrepancy"] and desk.is_in(r["uscc"], park_id)]
    return [
        {
            "key": key,
            "name": name,
            "todo": todo,
            "count": _told(
                desk, len(found := [r for r in mine if r["discrepancy"] == key]), park_id
            ),
            "who": [] if desk.is_public else sorted(r["uscc"] for r in found),
        }
        for key, (name, todo) in words.DISCREPANCY.items()
    ]
