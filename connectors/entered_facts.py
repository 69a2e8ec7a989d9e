"""Facts for evidence cards that people enter: the authority's list, certificates and the like."""

from pathlib import Path
from typing import Final

import polars as pl

from connectors.sheets import Row, each, rows_of
from pipelines.evidence_cards import ENTERED, KINDS, criteria

_COLUMNS: Final = ("subject_kind", "subject_id", "fact_id", "value", "as_of", "document")
_DOCUMENTED: Final = "recognised"
"""Recognition is the authority's word: without its document nobody can look it up."""


def read_entered(path: Path) -> pl.DataFrame:
    """A CSV or XLSX of entered facts as `pipelines.evidence_cards.ENTERED`.

    `fact_id` is one that a criterion of that kind asks for; a blank `value` takes an entry back.
    """
    asked = criteria()
    taken: dict[tuple[object, ...], int] = {}

    def made(row: Row) -> dict[str, object]:
        kind = row.one_of("subject_kind", KINDS)
        own = asked.filter(pl.col("subject_kind") == kind)["fact_id"].unique(maintain_order=True)
        fact = row.one_of("fact_id", own.to_list())
        value = row.number("value") if row.optional("value") else None
        if fact == _DOCUMENTED and value is not None:
            row.text("document")
        found: dict[str, object] = {
            "subject_kind": kind, "subject_id": row.text("subject_id"), "fact_id": fact,
            "value": value, "as_of": row.day("as_of"), "document": row.optional("document"),
        }  # fmt: skip
        key = tuple(found[name] for name in ("subject_kind", "subject_id", "fact_id", "as_of"))
        if key in taken:
            row.refuse("fact_id", f"line {taken[key]} tells it already", "delete one of the two")
        taken[key] = row.line
        return found

    return pl.DataFrame(each(rows_of(path, _COLUMNS), made), schema=ENTERED)
