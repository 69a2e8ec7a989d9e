"""Series as Arrow columns: the typed value columns that truth files and segments share."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.simulator.nodes import Series, Served

_FLOAT: Final = ("Float", "Double")
_INT: Final = ("Boolean", "SByte", "Int16", "Int32", "Int64")
_UINT: Final = ("Byte", "UInt16", "UInt32", "UInt64", "StatusCode")
NULL: Final = "Null"
"""The type of a value that is not there: on the wire a null Variant has no other."""
VALUE_FIELDS: Final = (
    pa.field("value_type", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    pa.field("is_array", pa.bool_(), nullable=False),
    pa.field("value_float", pa.float64()),
    pa.field("value_int", pa.int64()),
    pa.field("value_uint", pa.uint64()),
    pa.field("value_text", pa.string()),
    pa.field("value_raw", pa.binary()),
)


def value_arrays(node: Served, values: npt.NDArray[Any]) -> list[pa.Array]:
    """The columns of VALUE_FIELDS: exactly one value column is set, none for a null value."""
    count = len(values)
    missing = _missing(values)
    kind = pa.DictionaryArray.from_arrays(
        pa.array(missing.astype(np.int32)), pa.array([node.value_type, NULL])
    )
    column = _column(node)
    arrays = [kind, pa.array(~missing & node.is_array)]
    for field in VALUE_FIELDS[2:]:
        if field.name == column:
            arrays.append(_typed(values, missing, field.type))
        else:
            arrays.append(pa.nulls(count, field.type))
    return arrays


def _column(node: Served) -> str:
    if node.value_type == "ByteString":
        return "value_raw"
    if node.is_array:
        return "value_text"
    for column, types in (("value_float", _FLOAT), ("value_int", _INT), ("value_uint", _UINT)):
        if node.value_type in types:
            return column
    return "value_text"


def _missing(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if values.dtype != np.object_:
        return np.zeros(len(values), np.bool_)
    return np.array([value is None for value in values], np.bool_)


def _typed(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    if values.dtype != np.object_:
        return pa.array(values).cast(kind)
    return pa.array(values.tolist(), kind, mask=missing)


def window(series: Series, start_ticks: int, end_ticks: int) -> npt.NDArray[np.intp]:
    """Rows delivered in [start, end), after the one that stands at `start`."""
    first, last = np.searchsorted(series.delivered_ticks, (start_ticks, end_ticks))
    return np.arange(max(int(first) - 1, 0), int(last))


def batches(items: Iterator[list[pa.Array]], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Tables of about `rows` rows out of the columns of many nodes."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for arrays in items:
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        waiting.append(batch)
        count += batch.num_rows
        if count >= rows:
            yield pa.Table.from_batches(waiting, schema).unify_dictionaries()
            waiting, count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema).unify_dictionaries()
