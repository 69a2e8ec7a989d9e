import contextlib
import json
import math
import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.opcua.decode import TYPE_NAMES, DataValues, MalformedError, Reader
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA, time_of

T = ua.VariantType
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMESPACES = ["http://opcfoundation.org/UA/", "urn:one"]


def packed(values):
    return len(values).to_bytes(4, "little", signed=True) + b"".join(map(struct_to_binary, values))


def decoded(values, fast=True):
    reader = Reader(packed(values), 0, NAMESPACES)
    found = DataValues.decode(reader, fast=fast)
    assert reader.pos == len(reader.data)
    return found


def rows(found):
    batch = found.batch(
        server_uri="u",
        nodes=pa.array(["n"]),
        codes=np.zeros(found.count, np.int32),
        received=datetime(2026, 1, 1, tzinfo=UTC),
        origin="live",
    )
    assert batch.schema == RAW_SCHEMA
    batch.validate(full=True)
    return batch.to_pylist()


def integers(low, high):
    return st.one_of(st.sampled_from([low, 0, high]), st.integers(low, high))


def moments(first, last):
    seconds = [int((datetime(y, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) for y in (first, last)]
    exact = st.integers(seconds[0] * 10**6, seconds[1] * 10**6)
    return exact.map(lambda us: EPOCH + timedelta(microseconds=us))


SCALARS = {
    T.Boolean: st.booleans(),
    T.SByte: integers(-128, 127),
    T.Byte: integers(0, 255),
    T.Int16: integers(-(2**15), 2**15 - 1),
    T.UInt16: integers(0, 2**16 - 1),
    T.Int32: integers(-(2**31), 2**31 - 1),
    T.UInt32: integers(0, 2**32 - 1),
    T.Int64: integers(-(2**63), 2**63 - 1),
    T.UInt64: integers(0, 2**64 - 1),
    T.Float: st.floats(width=32),
    T.Double: st.floats(),
    T.String: st.one_of(st.none(), st.text(max_size=8)),
    T.DateTime: moments(1602, 9990),
    T.Guid: st.uuids(),
    T.ByteString: st.one_of(st.none(), st.binary(max_size=8)),
    T.NodeId: st.integers(0, 2**32 - 1).map(lambda i: ua.NodeId(i, 1)),
    T.StatusCode: st.sampled_from([0, 0x80000000, 0x408F0000]).map(ua.StatusCode),
    T.QualifiedName: st.text(max_size=4).map(lambda t: ua.QualifiedName(t, 1)),
    T.LocalizedText: st.text(max_size=4).map(lambda t: ua.LocalizedText(t, "zh")),
}
TIMES = st.one_of(st.none(), moments(1971, 2200))


@st.composite
def variants(draw):
    kind = draw(st.sampled_from([*SCALARS, None]))
    if kind is None:
        return ua.Variant()
    if draw(st.booleans()):
        return ua.Variant(draw(SCALARS[kind]), kind)
    return ua.Variant(draw(st.lists(SCALARS[kind], max_size=3)), kind, is_array=True)


@st.composite
def data_values(draw):
    return ua.DataValue(
        draw(variants()),
        ua.StatusCode(draw(st.sampled_from([0, 0x80000000, 0x40000480]))),
        SourceTimestamp=draw(TIMES),
        ServerTimestamp=draw(TIMES),
    )


def as_json(value):
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, ua.StatusCode):
        return value.value
    if isinstance(value, ua.NodeId):
        return f"nsu=urn:one;i={value.Identifier}"
    if isinstance(value, ua.QualifiedName):
        return {"NamespaceIndex": value.NamespaceIndex, "Name": value.Name}
    if isinstance(value, ua.LocalizedText):
        return {"Locale": value.Locale, "Text": value.Text}
    return value


def expected(raw):
    """The row's fields by asyncua's own decoder: type, array, value."""
    value = struct_from_binary(ua.DataValue, Buffer(raw))
    variant = value.Value if value.Value is not None else ua.Variant()
    return value, variant


def same(a, b):
    return a == b or (
        isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    )


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(data_values(), st.sampled_from([1, 2, 14, 40])), max_size=6))
def test_fast_twin_and_asyncua_agree(runs):
    values = [value for value, times in runs for _ in range(times)]
    fast, slow = rows(decoded(values)), rows(decoded(values, fast=False))
    for a, b in zip(fast, slow, strict=True):
        assert all(same(a[k], b[k]) for k in a)
    for row, value in zip(fast, values, strict=True):
        known, variant = expected(struct_to_binary(value))
        assert row["value_type"] == variant.VariantType.name
        assert row["status_code"] == (known.StatusCode.value if known.StatusCode else 0)
        for column, stamp in (
            ("source_ticks", known.SourceTimestamp),
            ("server_ticks", known.ServerTimestamp),
        ):
            assert (row[column] is None) == (stamp is None)
            assert stamp is None or time_of(row[column]) == stamp
        columns = ("value_float", "value_int", "value_uint", "value_text", "value_raw")
        given_values = [row[c] for c in columns if row[c] is not None]
        assert row["is_array"] == bool(variant.is_array)
        if variant.is_array:
            if variant.Value is None:
                assert given_values == []
            elif variant.VariantType is not T.ByteString:
                assert json.loads(given_values[0]) == [as_json(v) for v in variant.Value]
        elif variant.Value is None:
            assert given_values == []
        else:
            wanted = as_json(variant.Value)
            if isinstance(wanted, dict):
                assert json.loads(given_values[0]) == wanted
            elif variant.VariantType in (T.Float, T.Double):
                assert same(given_values[0], variant.Value)
            else:
                assert given_values == [wanted]


