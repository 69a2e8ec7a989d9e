"""Writes the park pages: each one self-contained file that opens from disk and asks no network."""

from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from connectors.home import write_atomic
from connectors.pages import (
    adoption_view,
    enterprise_view,
    factory_view,
    indicator_view,
    list_view,
    map_view,
    numbers,
    risk_view,
    words,
)
from connectors.pages.desk import Desk, Tier, View, file_name, pair
from connectors.pages.frames import PageFrames
from connectors.pages.sectors import SECTOR
from pipelines.evidence_cards import UNOFFICIAL

KEY: Final = (
    "sme_cloud_share_verified", "sme_cloud_share", "device_cloud_rate", "sensing_terminals",
    "oee", "availability", "effectiveness", "quality_ratio",
)  # fmt: skip
"""What the page of a park begins with."""
GENERATOR: Final = "ParkPulse park pages"
"""By this a page is known as one of ours."""
HEAD_BYTES: Final = 2_000


def write_pages(folder: Path, frames: PageFrames, tier: Tier = "park") -> list[Path]:
    """Writes every page into the folder, each whole or not at all; the paths, index first.

    `tier` park names enterprises and has a page of each; public has no names, no single enterprise
    and no count of one or two firms. Same frames, same bytes. Pages of ours that lie there from
    before and are no more are removed.
    """
    desk = Desk(frames, tier)
    written = []
    for name, content in pages(desk):
        path = Path(folder) / name
        write_atomic(path, content.encode())
        written.append(path)
    _clear(Path(folder), keep=set(written))
    return written


def _clear(folder: Path, keep: set[Path]) -> None:
    """Removes pages of ours that are no more: of an enterprise that left, or of another tier."""
    for path in sorted(set(folder.glob("*.html")) - keep):
        with path.open("rb") as file:
            is_ours = GENERATOR.encode() in file.read(HEAD_BYTES)
        if is_ours:
            path.unlink()


def pages(desk: Desk) -> Iterator[tuple[str, str]]:
    """File names and contents of all pages."""
    yield "index.html", _render(desk, "index", **_index(desk))
    for park_id in desk.frames.parks:
        name = file_name("park", park_id)
        yield name, _render(desk, "park", here=name, **_park(desk, park_id))
    yield "map.html", _render(desk, "map", maps=map_view.maps(desk))
    yield "cards.html", _render(desk, "cards", cards=list_view.cards(desk), unofficial=UNOFFICIAL)
    yield "projects.html", _render(desk, "projects", projects=list_view.projects(desk))
    yield "services.html", _render(desk, "services", **_services(desk))
    yield (
        "indicators.html",
        _render(
            desk,
            "indicators",
            indicators=indicator_view.pages_of(desk),
            has_kpi=desk.frames.kpi is not None,
        ),
    )
    if not desk.is_public:
        for uscc, portrait in sorted(desk.portraits.items()):
            view = enterprise_view.enterprise(desk, portrait)
            name = file_name("enterprise", uscc)
            yield name, _render(desk, "enterprise", here=name, tier="enterprise", e=view)


def _index(desk: Desk) -> View:
    figures = indicator_view.area(desk, None)
    return {
        "figures": figures,
        "arrivals": _arrivals(desk),
        "parks": [_tile(desk, park_id) for park_id in desk.frames.parks],
        "shares": adoption_view.shares(desk, None),
        "funnels": adoption_view.funnels(desk, None),
        "trends": [] if desk.is_public else adoption_view.trends(desk, None),
        "changes": [] if desk.is_public else adoption_view.changes(desk, None),
        "discrepancies": adoption_view.discrepancies(desk, None),
        "warnings": risk_view.warnings(desk),
        "chains": list_view.chains(desk, None),
        "data_centres": list_view.data_centres(desk, None),
        "maps": map_view.maps(desk),
    }


def _arrivals(desk: Desk) -> dict[str, words.Pair]:
    told = {t["indicator_id"]: indicator_view.arrival(desk, t) for t in indicator_view.terms()}
    return {key: said for key, said in told.items() if said is not None}


def _tile(desk: Desk, park_id: str) -> View:
    """A park on the first page."""
    figures = {f["id"]: f for f in indicator_view.area(desk, park_id) or []}
    return {
        "id": park_id,
        "href": file_name("park", park_id),
        "name": desk.park(park_id),
        "figures": [figures[key] for key in KEY[:5] if key in figures],
        "funnels": adoption_view.funnels(desk, park_id),
        "warnings": risk_view.warnings(desk, park_id),
        "projects": list_view.projects(desk, park_id),
    }


