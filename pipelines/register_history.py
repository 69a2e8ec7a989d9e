"""What the register knows, from what several imports and gateways said: versions and facts.

Every function takes the typed rows of one table with `source`, `import_seq` (the order in which
imports came; 0 for gateways) and `priority` (whose word stands, 0 first; PRECEDENCE). Versions have
their `valid_from`. How they are weighed: docs/decisions/0036-how-the-register-is-kept.md.
"""

from typing import Final

import polars as pl

from pipelines.park_schemas import CONFLICTS, FACT_KEY, REGISTER, VERSION_KEY
from pipelines.register_disputes import AGAINST, disputes

PRECEDENCE: Final = {"office": 0, "gateway": 1, "platform": 2}
"""Whose word stands where two differ: files of the district office, park gateways, platforms."""

STANDING: Final = "standing"
SUPERSEDED: Final = "superseded"
CONFLICT: Final = "conflict"

_HIGHER: Final = "source ranks higher 来源优先级较高"
_LATER: Final = "imported later 导入较晚"
_BY_NAME: Final = "same rank and import, first by name 同级同次，按名称取先"

_AT: Final = ["thing", "since"]


def history(table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What stands, in the schema of the table and by its key, and the CONFLICTS.

    Versions of one thing never overlap: a later `valid_from` closes the one before, adjacent ones
    of equal content are one. Facts stand once each.
    """
    weighed, conflicts = judged(table, rows)
    stands = weighed.filter(pl.col("fate") == STANDING)
    if table in VERSION_KEY:
        stands = _joined(table, stands)
        order = [*VERSION_KEY[table], "valid_from"]
    else:
        order = FACT_KEY[table]
    return stands.select(REGISTER[table].names()).sort(order, nulls_last=False), conflicts


def judged(table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every row with its `fate` (standing, superseded, conflict), and the CONFLICTS.

    Superseded is what its own source said anew, and what says nothing else than what stands. What
    several sources of one rank say alike bears the first of their names, whoever came first.
    """
    key = VERSION_KEY.get(table) or FACT_KEY[table]
    numbered = rows.with_row_index("row")
    is_shared = numbered.select(pl.struct(key).is_duplicated()).to_series()
    alone = numbered.filter(~is_shared).with_columns(fate=pl.lit(STANDING))
    shared = numbered.filter(is_shared)
    if shared.is_empty():
        return alone, CONFLICTS.to_frame()
    told, conflicts = _weighed(table, key, shared)
    return pl.concat([alone, told]).sort("row"), conflicts


def _weighed(table: str, key: list[str], shared: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`judged`, of things of which several rows speak."""
    things = shared.select(key).unique(maintain_order=True).with_row_index("thing")
    since = pl.col("valid_from") if table in VERSION_KEY else pl.lit(0).cast(pl.Date)
    said = shared.join(
        things, on=key, how="left", nulls_equal=True, maintain_order="left"
    ).with_columns(since=since)
    newest = said.sort("import_seq", "row").unique(
        [*_AT, "source"], keep="last", maintain_order=True
    )
    stands, against = _ranked(newest)
    conflicts, refused, alike = disputes(table, said, against)
    fate = (
        pl.when(pl.col("row").is_in(stands["row"].implode())).then(pl.lit(STANDING))
        .when(pl.col("row").is_in(refused.implode())).then(pl.lit(CONFLICT))
        .otherwise(pl.lit(SUPERSEDED))
    )  # fmt: skip
    named = said.with_columns(fate=fate).join(alike, on="row", how="left", maintain_order="left")
    source = pl.min_horizontal("source", "source_alike")
    return named.with_columns(source=source).select(*shared.columns, "fate"), conflicts


def _ranked(newest: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that stand, rank by rank, and those AGAINST them with the row that is kept."""
    stands, against = _until(newest.clear()), [AGAINST.to_frame()]
    for rank in newest["priority"].unique().sort():
        of_rank = newest.filter(pl.col("priority") == rank)
        covered = _covered(of_rank, stands)
        against.append(covered)
        free = of_rank.join(covered, on="row", how="anti")
        chosen = free.sort([*_AT, "import_seq", "source"], descending=[False, False, True, False])
        first = chosen.unique(_AT, keep="first", maintain_order=True)
        kept = first.select(*_AT, kept="row", kept_seq="import_seq")
        others = free.join(kept, on=_AT).filter(pl.col("row") != pl.col("kept"))
        is_later = pl.col("kept_seq") > pl.col("import_seq")
        why = pl.when(is_later).then(pl.lit(_LATER)).otherwise(pl.lit(_BY_NAME))
        against.append(others.select("row", "kept", why=why))
        stands = _until(pl.concat([stands.drop("until"), first]))
    return stands, pl.concat(against)


def _until(stands: pl.DataFrame) -> pl.DataFrame:
    """With the day on which each row no longer holds: its own end, or where the next begins."""
    ordered = stands.sort(_AT)
    is_same = pl.col("thing") == pl.col("thing").shift(-1)
    following = pl.when(is_same).then(pl.col("since").shift(-1))
    own = pl.col("valid_to") if "valid_to" in stands.columns else pl.lit(None, dtype=pl.Date)
    return ordered.with_columns(until=pl.min_horizontal(own, following))


def _covered(rows: pl.DataFrame, stands: pl.DataFrame) -> pl.DataFrame:
    """AGAINST of the rows that begin while a row of a higher rank holds."""
    before = stands.select("thing", "until", since="since", kept="row").sort("since")
    found = rows.sort("since").join_asof(before, on="since", by="thing", check_sortedness=False)
    is_held = pl.col("until").is_null() | (pl.col("until") > pl.col("since"))
    held = found.filter(pl.col("kept").is_not_null() & is_held)
    return held.select("row", "kept", why=pl.lit(_HIGHER))


def _joined(table: str, stands: pl.DataFrame) -> pl.DataFrame:
    """Versions without overlap, of adjacent ones of equal content the first, to the last's end."""
    key = VERSION_KEY[table]
    same = [name for name in REGISTER[table] if name not in ("valid_from", "valid_to", "source")]
    ordered = stands.sort(*key, "valid_from", nulls_last=False)
    is_same_thing = pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift(1)))
    following = pl.col("valid_from").shift(-1)
    goes_on = is_same_thing.shift(-1).fill_null(value=False)
    until = pl.min_horizontal("valid_to", pl.when(goes_on).then(following))
    ended = ordered.with_columns(valid_to=until)
    is_equal = pl.all_horizontal(pl.col(same).eq_missing(pl.col(same).shift(1)))
    is_next = pl.col("valid_to").shift(1) == pl.col("valid_from")
    number = (~(is_equal & is_next).fill_null(value=False)).cum_sum()
    runs = ended.with_columns(version=number)
    if runs["version"].n_unique() == runs.height:
        return ended
    return runs.group_by("version", maintain_order=True).agg(
        pl.exclude("version", "valid_to").first(), pl.col("valid_to").last()
    )
