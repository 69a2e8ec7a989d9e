import json
import math
import struct
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

from connectors.opcua import gather, twin, walk
from connectors.opcua.decode import TYPE_NAMES, DataValues, MalformedError, Reader
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA, time_of

T = ua.VariantType
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMESPACES = ["http://opcfoundation.org/UA/", "urn:one"]
WALKS = {"twin": twin.fill, "numpy": gather.with_numpy}
if walk.is_compiled():
    WALKS["compiled"] = walk.compiled
every_walk = pytest.mark.parametrize("walker", WALKS.values(), ids=WALKS.keys())


def packed(values):
    return len(values).to_bytes(4, "little", signed=True) + b"".join(map(struct_to_binary, values))


def decoded(values, walker=None):
    reader = Reader(packed(values), 0, NAMESPACES)
    found = DataValues.decode(reader, walker=walker)
    assert reader.pos == len(reader.data)
    return found


def rows(found):
    batch = batch_of(found)
    assert batch.schema == RAW_SCHEMA
    batch.validate(full=True)
    return batch.to_pylist()


def batch_of(found):
    return found.batch(
        server_uri="u",
        nodes=pa.array(["n"]),
        codes=np.zeros(found.count, np.int32),
        received=datetime(2026, 1, 1, tzinfo=UTC),
        origin="live",
    )


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
def test_every_walk_and_asyncua_agree(runs):
    values = [value for value, times in runs for _ in range(times)]
    slow = rows(decoded(values, twin.fill))
    for name, walker in WALKS.items():
        fast = rows(decoded(values, walker))
        for a, b in zip(fast, slow, strict=True):
            assert all(same(a[k], b[k]) for k in a), name
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


@every_walk
def test_picoseconds_lie_behind_their_timestamp(walker):
    """As part 6 orders them; asyncua 2.1 puts both behind the server timestamp."""
    source, server = EPOCH_TICKS + 1, EPOCH_TICKS + 2
    raw = (
        b"\x3d\x06" + (5).to_bytes(4, "little") + source.to_bytes(8, "little") + b"\x07\0"
        + server.to_bytes(8, "little") + b"\x09\0"
    )  # fmt: skip
    found = DataValues.decode(Reader((20).to_bytes(4, "little") + raw * 20), walker=walker)
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
    for walker in WALKS.values():
        found = DataValues.decode(Reader(data), with_handles=True, walker=walker)
        assert found.handles.tolist() == list(range(30))
        assert found.floats.tolist() == [i * 1.5 for i in range(30)]


FIELDS = (
    "handles", "has_source", "has_server", "source_ticks", "server_ticks", "types", "is_array",
    "columns", "floats", "ints", "uints", "status",
)  # fmt: skip


def outcome(data, with_handles, walker):
    """All that a walk makes of the bytes, or why it refused them."""
    reader = Reader(data, 0, NAMESPACES)
    try:
        found = DataValues.decode(reader, with_handles=with_handles, walker=walker)
    except MalformedError:
        return "malformed"
    fields = {name: getattr(found, name).tolist() for name in FIELDS}
    fields["floats"] = [repr(value) for value in fields["floats"]]
    batch = batch_of(found)
    batch.validate(full=True)
    written = {name: batch.column(name).to_pylist() for name in ("value_text", "value_raw")}
    texts = [found.texts.get(row) for row in range(found.count)]
    raws = [found.raws.get(row) for row in range(found.count)]
    assert written == {"value_text": texts, "value_raw": raws}
    return fields | written | {"behind": reader.pos}


def all_agree(data, with_handles):
    found = {name: outcome(data, with_handles, walker) for name, walker in WALKS.items()}
    for name in found:
        assert found[name] == found["twin"], name
    return found["twin"]


def sized(part):
    return struct.pack("<i", len(part)) + part


