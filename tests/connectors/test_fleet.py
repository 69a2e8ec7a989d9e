from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.errors import FleetFileError
from connectors.fleet import MODES, POLICIES, read_fleet
from connectors.node_text import is_node_id
from connectors.plans import read_calendar, read_cycles
from pipelines import schemas

GOOD = """
[[factory]]
id = "F01"
calendar = "cal.csv"
cycles = "cyc.csv"
[[factory.server]]
url = "opc.tcp://127.0.0.1:4840"
publishing_interval_ms = 250
nodes = ["ns=1;s=v1"]
[[factory.server]]
url = "opc.tcp://127.0.0.1:4841"
user = "operator"
password_env = "F01_PASSWORD"
[[park]]
id = "P01"
[[park.server]]
url = "opc.tcp://127.0.0.1:4850"
"""
CALENDAR = """line_id,work_unit_id,production_day,shift_id,start,end,kind
,,2026-11-21,A,2026-11-21T08:00:00+08:00,2026-11-21T16:00:00+08:00,busy
L1,M1,2026-11-21,A,2026-11-21T12:00:00+08:00,2026-11-21T12:30:00+08:00,break
"""
CYCLES = """line_id,work_unit_id,product_id,pri_s,origin,valid_from
L1,M1,P-7,12.5,plan,2026-01-01T00:00:00+08:00
"""


@pytest.fixture
def fleet(tmp_path):
    (tmp_path / "cal.csv").write_text(CALENDAR)
    (tmp_path / "cyc.csv").write_text(CYCLES)

    def write(text):
        path = tmp_path / "fleet.toml"
        path.write_text(text)
        return path

    return write


def test_reads_sites_servers_and_options(fleet):
    read = read_fleet(fleet(GOOD))
    factory, park = read.sites
    assert (factory.site_id, factory.is_park, len(factory.servers)) == ("F01", False, 2)
    first, second = factory.servers
    assert (first.publishing_interval_ms, first.nodes) == (250, ("ns=1;s=v1",))
    assert (second.user, second.password_env) == ("operator", "F01_PASSWORD")
    assert (park.site_id, park.is_park) == ("P01", True)
    assert read.text == GOOD


