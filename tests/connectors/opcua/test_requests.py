"""Our encoders and decoders of bulk services beside asyncua's: the same bytes, the same nodes."""

import uuid
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua import references, requests
from connectors.opcua.decode import DataValues, MalformedError, Reader
from connectors.opcua.nodeids import KeptNodeId, encoded, namespaced, text_of
from connectors.opcua.references import browse_results, node_id_texts
from connectors.opcua.session import attributes

NAMESPACES = ["http://opcfoundation.org/UA/", "urn:one", "urn:two"]
T = ua.NodeIdType
u16, u32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
texts = st.text(max_size=12)
raw = st.binary(max_size=8)
guids = st.uuids()
node_ids = st.one_of(
    st.builds(lambda i: ua.NodeId(i, 0, T.TwoByte), st.integers(0, 255)),
    st.builds(lambda i, n: ua.NodeId(i, n, T.FourByte), u16, st.integers(0, 255)),
    st.builds(lambda i, n: ua.NodeId(i, n, T.Numeric), u32, u16),
    st.builds(lambda i, n: ua.NodeId(i, n, T.String), texts, u16),
    st.builds(lambda i, n: ua.NodeId(i, n, T.ByteString), raw, u16),
    st.builds(lambda i, n: ua.NodeId(i, n, T.Guid), guids, u16),
)
uris = st.one_of(st.none(), st.sampled_from([*NAMESPACES, "urn:elsewhere"]), texts)
expanded = st.builds(
    lambda n, uri, server: ua.ExpandedNodeId(
        n.Identifier, n.NamespaceIndex, n.NodeIdType, NamespaceUri=uri, ServerIndex=server
    ),
    node_ids,
    uris,
    st.sampled_from([0, 0, 0, 1, 7]),
)
described = st.builds(
    ua.ReferenceDescription,
    ReferenceTypeId=node_ids,
    IsForward=st.booleans(),
    NodeId=expanded,
    BrowseName=st.builds(ua.QualifiedName, st.one_of(st.none(), texts), st.integers(0, 2**15 - 1)),
    DisplayName=st.builds(
        ua.LocalizedText, st.one_of(st.none(), texts), st.one_of(st.none(), texts)
    ),
    NodeClass=st.sampled_from(ua.NodeClass),
    TypeDefinition=expanded,
)
results = st.builds(
    ua.BrowseResult,
    StatusCode=st.builds(
        ua.StatusCode, st.sampled_from([0, 0, 0x80340000, 0x804B0000, 0x40000000])
    ),
    ContinuationPoint=st.one_of(st.none(), raw),
    References=st.lists(described, max_size=4),
)


def packed(found):
    return len(found).to_bytes(4, "little") + b"".join(map(struct_to_binary, found))


def sent(ours, request):
    """All bytes of our request, under the header of asyncua's."""
    return ours.encoding + struct_to_binary(request.RequestHeader) + ours.parameters


@given(node_ids)
def test_a_node_id_keeps_the_bytes_that_asyncua_gives_it(node_id):
    kept = KeptNodeId.of(node_id)
    assert kept == node_id
    assert hash(kept) == hash(node_id)
    assert kept.encoded == encoded(kept) == encoded(node_id) == node_id.to_binary()
    assert kept.to_binary() == node_id.to_binary()
    assert KeptNodeId.of(kept) is kept


@given(node_ids)
def test_a_node_id_is_spelled_as_asyncua_does(node_id):
    plain = ua.NodeId(node_id.Identifier, 0, node_id.NodeIdType).to_string()
    assert text_of(node_id, NAMESPACES) == namespaced(node_id.NamespaceIndex, plain, NAMESPACES)