STRINGS = st.one_of(
    st.just(b"\xff\xff\xff\xff"),
    st.just(b"\x00\x00\x00\x80"),
    st.text(max_size=5).map(lambda text: sized(text.encode())),
    st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xe5\xb7", b"\xa5x", b"\0"]).map(sized),
)
ANY_TICKS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(EPOCH_TICKS, 2 * EPOCH_TICKS))
MOMENTS = ANY_TICKS.map(lambda ticks: struct.pack("<q", ticks))
LENGTHS = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 14: 16, 19: 4}
SHAPES = {
    **{kind: st.binary(min_size=size, max_size=size) for kind, size in LENGTHS.items()},
    **dict.fromkeys((12, 15, 16, 26, 31), STRINGS),
    13: MOMENTS,
    0: st.just(b""),
    17: st.sampled_from([b"\x00\x05", b"\x01\x01\x05\x00"]),
    20: STRINGS.map(lambda part: b"\x01\x00" + part),
    21: STRINGS.map(lambda part: b"\x02" + part),
    22: STRINGS.map(lambda part: b"\x01\x00\x79\x03" + b"\x01" + part),
    24: st.just(b"\x06\x01\x00\x00\x00"),
}


@st.composite
def on_the_wire(draw):
    """One DataValue as any server may write it: any mask, picoseconds, odd types, arrays."""
    mask = draw(st.one_of(st.sampled_from([0x01, 0x05, 0x0D, 0x0F]), st.integers(0, 255)))
    found = bytes([mask])
    if mask & 1:
        kind = draw(st.sampled_from(sorted(SHAPES)))
        if kind and draw(st.integers(0, 7)) == 0:
            parts = draw(st.lists(SHAPES[kind], max_size=3))
            found += bytes([kind | 0x80]) + struct.pack("<i", len(parts)) + b"".join(parts)
        else:
            found += bytes([kind]) + draw(SHAPES[kind])
    for bit, size in ((2, 4), (4, 8), (16, 2), (8, 8), (32, 2)):
        found += draw(st.binary(min_size=size, max_size=size)) if mask & bit else b""
    return found


@st.composite
def messages(draw):
    with_handles = draw(st.booleans())
    picked = draw(st.lists(st.tuples(on_the_wire(), st.sampled_from([1, 1, 2, 13])), max_size=8))
    values = [value for value, times in picked for _ in range(times)]
    head = [struct.pack("<I", 0xFFFF_0000 + i) if with_handles else b"" for i in range(300)]
    body = b"".join(h + value for h, value in zip(head, values, strict=False))
    return struct.pack("<i", len(values)) + body, with_handles


@settings(deadline=None, max_examples=150)
@given(messages())
def test_whatever_is_well_formed_every_walk_reads_alike(message):
    data, with_handles = message
    found = all_agree(data, with_handles)
    assert found != "malformed"
    assert found["behind"] == len(data)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(messages(), st.binary(max_size=6), st.integers(0, 40)), max_size=5))
def test_notifications_read_together_are_what_each_is_alone(drawn):
    """Whole ones with diagnostics behind them, and one or another that is cut."""
    bodies = [data + tail for (data, has_handles), tail, _ in drawn if has_handles]
    bodies += [data[:-cut] for (data, has_handles), _, cut in drawn if has_handles and cut > 20]
    alone = [outcome(body, True, twin.fill) for body in bodies]
    for name, walker in WALKS.items():
        if "malformed" in alone:
            with pytest.raises(MalformedError):
                DataValues.of_notifications(bodies, NAMESPACES, walker=walker)
            continue
        found = DataValues.of_notifications(bodies, NAMESPACES, walker=walker)
        for field in FIELDS:
            wanted = [repr(value) for one in alone for value in one[field]]
            shown = getattr(found, field).tolist()
            if field == "floats":
                shown = [repr(value) for value in shown]
            assert [repr(value) for value in shown] == wanted, (name, field)
        for field in ("value_text", "value_raw"):
            wanted = [value for one in alone for value in one[field]]
            assert batch_of(found).column(field).to_pylist() == wanted, (name, field)


