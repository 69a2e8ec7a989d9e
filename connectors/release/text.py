"""The KPI table for a terminal."""

import polars as pl
from rich.table import Table
from rich.text import Text

from connectors.release import wording
from pipelines.indicators import DISTRICT_ID, INCOMPLETE, MET, NOT_MET, TO_BE_VERIFIED

_COLOUR = {MET: "green", NOT_MET: "red", TO_BE_VERIFIED: "yellow"}


def kpi_table_text(kpi: pl.DataFrame) -> Table:
    """Indicators down, district and parks across; PUBLISHED rows in, a rich table out."""
    rows = {(row["indicator_id"], row["area_id"]): row for row in kpi.iter_rows(named=True)}
    areas = dict(
        kpi.select("area_id", "area_zh").unique(maintain_order=True).sort("area_id").rows()
    )
    parks = [area for area in areas if area != DISTRICT_ID]
    table = Table(title=wording.TITLE.zh, caption=_caption(kpi), title_style="bold")
    for heading in ("指标", "单位", areas.get(DISTRICT_ID, DISTRICT_ID), "目标", "判定"):
        table.add_column(heading, justify="left", overflow="fold")
    for park in parks:
        table.add_column(areas[park], justify="right", overflow="fold")
    table.columns[2].justify = "right"
    for indicator_id in kpi["indicator_id"].unique(maintain_order=True):
        table.add_row(*_cells(rows, indicator_id, parks))
    return table


def _cells(
    rows: dict[tuple[str, str], dict[str, object]], indicator_id: str, parks: list[str]
) -> list[str | Text]:
    district = rows.get((indicator_id, DISTRICT_ID))
    any_row = district or next(row for key, row in rows.items() if key[0] == indicator_id)
    return [
        str(any_row["name_zh"]),
        str(any_row["unit"]),
        wording.figure(district) if district else wording.NOTHING,
        wording.target(district) if district else wording.NOTHING,
        _verdict(district),
        *(
            wording.figure(rows[indicator_id, park]) if (indicator_id, park) in rows else ""
            for park in parks
        ),
    ]


def _verdict(row: dict[str, object] | None) -> Text:
    key = str(row["verdict"]) if row else ""
    words = wording.VERDICT.get(key)
    return Text(words.zh, style=_COLOUR[key]) if words else Text(wording.NOTHING)


def _caption(kpi: pl.DataFrame) -> str:
    hidden = kpi.filter(pl.col("status") == "c").height
    note = f"{wording.HIDDEN} 因保密不公布（{hidden} 项）" if hidden else "无保密项"
    kept_out = kpi.filter(pl.col("status") == INCOMPLETE).height
    if kept_out:
        note += f" · {wording.UNRELIABLE} 数据不完整（{kept_out} 项）"
    return f"{kpi['period'][0]} · {note}" if kpi.height else note