@given(st.lists(st.tuples(node_ids, st.sampled_from(AttributeIds)), max_size=6))
def test_reads_as_asyncua_encodes_them(wanted):
    for stamps in ua.TimestampsToReturn:
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = stamps
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=attribute) for node, attribute in wanted
        ]
        ours = requests.read_pairs(wanted, stamps)
        assert sent(ours, request) == struct_to_binary(request)
        for one in request.Parameters.NodesToRead:
            one.AttributeId = AttributeIds.DataType
        ours = requests.read_columns([node for node, _ in wanted], AttributeIds.DataType, stamps)
        assert sent(ours, request) == struct_to_binary(request)


@given(st.lists(node_ids, max_size=5), st.lists(raw, max_size=4), st.booleans())
def test_browses_as_asyncua_encodes_them(nodes, points, release):
    request = ua.BrowseRequest()
    request.Parameters.View.Timestamp = datetime(1601, 1, 1, tzinfo=UTC)
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences)),
            IncludeSubtypes=True,
            NodeClassMask=0,
            ResultMask=ua.BrowseResultMask.ReferenceTypeId
            | ua.BrowseResultMask.NodeClass
            | ua.BrowseResultMask.BrowseName,
        )
        for node in nodes
    ]
    ours = requests.browse(nodes)
    assert sent(ours, request) == struct_to_binary(request)
    following = ua.BrowseNextRequest()
    following.Parameters = ua.BrowseNextParameters(release, points)
    ours = requests.browse_next(points, release=release)
    assert sent(ours, following) == struct_to_binary(following)


@given(st.lists(st.tuples(u32, node_ids), max_size=5), u32, st.floats(0, 1e6), u32)
def test_monitored_items_as_asyncua_encodes_them(items, subscription, sampling_ms, queue):
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = ua.UInt32(subscription)
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ItemsToCreate = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=ua.UInt32(handle),
                SamplingInterval=sampling_ms,
                Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
                QueueSize=ua.UInt32(queue),
                DiscardOldest=True,
            ),
        )
        for handle, node in items
    ]
    ours = requests.create_items(
        subscription, items, sampling_interval_ms=sampling_ms, queue_size=queue
    )
    assert sent(ours, request) == struct_to_binary(request)


def key(node_id):
    return node_id.NamespaceIndex, node_id.Identifier


def here(node_id):
    """The plain NodeId that asyncua's reference means on this server; None for any other."""
    uri = getattr(node_id, "NamespaceUri", None)
    if getattr(node_id, "ServerIndex", 0) or (uri and uri not in NAMESPACES):
        return None
    index = NAMESPACES.index(uri) if uri else node_id.NamespaceIndex
    return index, node_id.Identifier


@given(st.lists(results, max_size=4))
def test_references_are_what_asyncua_reads(found):
    data = packed(found)
    buffer = Buffer(data[4:])
    theirs = [struct_from_binary(ua.BrowseResult, buffer) for _ in found]
    reader = Reader(data, 0, NAMESPACES)
    ours = browse_results(reader)
    assert reader.pos == len(data)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.status_code == other.StatusCode.value
        assert one.is_refused == other.StatusCode.is_bad()
        assert one.point == (other.ContinuationPoint or b"")
        assert len(one.references) == len(other.References)
        for mine, yours in zip(one.references, other.References, strict=True):
            name = yours.BrowseName
            assert mine.type_id == key(yours.ReferenceTypeId)
            assert (mine.name_index, mine.name) == (name.NamespaceIndex, name.Name or "")
            assert mine.node_class == yours.NodeClass
            assert (mine.node_id and key(mine.node_id)) == here(yours.NodeId)
            if mine.node_id is not None:
                asked = nodeid_from_binary(Buffer(mine.node_id.encoded))
                assert type(asked) is ua.NodeId
                assert key(asked) == key(mine.node_id)
                assert asked.NodeIdType == mine.node_id.NodeIdType


@given(st.lists(results, min_size=1, max_size=3), st.data())
def test_references_cut_or_damaged_end_in_one_error(found, data):
    whole = packed(found)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(MalformedError):
        browse_results(Reader(whole[:cut], 0, NAMESPACES))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    _survives(bytes(damaged))


@given(st.binary(max_size=200))
def test_hostile_references_end_in_one_error(data):
    _survives(data)
    _survives(b"\x01\x00\x00\x00" + data)