def test_mixed_layouts_are_split_into_runs_at_the_right_place():
    times = {"SourceTimestamp": datetime(2026, 1, 1, tzinfo=UTC)}
    values = [ua.DataValue(ua.Variant(float(i), T.Double), **times) for i in range(50)]
    values[20] = ua.DataValue(ua.Variant(20, T.Int64), **times)
    values[21] = ua.DataValue(ua.Variant(21, T.Int64), ua.StatusCode(0x80000000))
    found = decoded(values)
    assert [found.value(i) for i in range(50)] == list(range(50))
    assert found.has_source.tolist() == [i != 21 for i in range(50)]


def test_hundred_nanoseconds_survive():
    ticks = EPOCH_TICKS + 1_234_567
    raw = b"\x05\x0b" + b"\0" * 8 + ticks.to_bytes(8, "little")
    found = DataValues.decode(Reader((3).to_bytes(4, "little") + raw * 3))
    assert found.source_ticks.tolist() == [ticks] * 3


@pytest.mark.parametrize("fast", [True, False])
def test_picoseconds_lie_behind_their_timestamp(fast):
    """As part 6 orders them; asyncua 2.1 puts both behind the server timestamp."""
    source, server = EPOCH_TICKS + 1, EPOCH_TICKS + 2
    raw = (
        b"\x3d\x06" + (5).to_bytes(4, "little") + source.to_bytes(8, "little") + b"\x07\0"
        + server.to_bytes(8, "little") + b"\x09\0"
    )  # fmt: skip
    found = DataValues.decode(Reader((20).to_bytes(4, "little") + raw * 20), fast=fast)
    assert found.ints.tolist() == [5] * 20
    assert set(found.source_ticks.tolist()) == {source}
    assert set(found.server_ticks.tolist()) == {server}


def test_engineering_units_become_json_and_unknown_structures_stay_raw():
    unit = ua.EUInformation("urn:u", 42, ua.LocalizedText("°C"), ua.LocalizedText("degree", "en"))
    found = decoded([ua.DataValue(ua.Variant(unit, T.ExtensionObject))])
    assert json.loads(found.value(0)) == {
        "NamespaceUri": "urn:u",
        "UnitId": 42,
        "DisplayName": {"Locale": None, "Text": "°C"},
        "Description": {"Locale": "en", "Text": "degree"},
    }
    unknown = b"\x01\x16" + b"\x01\x05\x39\x30" + b"\x01" + b"\x03\0\0\0abc"
    raw = DataValues.decode(Reader(b"\x01\0\0\0" + unknown))
    assert raw.value(0) == unknown[2:]
    assert rows(raw)[0]["value_type"] == "ExtensionObject"


def test_matrix_is_nested_by_its_dimensions():
    matrix = ua.Variant([1, 2, 3, 4, 5, 6], T.Int32, Dimensions=[2, 3], is_array=True)
    assert decoded([ua.DataValue(matrix)]).value(0) == "[[1,2,3],[4,5,6]]"


def test_every_built_in_type_has_its_name():
    assert list(TYPE_NAMES[:26]) == [T(i).name for i in range(26)]


def test_notifications_carry_their_handles():
    items = [
        ua.MonitoredItemNotification(i, ua.DataValue(ua.Variant(i * 1.5, T.Double)))
        for i in range(30)
    ]
    data = len(items).to_bytes(4, "little") + b"".join(map(struct_to_binary, items))
    for fast in (True, False):
        found = DataValues.decode(Reader(data), with_handles=True, fast=fast)
        assert found.handles.tolist() == list(range(30))
        assert found.floats.tolist() == [i * 1.5 for i in range(30)]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120))
def test_hostile_bytes_end_in_one_error(data):
    for fast in (True, False):
        with contextlib.suppress(MalformedError):
            DataValues.decode(Reader(data), fast=fast)


def test_truncated_bytes_are_refused():
    value = ua.DataValue(
        ua.Variant(1.0, T.Double), SourceTimestamp=datetime(2026, 1, 1, tzinfo=UTC)
    )
    data = packed([value] * 40)
    for cut in (5, len(data) - 1):
        with pytest.raises(MalformedError):
            DataValues.decode(Reader(data[:cut]))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("kind", range(26, 32))
def test_reserved_types_are_byte_strings(kind, fast):
    """Part 6, 5.2.2.16: ids 26 to 31 are for types to come; decoders take them as ByteStrings."""
    scalar = bytes([1, kind]) + b"\x02\0\0\0ab"
    array = bytes([1, kind | 0x80]) + b"\x01\0\0\0" + b"\x02\0\0\0ab"
    inside = bytes([1, 24 | 0x80]) + b"\x01\0\0\0" + bytes([kind]) + b"\x02\0\0\0ab"
    found = [scalar] * 20 + [array, inside]
    reader = Reader(len(found).to_bytes(4, "little") + b"".join(found))
    page = DataValues.decode(reader, fast=fast)
    assert reader.pos == len(reader.data)
    assert [page.value(row) for row in range(22)] == [b"ab"] * 20 + ['["YWI="]'] * 2
    assert {row["value_type"] for row in rows(page)} == {"ByteString", "Variant"}


def test_a_type_that_cannot_be_is_malformed():
    with pytest.raises(MalformedError):
        DataValues.decode(Reader(b"\x01\0\0\0" + bytes([1, 32]) + b"\0\0\0\0"))