@pytest.mark.parametrize(
    ("old", "new", "culprit"),
    [
        ('id = "F01"', "", "no usable id"),
        ('id = "F01"', 'id = "../F01"', "no usable id"),
        ('id = "P01"', 'id = "F01"', "F01 stands there twice"),
        ('id = "F01"', 'id = "F01"\nname_en = 7', "`name_en` of F01 is 7"),
        ("4841", "4840", "opc.tcp://127.0.0.1:4840 stands there twice"),
        ('url = "opc.tcp://127.0.0.1:4850"', "", "a server of P01 has no usable url"),
        ("opc.tcp://127.0.0.1:4850", "http://127.0.0.1", "a server of P01 has no usable url"),
        ("publishing_interval_ms", "publish", "unknown key `publish`"),
        ("250", '"fast"', "`publishing_interval_ms`"),
        ("250", "-1", "at least 10"),
        ("[[park]]", "[[plant]]", "unknown key `plant`"),
        ("[[park.server]]", "[[park.servers]]", "unknown key `servers`"),
        ('["ns=1;s=v1"]', '"ns=1;s=v1"', "not a list of NodeIds"),
        ("cal.csv", "none.csv", "none.csv: No such file"),
        ("[[factory]]", "[[factory", "fleet.toml"),
        ("250", "nan", "`publishing_interval_ms` of opc.tcp://127.0.0.1:4840 is nan"),
        ("250", "inf", "at least 10 and at most 30,000"),
        ("250", "250\nsampling_interval_ms = nan", "`sampling_interval_ms`"),
        ("250", "250\nqueue_size = inf", "give a whole number"),
        ("250", "250\nqueue_size = 5_000_000_000", "at most 1,000,000"),
        ("250", "250\nqueue_size = 1000.5", "give a whole number"),
        ("250", "250\nqueue_size = true", "give a whole number"),
        ("250", "250\nhistory_hours = 1e9", "`history_hours`"),
        ("250", "250\nhistory_overlap_s = inf", "`history_overlap_s`"),
        ("ns=1;s=v1", "ns=70000;s=x", "'ns=70000;s=x' is no NodeId"),
        ("ns=1;s=v1", "i=99999999999", "'i=99999999999' is no NodeId"),
        ("cal.csv", "cal\\u0000.csv", "`calendar` of F01 is not a file name"),
        ("opc.tcp://127.0.0.1:4850", "opc.tcp://127.0.0.1:4850\\n", "no usable url"),
        ("[[factory.server]]", "[factory.server]", "fleet.toml"),
        ("[[park.server]]", "[park.server]", "write [[park.server]]"),
        ('id = "F01"', 'id = "F01"\nlines = "none.csv"', "none.csv: No such file"),
        ('id = "P01"', 'id = "P01"\nlines = "l.csv"', "a park gateway has no machines"),
        ('id = "F01"', 'id = "F01"\nsector = "IC"', "`sector` of F01 is 'IC'"),
        ('id = "P01"', 'id = "P01"\nsector = "ic"', "a park gateway has no machines"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(fleet, old, new, culprit):
    with pytest.raises(FleetFileError) as caught:
        read_fleet(fleet(GOOD.replace(old, new, 1)))
    message = str(caught.value)
    assert culprit in message
    assert "\n" not in message
    assert "; " in message


SECURED = """security = "Basic256Sha256/SignAndEncrypt"
user = "operator"
password_file = "secrets/f01"
"""
CERTIFIED = """security = "Aes256_Sha256_RsaPss/Sign"
user_certificate = "operator.der"
user_key = "/etc/keys/operator.pem"
"""


def secured(keys):
    url = "opc.tcp://127.0.0.1:4840"
    return f'[[factory]]\nid = "F01"\n[[factory.server]]\nurl = "{url}"\n{keys}'


def test_reads_how_a_server_is_approached(fleet, tmp_path):
    plain, named, certified = [
        read_fleet(fleet(secured(keys))).sites[0].servers[0] for keys in ("", SECURED, CERTIFIED)
    ]
    assert (plain.security, plain.user, plain.allow_clear_password) == ("None", None, False)
    assert (named.security, named.user) == ("Basic256Sha256/SignAndEncrypt", "operator")
    assert named.password_file == tmp_path / "secrets" / "f01"
    assert certified.user_certificate == tmp_path / "operator.der"
    assert certified.user_key == Path("/etc/keys/operator.pem")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
def test_every_policy_goes_with_every_mode(fleet, policy, mode):
    path = fleet(secured(f'security = "{policy}/{mode}"'))
    assert read_fleet(path).sites[0].servers[0].security == f"{policy}/{mode}"


@pytest.mark.parametrize(
    ("keys", "culprit"),
    [
        ('security = "Basic256/Sign"', "'Basic256/Sign' is withdrawn as unsafe"),
        ('security = "Basic128Rsa15/SignAndEncrypt"', "is withdrawn as unsafe"),
        ('security = "Basic256Sha256"', "'Basic256Sha256' is no security policy and mode"),
        ('security = "Basic256Sha256/None"', "is no security policy and mode"),
        ('security = "None/None"', "is no security policy and mode"),
        ('security = "best"', "give one of Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256"),
        ("security = true", "is no security policy and mode"),
        ('security = ""', "is no security policy and mode"),
        ('user = ""', "`user` of opc.tcp://127.0.0.1:4840 is not a text"),
        ("user = 7", "`user` of opc.tcp://127.0.0.1:4840 is not a text"),
        ('user = "u"\npassword_file = "a\\u0000b"', "`password_file`"),
        ('password_env = "P"', "a password without a `user`"),
        ('password_file = "p"', "a password without a `user`"),
        ('user = "u"\npassword_env = "P"\npassword_file = "p"', "two places for one password"),
        ('user_certificate = "c.der"', "half a user certificate"),
        ('user_key = "k.pem"', "half a user certificate"),
        ('user = "u"\nuser_certificate = "c"\nuser_key = "k"', "two identities"),
        ('allow_clear_password = "yes"', "neither true nor false"),
        (f"{SECURED}allow_clear_password = true", "means nothing where `security` is set"),
        ('user = "u"\npassword = "S3cret"', "unknown key `password`"),
    ],
)
def test_a_wrong_approach_is_named_in_one_line(fleet, keys, culprit):
    with pytest.raises(FleetFileError) as caught:
        read_fleet(fleet(secured(keys)))
    message = str(caught.value)
    assert culprit in message
    assert "S3cret" not in message
    assert "\n" not in message
    assert "; " in message


def test_a_password_in_a_url_is_refused_unseen(fleet):
    text = secured("").replace("127.0.0.1", "operator:S3cret@127.0.0.1")
    with pytest.raises(FleetFileError, match="holds a user or a password; take it out") as caught:
        read_fleet(fleet(text))
    assert "S3cret" not in str(caught.value)


def test_single_brackets_are_told_in_full(fleet):
    path = fleet('[[factory]]\nid = "F01"\n[factory.server]\nurl = "opc.tcp://127.0.0.1:1"\n')
    with pytest.raises(FleetFileError, match=r"write \[\[factory\.server\]\]"):
        read_fleet(path)


def test_a_byte_order_mark_is_no_content(fleet):
    path = fleet(GOOD)
    path.write_text(GOOD, encoding="utf-8-sig")
    assert read_fleet(path).text == GOOD


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("i=0", True),
        ("ns=65535;i=4294967295", True),
        ("ns=65536;i=1", False),
        ("i=4294967296", False),
        ("i=-1", False),
        ("i=१", False),
        ("ns=1;s=", False),
        ("s= a;b=c", True),
        ("nsu=urn:m;s=" + "x" * 4096, True),
        ("s=" + "x" * 4097, False),
        ("nsu=;s=x", False),
        ("g=01234567-89ab-CDEF-0123-456789abcdef", True),
        ("g=0123", False),
        ("b=AAA=", True),
        ("b=AAA", False),
        ("b=!!", False),
        ("v1", False),
        ("", False),
    ],
)
def test_a_node_id_is_known_without_a_server(text, known):
    assert is_node_id(text) is known


def test_a_missing_fleet_file_is_named(tmp_path):
    with pytest.raises(FleetFileError, match=r"none\.toml: No such file"):
        read_fleet(tmp_path / "none.toml")


def test_calendar_becomes_a_plan(fleet, tmp_path):
    fleet(GOOD)
    plan = read_calendar(tmp_path / "cal.csv", "F01")
    assert plan.schema == schemas.PLAN
    whole, part = plan.to_dicts()
    assert (whole["factory_id"], whole["line_id"], whole["work_unit_id"]) == ("F01", None, None)
    assert whole["start"] == datetime(2026, 11, 21, tzinfo=UTC)
    assert (part["line_id"], part["kind"], part["production_day"]) == (
        "L1",
        "break",
        date(2026, 11, 21),
    )


def test_cycles_are_read(fleet, tmp_path):
    fleet(GOOD)
    cycles = read_cycles(tmp_path / "cyc.csv", "F01")
    assert cycles.schema == schemas.CYCLES
    assert cycles["pri_s"].to_list() == [12.5]
    assert cycles["valid_from"].to_list() == [datetime(2025, 12, 31, 16, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("busy", "idle", "kind"),
        ("08:00:00+08:00", "08:00:00", "start"),
        ("T16:00", "T07:00", "end"),
        (",,2026-11-21", ",,21.11.2026", "production_day"),
        (",A,2026-11-21T08", ",,2026-11-21T08", "shift_id"),
        (",busy", ",busy,x", "line_id"),
        ("2026-11-21T08", "0001-01-01T00", "start"),
        ("2026-11-21T16:00:00+08:00", "9999-12-31T23:00:00-08:00", "end"),
    ],
)
def test_a_bad_calendar_row_is_named(tmp_path, old, new, column):
    path = tmp_path / "cal.csv"
    path.write_text(CALENDAR.replace(old, new, 1))
    with pytest.raises(FleetFileError, match=rf"cal\.csv line 2 column {column}"):
        read_calendar(path, "F01")


@pytest.mark.parametrize("bad", ["0", "nan", "-3", "fast", "inf"])
def test_a_bad_cycle_is_named(tmp_path, bad):
    path = tmp_path / "cyc.csv"
    path.write_text(CYCLES.replace("12.5", bad))
    with pytest.raises(FleetFileError, match=r"cyc\.csv line 2 column pri_s"):
        read_cycles(path, "F01")


def test_a_missing_column_and_foreign_bytes_are_named(tmp_path):
    path = tmp_path / "cyc.csv"
    path.write_text(CYCLES.replace("origin", "source"))
    with pytest.raises(FleetFileError, match="no column `origin`"):
        read_cycles(path, "F01")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FleetFileError, match=r"cyc\.csv"):
        read_cycles(path, "F01")
