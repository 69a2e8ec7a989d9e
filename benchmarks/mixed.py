"""20,000 DataValues whose types change one by one: compiled, numpy, pure Python, asyncua."""

import struct
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from benchmarks.decoding import WALKS
from benchmarks.rounds import Contender, DisagreementError, Measurement
from connectors.opcua import walk
from connectors.opcua.decode import DataValues, Reader
from connectors.opcua.variants import date_time
from connectors.raw import EPOCH_TICKS, TICKS_PER_S

COUNT: Final = 20_000
FORMS: Final = {11: "d", 6: "i", 1: "?", 5: "H", 8: "q", 12: "", 10: "f", 13: "q"}
"""Double, Int32, Boolean, UInt16, Int64, String, Float, DateTime, in turn."""
BAD_EVERY: Final = 19
FIRST: Final = EPOCH_TICKS + 1_790_000_000 * TICKS_PER_S
VALUES: Final = ("value_float", "value_int", "value_uint", "value_text")


def body() -> bytes:
    """A HistoryData as on the wire."""
    return struct.pack("<i", COUNT) + b"".join(_data_value(row) for row in range(COUNT))


def _data_value(row: int) -> bytes:
    kind = list(FORMS)[row % len(FORMS)]
    mask, status = (0x0F, struct.pack("<I", 0x80000000)) if row % BAD_EVERY == 0 else (0x0D, b"")
    times = struct.pack("<qq", FIRST + row * TICKS_PER_S, FIRST + row * TICKS_PER_S + 3_000)
    return bytes([mask, kind]) + _value(kind, row) + status + times


def _value(kind: int, row: int) -> bytes:
    if kind == 12:
        text = f"工单-{row}".encode()
        return struct.pack("<i", len(text)) + text
    number = row * 0.25 if kind in (10, 11) else FIRST + row * 10 if kind == 13 else row % 1000
    return struct.pack("<" + FORMS[kind], number)


def measurement(folder: Path) -> Measurement:
    """Bytes to a batch of RAW_SCHEMA by each of our walks; to objects by asyncua."""
    data, nodes, codes = body(), pa.array(["n"]), np.zeros(COUNT, np.int32)

    def ours(walker: walk.Walk) -> pa.RecordBatch:
        values = DataValues.decode(Reader(data), walker=walker)
        now = datetime(2026, 9, 21, tzinfo=UTC)
        return values.batch(
            server_uri="u", nodes=nodes, codes=codes, received=now, origin="history"
        )

    def theirs() -> ua.HistoryData:
        found: ua.HistoryData = struct_from_binary(ua.HistoryData, Buffer(data))
        return found

    wanted = [_expected(one) for one in theirs().DataValues]
    for name, walker in WALKS.items():
        if _rows(ours(walker)) != wanted:
            raise DisagreementError(f"mixed: values of the {name} differ from asyncua's")
    return Measurement(
        f"decode {COUNT:,} of mixed types",
        [
            *(Contender(f"ParkPulse, {name}", partial(ours, one)) for name, one in WALKS.items()),
            Contender("asyncua struct_from_binary", theirs),
        ],
        "every type, value and status equal",
    )


def _rows(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    return [
        (
            row["value_type"],
            next(row[name] for name in VALUES if row[name] is not None),
            row["status_code"],
        )
        for row in batch.to_pylist()
    ]


def _expected(one: ua.DataValue) -> tuple[Any, ...]:
    variant = one.Value or ua.Variant()
    value = variant.Value
    if isinstance(value, datetime):
        value = date_time(ua.datetime_to_win_epoch(value))
    return variant.VariantType.name, value, one.StatusCode.value if one.StatusCode else 0
