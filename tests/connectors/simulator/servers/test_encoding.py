import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from connectors.raw import ticks_of
from connectors.simulator.encoding import data_value_list, date_time_ticks, history_body
from connectors.simulator.nodes import Series, Served

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 10**16).map(lambda us: EPOCH + timedelta(microseconds=us))
STATUSES = st.sampled_from([0, 0x8031_0000, 0x808A_0000, 0x4094_0000])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
UNIT = ua.EUInformation(
    "http://www.opcfoundation.org/UA/units/un/cefact",
    4408652,
    ua.LocalizedText("°C", "en"),
    ua.LocalizedText("degree Celsius", "en"),
)
UNIT_TEXT = json.dumps(
    {
        "NamespaceUri": UNIT.NamespaceUri,
        "UnitId": UNIT.UnitId,
        "DisplayName": {"Locale": "en", "Text": "°C"},
        "Description": {"Locale": "en", "Text": "degree Celsius"},
    }
)


def same(values):
    return values.map(lambda value: (value, value))


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# value type, is_array, dtype of the series, pairs of (what the series holds, what asyncua holds)
KINDS = [
    ("Double", False, float, same(st.floats(allow_nan=False))),
    ("Float", False, float, same(st.floats(width=32, allow_nan=False))),
    ("Int32", False, np.int64, same(st.integers(-(2**31), 2**31 - 1))),
    ("Int64", False, np.int64, same(st.integers(-(2**63), 2**63 - 1))),
    ("UInt32", False, np.uint64, same(st.integers(0, 2**32 - 1))),
    ("UInt64", False, np.uint64, same(st.integers(0, 2**64 - 1))),
    ("Byte", False, np.uint64, same(st.integers(0, 255))),
    ("Boolean", False, np.int64, st.booleans().map(lambda b: (int(b), b))),
    ("Boolean", False, object, st.booleans().map(lambda b: (b, b)) | st.just((None, None))),
    ("Double", False, object, same(st.floats(allow_nan=False)) | st.just((None, None))),
    ("String", False, object, same(TEXTS) | st.just((None, None))),
    ("ByteString", False, object, same(st.binary(max_size=9)) | st.just((None, None))),
    ("Guid", False, object, st.uuids().map(lambda u: (str(u), UUID(int=u.int)))),
    (
        "LocalizedText", False, object,
        TEXTS.map(lambda t: (compact({"Locale": "zh", "Text": t}), ua.LocalizedText(t, "zh"))),
    ),
    ("ExtensionObject", False, object, st.just((UNIT_TEXT, UNIT))),
    ("DateTime", False, object, TIMES.map(lambda t: (f"{t:%Y-%m-%dT%H:%M:%S.%f}0Z", t))),
    ("String", True, object, st.lists(TEXTS, max_size=3).map(lambda ts: (compact(ts), ts))),
    ("Double", True, object, st.just(("[1.5,2]", [1.5, 2.0]))),
]  # fmt: skip


@st.composite
def cases(draw):
    kind, is_array, dtype, pairs = draw(st.sampled_from(KINDS))
    rows = draw(st.lists(st.tuples(pairs, STATUSES, TIMES, TIMES), max_size=6))
    values = np.empty(len(rows), dtype)
    values[:] = [row[0][0] for row in rows]
    series = Series(
        np.array([ticks_of(row[2]) for row in rows], np.int64),
        np.array([ticks_of(row[3]) for row in rows], np.int64),
        np.arange(len(rows), dtype=np.int64),
        values,
        np.array([row[1] for row in rows], np.uint32),
    )
    said = [data_value(kind, is_array, row[0][1], *row[1:]) for row in rows]
    return Served("ns=1;s=x", (), kind, is_array), series, said


def data_value(kind, is_array, value, status, source, server):
    null = ua.VariantType.Null
    variant = ua.Variant(value, null if value is None else ua.VariantType[kind], is_array=is_array)
    return ua.DataValue(variant, ua.StatusCode(status), source, server)


@given(cases())
def test_history_is_what_asyncua_itself_encodes(case):
    node, series, said = case
    body = history_body(node, series, np.arange(len(said)))
    assert body == struct_to_binary(ua.HistoryData(said))
    assert b"".join(data_value_list(node, series, np.arange(len(said)))) == body[4:]
    assert struct_from_binary(ua.HistoryData, Buffer(body)).DataValues == said


def test_a_missing_time_is_left_out():
    zero, one = np.array([0, 0]), np.array([10, 20])
    series = Series(zero, one, one, np.array([1.0, 2.0]), np.zeros(2, np.uint32))
    body = history_body(Served("ns=1;s=x", (), "Double"), series, np.array([1]))
    (read,) = struct_from_binary(ua.HistoryData, Buffer(body)).DataValues
    assert read.SourceTimestamp is None
    assert read.ServerTimestamp is not None
    assert read.Value.Value == 2.0


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("1970-01-01T00:00:00.0000001Z", 1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T08:00:01.5+08:00", 15_000_000),
        ("1970-01-01T00:00:00.123456Z", 1_234_560),
    ],
)
def test_times_are_read_to_100_ns(text, after):
    assert date_time_ticks(text) == ticks_of(EPOCH) + after


@given(TIMES, st.integers(0, 9))
def test_ticks_of_a_text_are_exact(time, last):
    assert date_time_ticks(f"{time:%Y-%m-%dT%H:%M:%S.%f}{last}Z") == ticks_of(time) + last
    assert ticks_of(time + timedelta(microseconds=1)) - ticks_of(time) == 10
