"""产业数字地图: parks as outlines of their sites, firms as dots by sector. No survey, no tiles."""

from typing import Final

from markupsafe import Markup

from connectors.pages import charts, words
from connectors.pages.desk import RANK, Desk, Row, View
from connectors.pages.geography import AIR, Place, Sheet, outline, sheet
from connectors.pages.risk_view import open_rows
from connectors.pages.sectors import SECTOR

ASPECT: Final = 4 / 3
WIDE: Final = 1.6
"""Width over height of the sheet of a park, and of that of the New City."""
RULERS: Final = (10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05)
OUTLINE: Final = 0.03
"""How far an outline lies outside its sites, in widths of the map."""


def maps(desk: Desk) -> View | None:
    """The New City and a sheet per park; None without sites that have coordinates.

    A public map has outlines of parks only.
    """
    rows = desk.rows("sites")
    if rows is None:
        return None
    sites = [r for r in rows if r["longitude"] is not None and r["latitude"] is not None]
    parks = list(desk.frames.parks) or sorted({s["park_id"] for s in sites if s["park_id"]})
    worst = _worst(desk)
    return {
        "whole": _sheet(desk, sites, None, worst) if sites else None,
        "parks": [
            (key, desk.park(key), _sheet(desk, mine, key, worst), _groups(desk, mine))
            for key in parks
            if (mine := [s for s in sites if s["park_id"] == key]) and not desk.is_public
        ],
        "placed": len(sites),
        "unplaced": len(rows) - len(sites),
        "groups": [] if desk.is_public else _groups(desk, sites),
        "table": _table(desk, sites, parks),
    }


def _worst(desk: Desk) -> dict[str, str]:
    """The most severe open warning of each enterprise."""
    out: dict[str, str] = {}
    for row in open_rows(desk) or []:
        out.setdefault(row["uscc"], row["severity"] if row["severity"] in RANK else "low")
    return out


def group(desk: Desk, uscc: str) -> str:
    """The sector group that colours a dot."""
    sector = desk.portraits.get(uscc, {}).get("sector") or ""
    return words.GROUP_OF.get(sector, "other")


def _groups(desk: Desk, sites: list[Row]) -> list[View]:
    counts: dict[str, int] = {}
    for site in sites:
        name = group(desk, site["uscc"])
        counts[name] = counts.get(name, 0) + 1
    return [
        {"key": key, "name": words.GROUP[key], "count": counts[key]}
        for key in words.GROUP
        if key in counts
    ]


def _table(desk: Desk, sites: list[Row], parks: list[str]) -> list[View]:
    """Sites by park and sector group: the map for those who do not see it."""
    known = [[s for s in sites if s["park_id"] == key] for key in parks]
    outside = [s for s in sites if s["park_id"] not in parks]
    names = [*(desk.park(key) for key in parks), ("园区以外", "outside parks")]
    return [
        {
            "name": name,
            "total": desk.firms(len(mine)),
            "counts": []
            if desk.is_public
            else [sum(group(desk, s["uscc"]) == key for s in mine) for key in words.GROUP],
        }
        for name, mine in zip(names, [*known, outside], strict=True)
    ]


def _sheet(desk: Desk, sites: list[Row], park_id: str | None, worst: dict[str, str]) -> Markup:
    aspect = ASPECT if park_id else WIDE
    drawn = sheet([_place(site) for site in sites], aspect)
    parks = [park_id] if park_id else list(desk.frames.parks)
    within = [(key, [s for s in sites if s["park_id"] == key]) for key in parks]
    outlines = [
        (key, _outline(drawn, mine))
        for key, mine in within
        if not desk.is_few(len({site["uscc"] for site in mine}))
    ]
    body = [_polygons([corners for _, corners in outlines if corners])]
    if not desk.is_public:
        body += [_dot(desk, drawn, site, worst) for site in _seen_last(sites, worst)]
    if park_id is None:
        body += [_name(key, desk.park(key), corners) for key, corners in outlines if corners]
    body.append(_ruler(drawn))
    zh, en = desk.park(park_id)
    count = ("", "") if desk.is_public else (f"，{len(sites)} 处场所", f", {len(sites)} sites")
    return Markup(
        '<svg class="sheet" width="100%" height="100%" role="img" aria-label="{}">{}</svg>'
    ).format(
        charts.both(f"{zh}示意图{count[0]}", f"{en}, schematic{count[1]}"),
        Markup("").join(body),
    )


