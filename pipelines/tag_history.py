"""The tag catalogue over time: what browsing finds, what it found before, what a person says."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from pipelines.catalogue import NODE
from pipelines.schemas import EQUIPMENT_KEY, TAGS, TIME

MEANING: Final = [
    *EQUIPMENT_KEY, "entity_id", "machine_type", "measure_kind", "measure", "counter_max",
    "reset_policy",
]  # fmt: skip
_TOLD: Final = ["park_id", "line_id", "machine_type", "unit", "counter_max", "reset_policy"]
"""What a server may forget to tell for a while; forgetting is no change."""
_COMPARED: Final = [*MEANING, "unit", "data_type"]
CHANGES: Final = ("appeared", "vanished", "type", "unit", "meaning")

Row = dict[str, Any]


def renewed(
    known: pl.DataFrame, seen: pl.DataFrame, now: datetime, *, is_whole: bool = True
) -> pl.DataFrame:
    """The history of one server's tags after a browse: `known` TAGS, and those `seen` now.

    A changed meaning ends the old row and begins a new one; a vanished node's row ends, and holds
    again when the node is back. What was not seen in a browse that is not whole stays.
    """
    ranked = known.sort("valid_to", "valid_from", nulls_last=True).with_row_index("row")
    latest = ranked.unique(NODE, keep="last", maintain_order=True)
    older = ranked.join(latest, on="row", how="anti").select(TAGS.names())
    paired = _remembered(seen).join(latest, on=NODE, how="left", suffix="_was")
    paired = paired.with_columns(_forgiven())
    fresh = pl.col("row").is_null()
    same = ~fresh & ~_differs()
    ended = pl.coalesce("valid_to_was", pl.lit(now, TIME))
    standing = paired.with_columns(
        valid_from=pl.when(same).then("valid_from_was").when(fresh).then("valid_from")
        .otherwise(ended)
    ).select(TAGS.names())  # fmt: skip
    replaced = latest.join(paired.filter(~fresh & ~same), on="row", how="semi")
    gone = latest.join(seen, on=NODE, how="anti")
    if is_whole:
        replaced = pl.concat([replaced, gone])
    close = pl.coalesce("valid_to", pl.lit(now, TIME)).alias("valid_to")
    closed = replaced.with_columns(close).filter(pl.col("measure_kind") != "other")
    parts = [older, closed, standing] if is_whole else [older, closed, gone, standing]
    return pl.concat([part.select(TAGS.names()) for part in parts]).sort(
        *NODE, "valid_from", nulls_last=False, maintain_order=True
    )


def _remembered(seen: pl.DataFrame) -> pl.DataFrame:
    return seen.match_to_schema(TAGS, missing_columns="insert").unique(
        NODE, keep="first", maintain_order=True
    )


def _forgiven() -> list[pl.Expr]:
    """What the server tells no more stays as it was told, while the node means the same."""
    alike = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name}_was")) for name in ("work_unit_id", "measure")
    )
    kept = [*_TOLD, "data_type"]
    return [
        pl.when(alike).then(pl.coalesce(name, f"{name}_was")).otherwise(name).alias(name)
        for name in kept
    ]


def _differs() -> pl.Expr:
    """A type that nobody noted down before is no change."""
    typed = pl.col("data_type_was").is_not_null()
    other = [pl.col(n).ne_missing(pl.col(f"{n}_was")) for n in (*MEANING, "unit")]
    return pl.any_horizontal(
        *other, typed & pl.col("data_type").ne_missing(pl.col("data_type_was"))
    )


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """`node_id change was is`: what two catalogues of one server say differently now.

    `change`: appeared, vanished, type, unit or meaning; a node may have several rows.
    """
    was = _standing(before).with_columns(here=pl.lit(value=True))
    now = _standing(after).with_columns(here=pl.lit(value=True))
    both = was.join(now, on="node_id", how="full", coalesce=True, suffix="_is")
    rows = list(_told(both.sort("node_id").iter_rows(named=True)))
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("node_id", "change", "was", "is"), pl.String()), orient="row"
    )


def _standing(tags: pl.DataFrame) -> pl.DataFrame:
    rows = tags.filter(pl.col("valid_to").is_null()).unique("node_id", keep="last")
    return rows.select("node_id", *_COMPARED)


def _told(rows: Iterator[Row]) -> Iterator[tuple[str, str, str | None, str | None]]:
    for row in rows:
        node = row["node_id"]
        if not row["here_is"]:
            yield node, "vanished", meaning_of(row), None
        elif not row["here"]:
            yield node, "appeared", None, meaning_of(row, "_is")
        else:
            for change, name in (("type", "data_type"), ("unit", "unit")):
                was, is_now = row[name], row[f"{name}_is"]
                if was is not None and is_now is not None and was != is_now:
                    yield node, change, was, is_now
            if any(row[name] != row[f"{name}_is"] for name in MEANING):
                yield node, "meaning", meaning_of(row), meaning_of(row, "_is")


def meaning_of(row: Mapping[str, Any], suffix: str = "") -> str:
    """A tag in a few words: work unit and measure."""
    unit, measure = row[f"work_unit_id{suffix}"], row[f"measure{suffix}"]
    return f"{unit} {measure}" if unit else str(measure)


def overlaid(browsed: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """TAGS where `given`, a person's rows, hold in place of browsed ones while they are valid."""
    touched = browsed.join(given, on=NODE, how="semi")
    if touched.is_empty():
        return pl.concat([browsed, given])
    spans: dict[tuple[str, str], list[Row]] = {}
    for row in given.iter_rows(named=True):
        spans.setdefault((row["server_uri"], row["node_id"]), []).append(row)
    kept = [
        row | {"valid_from": since, "valid_to": until}
        for row in touched.iter_rows(named=True)
        for since, until in _left_of(row, spans[row["server_uri"], row["node_id"]])
    ]
    rest = browsed.join(given, on=NODE, how="anti")
    return pl.concat([rest, pl.DataFrame(kept, schema=TAGS), given])


def _left_of(row: Row, spans: list[Row]) -> list[tuple[datetime | None, datetime | None]]:
    """The parts of a row's validity that no span takes; None is without end on either side."""
    parts = [(row["valid_from"], row["valid_to"])]
    for span in spans:
        begin, end = span["valid_from"], span["valid_to"]
        cut = []
        for since, until in parts:
            if begin is not None and (since is None or since < begin):
                cut.append((since, begin if until is None else min(until, begin)))
            if end is not None and (until is None or until > end):
                cut.append((end if since is None else max(since, end), until))
        parts = cut
    return parts