def _survives(data):
    try:
        reader = Reader(data, 0, NAMESPACES)
        browse_results(reader)
    except MalformedError:
        return
    assert reader.pos <= len(data)


def test_a_node_that_is_no_utf_8_is_asked_for_by_its_own_bytes():
    part = b"\x03\x01\x00\x02\x00\x00\x00\xff\xfe"
    node_id, behind = references._node_id(part, 0, NAMESPACES)
    assert behind == len(part)
    assert node_id.encoded == part == bytes(ua.NodeId(node_id.Identifier, 1).to_binary())
    assert text_of(node_id, NAMESPACES) == "nsu=urn:one;s=\\xff\\xfe"


held = st.one_of(
    node_ids.map(lambda n: ua.DataValue(ua.Variant(n, ua.VariantType.NodeId))),
    st.sampled_from(
        [
            ua.DataValue(ua.Variant(ua.NodeId(11), ua.VariantType.NodeId)),
            ua.DataValue(ua.Variant("x")),
            ua.DataValue(ua.Variant(), ua.StatusCode(0x80350000)),
            ua.DataValue(ua.Variant([ua.NodeId(1)], ua.VariantType.NodeId)),
        ]
    ),
)


@given(st.lists(held, max_size=6))
def test_columns_of_node_ids_are_read_as_values_are(found):
    data = packed(found)
    values = DataValues.decode(Reader(data, 0, NAMESPACES))
    scalars = [(values.types[row] == 17) & ~values.is_array[row] for row in range(len(values))]
    expected = [values.value(row) if is_ else None for row, is_ in enumerate(scalars)]
    reader = Reader(data, 0, NAMESPACES)
    assert node_id_texts(reader) == expected
    assert reader.pos == len(data)
    for end in range(len(data)):
        with pytest.raises(MalformedError):
            node_id_texts(Reader(data[:end], 0, NAMESPACES))


values_of_all_kinds = st.lists(
    st.one_of(
        st.builds(lambda v: ua.Variant(v, ua.VariantType.Double), st.floats(allow_nan=False)),
        st.builds(lambda v: ua.Variant(v, ua.VariantType.Int32), st.integers(-9, 9)),
        st.builds(lambda v: ua.Variant(v, ua.VariantType.Byte), st.integers(0, 255)),
        st.builds(lambda v: ua.Variant(v, ua.VariantType.String), texts),
        st.builds(lambda v: ua.Variant(v, ua.VariantType.ByteString), raw),
        st.builds(lambda v: ua.Variant(v, ua.VariantType.Guid), guids),
        st.builds(lambda v: ua.Variant(v, ua.VariantType.Int16), st.lists(st.integers(0, 5))),
        st.just(ua.Variant()),
    ).map(lambda v: ua.DataValue(v, SourceTimestamp=datetime(2026, 1, 1, tzinfo=UTC))),
    max_size=6,
)


@given(st.lists(values_of_all_kinds, min_size=1, max_size=4), st.booleans())
def test_columns_joined_are_those_of_one_message(parts, fast):
    every = [value for part in parts for value in part]
    whole = DataValues.decode(Reader(packed(every), 0, NAMESPACES), fast=fast)
    joined = DataValues.joined(
        [DataValues.decode(Reader(packed(part), 0, NAMESPACES), fast=fast) for part in parts]
    )
    assert len(joined) == len(every)
    assert joined.values() == whole.values() == [whole.value(row) for row in range(len(whole))]
    assert attributes(joined) == attributes(whole)
    assert joined.texts == whole.texts
    assert joined.raws == whole.raws
    assert not DataValues.joined([]).values()


def test_guid_of_the_wire_and_of_asyncua_are_one():
    guid = uuid.UUID("12345678-1234-5678-9abc-def012345678")
    node_id, _ = references._node_id(ua.NodeId(guid, 2).to_binary(), 0, NAMESPACES)
    assert key(node_id) == (2, guid)
