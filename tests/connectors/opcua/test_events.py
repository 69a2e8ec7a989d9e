"""Event bytes to rows, held against asyncua's own decoder; and what is asked of a server."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.event_segments import EVENT_SCHEMA
from connectors.opcua import events
from connectors.opcua.decode import MalformedError, Reader
from connectors.raw import ticks_of, time_of

T = ua.VariantType
NAMESPACES = ["http://opcfoundation.org/UA/", "urn:one"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)

times = st.integers(-(10**16), 10**17).map(lambda us: EPOCH + timedelta(microseconds=us // 10**2))
nodes = st.one_of(
    st.just(ua.NodeId()),
    st.integers(1, 2**32 - 1).map(lambda i: ua.NodeId(i, 1)),
    st.text(max_size=6).map(lambda s: ua.NodeId(s, 7)),
)
SCALARS = {
    T.Boolean: st.booleans(),
    T.UInt16: st.integers(0, 2**16 - 1),
    T.Int32: st.integers(-(2**31), 2**31 - 1),
    T.Double: st.floats(allow_nan=False, allow_infinity=False),
    T.String: st.one_of(st.none(), st.text(max_size=8)),
    T.DateTime: times,
    T.ByteString: st.one_of(st.none(), st.binary(max_size=16)),
    T.NodeId: nodes,
    T.StatusCode: st.sampled_from([0, 0x80000000, 0x408F0000]).map(ua.StatusCode),
    T.LocalizedText: st.builds(
        ua.LocalizedText, st.one_of(st.none(), st.text(max_size=8)), st.sampled_from([None, "zh"])
    ),
}
WANTED = {
    "event_id": T.ByteString, "event_type": T.NodeId, "source_node": T.NodeId,
    "source_name": T.String, "time_ticks": T.DateTime, "receive_ticks": T.DateTime,
    "message": T.LocalizedText, "severity": T.UInt16, "condition_id": T.NodeId,
    "condition_name": T.String, "branch_id": T.NodeId, "retain": T.Boolean, "enabled": T.Boolean,
    "quality": T.StatusCode, "comment": T.LocalizedText, "user": T.String, "acked": T.Boolean,
    "confirmed": T.Boolean, "active": T.Boolean, "active_ticks": T.DateTime,
    "suppressed": T.Boolean, "shelving": T.NodeId,
}  # fmt: skip


@st.composite
def variants(draw, wanted):
    """Mostly what the field should be; else null, another type, or an array."""
    how = draw(st.sampled_from(["right", "right", "right", "null", "other", "array"]))
    if how == "null":
        return ua.Variant()
    kind = wanted if how == "right" else draw(st.sampled_from(list(SCALARS)))
    if how == "array":
        return ua.Variant(draw(st.lists(SCALARS[kind], max_size=3)), kind, is_array=True)
    return ua.Variant(draw(SCALARS[kind]), kind)


@st.composite
def field_lists(draw):
    fields = [draw(variants(WANTED[field.column])) for field in events.FIELDS]
    fields = fields[: draw(st.integers(0, len(fields)))] if draw(st.booleans()) else fields
    more = (
        draw(st.lists(variants(T.Int32), max_size=2)) if len(fields) == len(events.FIELDS) else []
    )
    return ua.EventFieldList(ua.UInt32(draw(st.integers(0, 9))), [*fields, *more])


def packed(lists):
    return struct_to_binary(ua.EventNotificationList(lists))


def text_of(node):
    if node == ua.NodeId():
        return None
    identifier = ua.NodeId(node.Identifier, 0, node.NodeIdType).to_string()
    return f"nsu=urn:one;{identifier}" if node.NamespaceIndex == 1 else f"ns=7;{identifier}"


def slow(lists):
    """The same rows from asyncua's own objects."""
    return [dict(_columns(one.EventFields)) for one in lists]


def _columns(variants):
    for number, variant in enumerate(variants):
        column = events.FIELDS[number].column if number < len(events.FIELDS) else None
        kind, value = variant.VariantType, variant.Value
        fits = column and not variant.is_array
        if kind == T.Null or value is None:
            continue
        if fits and kind == T.LocalizedText and column == "message":
            yield column, value.Text
            yield "message_locale", value.Locale
        elif fits and kind == T.LocalizedText and WANTED[column] in (T.LocalizedText, T.String):
            yield column, value.Text
        elif fits and (kind == WANTED[column] or {kind, WANTED[column]} == {
            T.String, T.LocalizedText,
        }):  # fmt: skip
            yield column, _plain(kind, value)
        else:
            yield ("other", column or f"field {number}"), kind.name


def _plain(kind, value):
    if kind == T.ByteString:
        return value.hex()
    if kind == T.NodeId:
        return text_of(value)
    if kind == T.DateTime:
        return ticks_of(value)
    return value.value if kind == T.StatusCode else value