def _park(desk: Desk, park_id: str) -> View:
    figures = {f["id"]: f for f in indicator_view.area(desk, park_id) or []}
    maps = map_view.maps(desk)
    return {
        "park_id": park_id,
        "name": desk.park(park_id),
        "has_kpi": desk.frames.kpi is not None,
        "figures": [figures[key] for key in KEY if key in figures],
        "map": next((one for one in maps["parks"] if one[0] == park_id), None) if maps else None,
        "shares": adoption_view.shares(desk, park_id),
        "funnels": adoption_view.funnels(desk, park_id),
        "terminals": adoption_view.terminals(desk, park_id),
        "trends": adoption_view.trends(desk, park_id),
        "changes": adoption_view.changes(desk, park_id),
        "discrepancies": adoption_view.discrepancies(desk, park_id),
        "oee": factory_view.oee(desk, park_id),
        "conformance": factory_view.conformance(desk, park_id),
        "warnings": risk_view.warnings(desk, park_id),
        "chains": list_view.chains(desk, park_id),
        "data_centres": list_view.data_centres(desk, park_id),
        "projects": list_view.projects(desk, park_id),
        "enterprises": _enterprises(desk, park_id),
    }


def _enterprises(desk: Desk, park_id: str) -> list[View] | None:
    """The enterprises of a park, those with warnings first; nobody on a public page."""
    if desk.frames.portraits is None:
        return None
    if desk.is_public:
        return []
    mine = [row for uscc, row in desk.portraits.items() if desk.is_in(uscc, park_id)]
    return [
        {
            "name": desk.enterprise(row["uscc"]),
            "link": desk.link(row["uscc"]),
            "sector": pair(SECTOR, row["sector"]),
            "sector_id": row["sector"] or "",
            "size": pair(words.SIZE, row["size_class"]),
            "terminals": [numbers.whole(row[k]) for k in ("terminals_online", "terminals")],
            "declared": pair(words.DECLARED, row["cloud_declared"]),
            "verified": row["cloud_verified"],
            "running": numbers.change(row["running_trend"]),
            "output": numbers.change(row["output_trend"]),
            "warnings": row["warnings_open"] or 0,
        }
        for row in sorted(mine, key=lambda r: (-(r["warnings_open"] or 0), r["uscc"]))
    ]


def _services(desk: Desk) -> View:
    return {
        "areas": [
            (park_id or "", desk.park(park_id), list_view.services(desk, park_id))
            for park_id in (None, *desk.frames.parks)
        ],
        "levels": words.LEVEL,
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("connectors.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(t=both, p=of_pair, w=words, absent=_absent, day=numbers.day)
    return environment


def both(zh: object, en: object) -> Markup:
    """A text in both languages; the style sheet shows one. A text alike in both is written once."""
    if zh == en:
        return Markup("{}").format(zh)
    return Markup(
        '<span class="zh" lang="zh-CN">{}</span><span class="en" lang="en">{}</span>'
    ).format(zh, en)


def of_pair(term: words.Pair) -> Markup:
    """`both` of a term."""
    return both(*term)


def _absent(name: str) -> Markup:
    """What there is no data for, and what to do about it."""
    (zh, en), command = words.NO_DATA[name]
    return Markup('<p class="absent">{} <code>{}</code></p>').format(
        both(f"尚无{zh}，补充办法：", f"No data yet: {en}. To bring it:"), command
    )


@cache
def _asset(name: str) -> str:
    return (files("connectors.pages") / "templates" / name).read_text("utf-8").strip()


@cache
def _policy() -> str:
    """A page may load nothing, and run only what it was written with (CSP level 3, hashes)."""
    style, script = (
        b64encode(sha256(f"\n{_asset(name)}\n".encode()).digest()).decode()
        for name in ("page.css", "page.js")
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}';"
        " base-uri 'none'; form-action 'none'"
    )


def _render(desk: Desk, template: str, /, *, here: str = "", tier: str = "", **facts: Any) -> str:  # noqa: ANN401
    return (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            desk=desk,
            here=here or f"{template}.html",
            is_own=tier == "enterprise",
            generator=GENERATOR,
            tier=words.TIER[tier or desk.tier],
            is_public=desk.is_public,
            parks_nav=[(file_name("park", key), desk.park(key)) for key in desk.frames.parks],
            policy=_policy(),
            css=Markup(_asset("page.css")),
            js=Markup(_asset("page.js")),
            **facts,
        )
    )
