"""What a raw code means: `0=2;1=3` as data, and values translated and scaled by their tags."""

from typing import Final

import polars as pl

ITEM_STATES: Final = {"NotAvailable": 0, "OutOfService": 1, "NotExecuting": 2, "Executing": 3}
OPERATION_MODES: Final = {"None": 0, "Maintenance": 1, "Setup": 2, "Processing": 3}
_PACKML: Final = (
    "Clearing", "Stopped", "Starting", "Idle", "Suspended", "Execute", "Stopping", "Aborting",
    "Aborted", "Holding", "Held", "Unholding", "Suspending", "Unsuspending", "Resetting",
    "Completing", "Complete", "Running", "Cleared",
)  # fmt: skip
PACKML_STATES: Final = {name: number for number, name in enumerate(_PACKML, 1)}
PACKML_MODES: Final = {"Invalid": 0, "Produce": 1, "Maintenance": 2, "Manual": 3}
CODES: Final = {
    "item_state": ITEM_STATES,
    "operation_mode": OPERATION_MODES,
    "packml_state": PACKML_STATES,
    "packml_mode": PACKML_MODES,
}
"""The numbers that silver expects of each state measure, by the name a person writes."""

ANY: Final = "*"
"""Stands in a map for every raw value that it does not name."""

MEANINGS: Final = ["measure_kind", "value_map", "scale"]
"""Columns of a tag that say what its raw values mean."""

_VALUES: Final = ("value_float", "value_int", "value_uint", "value_text")


def parsed(text: str) -> dict[str, str]:
    """The map that `raw=code;raw=code` says; ValueError names the part that says none.

    >>> parsed("0=NotExecuting; 1=Executing")
    {'0': 'NotExecuting', '1': 'Executing'}
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        raw, separator, code = (piece.strip() for piece in part.partition("="))
        if not (separator and raw and code):
            raise ValueError(f"`{part}` is not like 1=Executing")
        if raw in found:
            raise ValueError(f"it maps {raw} twice")
        found[raw] = code
    if not found:
        raise ValueError("it maps nothing")
    return found


def number() -> pl.Expr:
    """A whole number, whatever numeric type carried it; null when it was none."""
    unsigned, real = pl.col("value_uint"), pl.col("value_float")
    whole = pl.when(real == real.floor()).then(real.cast(pl.Int64, strict=False))
    return pl.coalesce("value_int", unsigned.cast(pl.Int64, strict=False), whole)


def translated(rows: pl.DataFrame) -> pl.DataFrame:
    """Values beside their tags (`measure_kind`, `value_map`, `scale`) as what they mean.

    A state that its map does not name has no value, so it is unknown; any other measure keeps the
    raw one. A scaled counter stays a whole number.
    """
    columns = rows.columns
    if "value_map" in columns and rows["value_map"].null_count() < rows.height:
        rows = _mapped(rows)
    if "scale" in columns and rows["scale"].null_count() < rows.height:
        rows = _scaled(rows)
    return rows.select(columns)


def _mapped(rows: pl.DataFrame) -> pl.DataFrame:
    raw = pl.coalesce("value_text", number().cast(pl.String), pl.col("value_float").cast(pl.String))
    table = _table(rows["value_map"].drop_nulls().unique().sort().to_list())
    named = rows.with_columns(_raw=raw).join(
        table, on=["value_map", "_raw"], how="left", maintain_order="left"
    )
    rest = table.filter(pl.col("_raw") == ANY).select("value_map", _rest="_code")
    found = named.join(rest, on="value_map", how="left", maintain_order="left")
    code = pl.when(pl.col("_raw").is_not_null()).then(pl.coalesce("_code", "_rest"))
    is_state = pl.col("value_map").is_not_null() & (pl.col("measure_kind") == "state")
    is_said = pl.col("value_map").is_not_null() & code.is_not_null()
    gone = [pl.when(~(is_state | is_said)).then(name).alias(name) for name in _VALUES]
    return found.with_columns(_said=code).with_columns(gone).with_columns(
        value_int=pl.when(is_state).then(pl.col("_said").cast(pl.Int64, strict=False))
        .otherwise("value_int"),
        value_text=pl.when(is_said & ~is_state).then("_said").otherwise("value_text"),
    )  # fmt: skip


def _table(maps: list[str]) -> pl.DataFrame:
    rows = [(text, raw, code) for text in maps for raw, code in parsed(text).items()]
    schema = dict.fromkeys(("value_map", "_raw", "_code"), pl.String())
    return pl.DataFrame(rows, schema=schema, orient="row")


def _scaled(rows: pl.DataFrame) -> pl.DataFrame:
    scale = pl.col("scale")
    is_count = scale.is_not_null() & (pl.col("measure_kind") == "counter")
    is_scaled = scale.is_not_null() & ~is_count
    real = pl.coalesce("value_float", *(pl.col(n).cast(pl.Float64) for n in _VALUES[1:3])) * scale
    pieces = (number() * scale).round().cast(pl.Int64, strict=False)
    return rows.with_columns(
        value_float=pl.when(is_scaled).then(real).when(~is_count | scale.is_null())
        .then("value_float"),
        value_int=pl.when(is_count).then(pieces).when(~is_scaled).then("value_int"),
        value_uint=pl.when(scale.is_null()).then("value_uint"),
    )  # fmt: skip