@settings(deadline=None, max_examples=120)
@given(st.lists(field_lists(), max_size=4))
def test_rows_are_what_asyncua_decodes(lists):
    body = packed(lists)
    reader = Reader(body, 0, NAMESPACES)
    found = events.decode(reader, events.FIELDS)
    assert reader.pos == len(body)
    known = slow(struct_from_binary(ua.EventNotificationList, Buffer(body)).Events)
    assert len(found) == len(known) == len(lists)
    for row, expected in zip(found, known, strict=True):
        other = json.loads(row.pop("other", "{}"))
        odd = {name: kind for (_, name), kind in _odd(expected)}
        assert {name: said["Type"] for name, said in other.items()} == odd
        plain = {k: v for k, v in expected.items() if isinstance(k, str) and v is not None}
        assert {k: v for k, v in row.items() if v is not None} == plain
    batch = events.batch(found, server_uri="urn:s", received=NOW, origin="live")
    assert batch.schema == EVENT_SCHEMA
    batch.validate(full=True)
    assert batch.num_rows == len(lists)


def _odd(expected):
    return [(key, kind) for key, kind in expected.items() if isinstance(key, tuple)]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120), st.lists(field_lists(), max_size=2), st.integers(0, 400))
def test_hostile_bytes_end_in_malformed_or_in_rows_that_can_be_kept(garbage, lists, cut):
    body = packed(lists)
    for data in (garbage, body[:cut] + garbage, body[:cut] + garbage + body[cut:]):
        try:
            rows = events.decode(Reader(data, 0, NAMESPACES), events.FIELDS)
        except MalformedError:
            continue
        events.batch(rows, server_uri="u", received=NOW, origin="live").validate(full=True)


def test_a_body_cut_anywhere_is_malformed():
    whole = ua.EventFieldList(ua.UInt32(0), [
        ua.Variant(b"\x01\x02", T.ByteString), ua.Variant(ua.NodeId(2915, 0)),
        ua.Variant(ua.NodeId("s", 1)), ua.Variant("source", T.String),
    ])  # fmt: skip
    body = packed([whole])
    assert len(events.decode(Reader(body), events.FIELDS)) == 1
    for cut in range(len(body)):
        with pytest.raises(MalformedError):
            events.decode(Reader(body[:cut]), events.FIELDS)


def test_odd_variants_are_kept_with_their_type():
    fields = [ua.Variant() for _ in events.FIELDS]
    place = {field.column: number for number, field in enumerate(events.FIELDS)}
    fields[place["severity"]] = ua.Variant(900, T.Int32)
    fields[place["source_node"]] = ua.Variant(ua.EUInformation("urn:u", 1), T.ExtensionObject)
    fields[place["active"]] = ua.Variant([True, False], T.Boolean, is_array=True)
    (row,) = events.decode(Reader(packed([ua.EventFieldList(0, fields)]), 0, NAMESPACES),
                           events.FIELDS)  # fmt: skip
    other = json.loads(row["other"])
    assert other["severity"] == {"Type": "Int32", "Value": 900}
    assert other["active"] == {"Type": "Boolean", "Value": [True, False]}
    assert other["source_node"]["Value"]["UnitId"] == 1
    assert set(row) == {"other"}


def test_shelving_is_told_in_words_and_times_to_100_ns():
    head = (1).to_bytes(4, "little") + bytes(4) + len(events.FIELDS).to_bytes(4, "little")
    said = {"time_ticks": bytes([13]) + (134_000_000_000_000_007).to_bytes(8, "little")}
    for column, number in (("shelving", 2932), ("event_type", 2915), ("branch_id", 0)):
        said[column] = variant_to_binary(ua.Variant(ua.NodeId(number, 0)))
    body = head + b"".join(said.get(field.column, b"\0") for field in events.FIELDS)
    (row,) = events.decode(Reader(body, 0, NAMESPACES), events.FIELDS)
    assert row == {
        "time_ticks": 134_000_000_000_000_007, "shelving": "TimedShelved", "branch_id": None,
        "event_type": "nsu=http://opcfoundation.org/UA/;i=2915",
    }  # fmt: skip
    assert time_of(row["time_ticks"]).microsecond == 0


def test_every_column_has_its_clause_and_its_place_in_the_schema():
    columns = [field.column for field in events.FIELDS]
    assert len(set(columns)) == len(columns)
    ours = {"server_uri", "received_time", "message_locale", "other", "origin"}
    assert {*columns, *ours} == set(EVENT_SCHEMA.names)
    clauses = {field.column: field.clause for field in events.FIELDS}
    identity = clauses["condition_id"]
    assert (identity.BrowsePath, identity.AttributeId) == ([], ua.AttributeIds.NodeId)
    assert [name.Name for name in clauses["shelving"].BrowsePath] == [
        "ShelvingState", "CurrentState", "Id",
    ]  # fmt: skip
    sent = struct_to_binary(events.event_item(events.FIELDS))
    assert b"ActiveState" in sent
    assert b"ActiveState" not in struct_to_binary(events.event_item(events.BASE_FIELDS))