def _place(site: Row) -> Place:
    return site["longitude"], site["latitude"]


def _seen_last(sites: list[Row], worst: dict[str, str]) -> list[Row]:
    """Those with a warning are drawn last, so that none lies beneath another."""
    return sorted(sites, key=lambda s: (-RANK.get(worst.get(s["uscc"], ""), 3), s["site_id"]))


def _outline(drawn: Sheet, sites: list[Row]) -> list[Place]:
    """In widths of the map both ways, pushed out evenly, back to shares."""
    places = [drawn.at(_place(site)) for site in sites]
    pushed = outline([(x, y / drawn.aspect) for x, y in places], OUTLINE)
    return [(min(max(x, 0.0), 1.0), min(max(y * drawn.aspect, 0.0), 1.0)) for x, y in pushed]


def _polygons(outlines: list[list[Place]]) -> Markup:
    drawn = [
        Markup('<polygon class="park" points="{}"/>').format(
            " ".join(f"{1000 * x:.1f},{1000 * y:.1f}" for x, y in corners)
        )
        for corners in outlines
    ]
    return Markup(
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000"'
        ' preserveAspectRatio="none">{}</svg>'
    ).format(Markup("").join(drawn))


def _ruler(drawn: Sheet) -> Markup:
    """A round number of kilometres, as long as a quarter of the sheet at most."""
    whole_km = drawn.kilometres()
    long_km = next((km for km in RULERS if km <= 0.25 * whole_km), RULERS[-1])
    return Markup(
        '<line class="ruler" x1="2%" x2="{}" y1="96%" y2="96%"/>'
        '<text class="tick" x="2%" y="94.5%">'
        "{:g} km</text>"
    ).format(charts.at(0.02 + long_km / whole_km), long_km)


def _name(key: str, name: words.Pair, corners: list[Place]) -> Markup:
    """The name of a park above its outline, or below where there is no room; narrow: its id."""
    left, right = min(x for x, _ in corners), max(x for x, _ in corners)
    top, bottom = min(y for _, y in corners), max(y for _, y in corners)
    y = top - 0.015 if top > 2 * AIR else bottom + 0.04
    middle = min(max((left + right) / 2, 0.18), 0.82)
    return Markup(
        '<text class="place full zh" x="{0}" y="{1}">{2}</text>'
        '<text class="place full en" x="{0}" y="{1}">{3}</text>'
        '<text class="place short" x="{0}" y="{1}">{4}</text>'
    ).format(charts.at(middle), charts.at(y), *name, key)


def _dot(desk: Desk, drawn: Sheet, site: Row, worst: dict[str, str]) -> Markup:
    x, y = drawn.at(_place(site))
    uscc = site["uscc"]
    portrait = desk.portraits.get(uscc, {})
    ring = "on" if portrait.get("cloud_verified") else portrait.get("cloud_declared") or "unknown"
    severity = worst.get(uscc)
    mark = (
        Markup('<path class="flag {}" d="M7-13 12-4H2z"/>').format(severity)
        if severity
        else Markup("")
    )
    zh, en = desk.enterprise(uscc)
    said = SECTOR.get(portrait.get("sector") or "", ("行业不明", "sector unknown"))
    body = Markup(
        '<svg class="site g-{}" data-key="{}" x="{}" y="{}"><title>{} {} · {} {}</title>'
        '<circle class="ring {}" r="7"/><circle class="dot" r="4.4"/>{}</svg>'
    ).format(
        key := group(desk, uscc), key, charts.at(x), charts.at(y), zh, said[0], en, said[1],
        {"on": "on", "yes": "said"}.get(ring, "off"), mark,
    )  # fmt: skip
    link = desk.link(uscc)
    return Markup('<a href="{}" tabindex="-1">{}</a>').format(link, body) if link else body