@settings(deadline=None, max_examples=300)
@given(
    messages(),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_damaged_messages_have_one_outcome_in_every_walk(message, changes, cut, is_cut):
    data, with_handles = bytearray(message[0]), message[1]
    for place, byte in changes:
        data[place % len(data)] = byte
    all_agree(bytes(data[: cut % len(data)] if is_cut else data), with_handles)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120), st.booleans())
def test_hostile_bytes_have_one_outcome_in_every_walk(data, with_handles):
    all_agree(data, with_handles)


@every_walk
@pytest.mark.parametrize(("with_handles", "count"), [(False, 101), (True, 21), (False, 2**31 - 1)])
def test_a_count_beyond_the_bytes_is_refused_before_room_is_made(with_handles, count, walker):
    data = struct.pack("<i", count) + bytes(100)
    with pytest.raises(MalformedError):
        DataValues.decode(Reader(data), with_handles=with_handles, walker=walker)


@every_walk
def test_one_byte_is_a_whole_value_that_says_nothing(walker):
    found = DataValues.decode(Reader(struct.pack("<i", 100) + bytes(100)), walker=walker)
    assert found.columns.tolist() == [0] * 100


def test_letters_cut_between_two_strings_are_escaped_in_each():
    """Together they are UTF-8, each by itself is not."""
    raw = b"\x01\x0c" + sized(b"\xe5\xb7"), b"\x01\x0c" + sized(b"\xa5")
    for walker in WALKS.values():
        found = DataValues.decode(Reader(struct.pack("<i", 2) + b"".join(raw)), walker=walker)
        assert [row["value_text"] for row in rows(found)] == ["\\xe5\\xb7", "\\xa5"]


def test_dimensions_that_hide_elements_do_not():
    raw = b"\x01\xc6" + struct.pack("<i6i", 6, *range(6)) + struct.pack("<iii", 2, -1, -6)
    found = DataValues.decode(Reader(struct.pack("<i", 1) + raw))
    assert found.value(0) == "[0,1,2,3,4,5]"


def test_a_node_id_that_only_looks_like_a_structure_is_kept_raw():
    node_id = b"\x03\x00\x00" + sized(";i=²".encode())
    raw = node_id + b"\x01" + sized(b"abc")
    found = DataValues.decode(Reader(struct.pack("<i", 1) + b"\x01\x16" + raw))
    assert found.value(0) == raw


def test_truncated_bytes_are_refused():
    value = ua.DataValue(
        ua.Variant(1.0, T.Double), SourceTimestamp=datetime(2026, 1, 1, tzinfo=UTC)
    )
    data = packed([value] * 40)
    for cut in (5, len(data) - 1):
        with pytest.raises(MalformedError):
            DataValues.decode(Reader(data[:cut]))


@every_walk
@pytest.mark.parametrize("kind", range(26, 32))
def test_reserved_types_are_byte_strings(kind, walker):
    """Part 6, 5.2.2.16: ids 26 to 31 are for types to come; decoders take them as ByteStrings."""
    scalar = bytes([1, kind]) + b"\x02\0\0\0ab"
    array = bytes([1, kind | 0x80]) + b"\x01\0\0\0" + b"\x02\0\0\0ab"
    inside = bytes([1, 24 | 0x80]) + b"\x01\0\0\0" + bytes([kind]) + b"\x02\0\0\0ab"
    found = [scalar] * 20 + [array, inside]
    reader = Reader(len(found).to_bytes(4, "little") + b"".join(found))
    page = DataValues.decode(reader, walker=walker)
    assert reader.pos == len(reader.data)
    assert [page.value(row) for row in range(22)] == [b"ab"] * 20 + ['["YWI="]'] * 2
    assert {row["value_type"] for row in rows(page)} == {"ByteString", "Variant"}


def test_a_type_that_cannot_be_is_malformed():
    with pytest.raises(MalformedError):
        DataValues.decode(Reader(b"\x01\0\0\0" + bytes([1, 32]) + b"\0\0\0\0"))
