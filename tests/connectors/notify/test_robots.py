"""Payloads, signatures and answers against servers that check them."""

import ipaddress
import logging
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.notify.fakes import DingTalk, Feishu, Mail, Robot, WeCom, answer
from connectors.notify import answers, mail, robots
from connectors.notify.answers import Answer, within
from connectors.notify.kinds import KINDS
from connectors.notify.robots import answer_of, post
from connectors.notify.settings import Channel
from connectors.notify.texts import Text, trial

SECRET = "SEC0a1b2c3d4e5f60718293a4b5c6d7e8f9"
NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
FAKES = {"dingtalk": (DingTalk, SECRET), "feishu": (Feishu, SECRET), "wecom": (WeCom, "")}
TEXT = Text("ParkPulse: 高 1", "**ParkPulse** 高 1\n\n- 高 ABCDE-FGHIJ")


def now():
    return NOW


def send(kind, robot, *, secret=None, at=NOW, text=TEXT):
    chosen = robot.secret if secret is None else secret
    return post(kind, robot.webhook, chosen or None, text, "id-1", at.timestamp())


@pytest.mark.parametrize("kind", FAKES)
def test_a_message_arrives_signed_as_it_was_written(kind):
    fake, secret = FAKES[kind]
    with fake(now, secret) as robot:
        assert send(kind, robot) == Answer("sent")
        assert send(kind, robot, text=trial()) == Answer("sent")
    assert [one.text for one in robot.accepted] == [TEXT.body, trial().body]
    assert robot.accepted[0].id == "id-1"


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
@pytest.mark.parametrize(
    "how", [{"secret": "SECother"}, {"secret": ""}, {"at": NOW - timedelta(minutes=61)}]
)
def test_a_wrong_or_stale_signature_is_refused_for_good(kind, how):
    with FAKES[kind][0](now, SECRET) as robot:
        found = send(kind, robot, **how)
    assert found.fate == "refused"
    assert "clock" in found.why
    assert not robot.accepted


def test_an_unsigned_robot_needs_no_secret():
    with DingTalk(now) as robot:
        assert send("dingtalk", robot).fate == "sent"
        assert "sign" not in robot.accepted[0].path


@pytest.mark.parametrize("kind", FAKES)
def test_above_the_limit_is_patience_not_loss(kind):
    fake, secret = FAKES[kind]
    with fake(now, secret) as robot:
        allowed = KINDS[kind].allowed[0].messages
        found = [send(kind, robot) for _ in range(allowed + 1)]
    assert [one.fate for one in found] == ["sent"] * allowed + ["busy"]
    assert found[-1].wait_s == {"dingtalk": 600, "wecom": 60, "feishu": 60}[kind]


def test_wecom_refuses_what_is_too_long():
    with WeCom(now) as robot:
        assert send("wecom", robot, text=Text("t", "高" * 1365)).fate == "sent"
        found = send("wecom", robot, text=Text("t", "高" * 1366))
    assert found == Answer("refused", "the message is too long (code 40058)")


@pytest.mark.parametrize(
    ("kind", "status", "headers", "content", "fate", "wait_s"),
    [
        ("wecom", 200, {}, b'{"errcode": 0}', "sent", 0),
        ("feishu", 200, {}, b'{"StatusCode": 0, "StatusMessage": "success"}', "sent", 0),
        ("feishu", 200, {}, b'{"code": 0, "msg": "success"}', "sent", 0),
        ("feishu", 400, {}, b'{"code": 9499}', "busy", 60),
        ("feishu", 400, {}, b'{"code": 11232}', "busy", 60),
        ("wecom", 429, {"Retry-After": "120"}, b"", "busy", 120),
        ("wecom", 429, {"Retry-After": "3"}, b"", "busy", 60),
        ("wecom", 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"", "busy", 60),
        ("wecom", 429, {"Retry-After": "999999999"}, b"", "busy", 3600),
        ("dingtalk", 200, {}, b'{"errcode": 130101}', "busy", 600),
        ("dingtalk", 200, {}, b'{"errcode": -1}', "failed", 0),
        ("wecom", 200, {}, b'{"errcode": 93000}', "refused", 0),
        ("wecom", 200, {}, b'{"errcode": "0"}', "failed", 0),
        ("wecom", 200, {}, b"<html>please log in</html>", "failed", 0),
        ("wecom", 200, {}, b"[]", "failed", 0),
        ("wecom", 200, {}, b"", "failed", 0),
        ("wecom", 500, {}, b"", "failed", 0),
        ("wecom", 404, {}, b"", "refused", 0),
        ("wecom", 401, {}, b"", "refused", 0),
        ("wecom", 302, {"Location": "http://else.example"}, b"", "refused", 0),
    ],
)
def test_what_an_answer_means(kind, status, headers, content, fate, wait_s):
    found = answer_of(kind, status, headers, content)
    assert (found.fate, found.wait_s) == (fate, wait_s)
    assert bool(found.why) == (fate != "sent")


def test_no_redirect_is_followed():
    with WeCom(now) as elsewhere, WeCom(now) as robot:

        def moved(_robot, handler):
            return answer(handler, 307, {}, {"Location": elsewhere.webhook})

        robot.troubles.append(moved)
        assert send("wecom", robot).fate == "refused"
    assert not elsewhere.requests


def test_a_far_address_in_clear_is_never_asked():
    found = post("wecom", "http://192.0.2.1/x?key=k", None, TEXT, "id", NOW.timestamp())
    assert found == Answer("refused", "the environment holds no https address of its webhook")


def test_a_proxy_is_not_for_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with WeCom(now) as robot:
        assert send("wecom", robot).fate == "sent"


def test_nobody_is_sent_what_netrc_has_for_the_host(monkeypatch, tmp_path):
    monkeypatch.setattr(robots, "LOOPBACK", frozenset())  # as if it were far away
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    seen = []
    with WeCom(now) as robot:
        robot.troubles.append(lambda _, handler: bool(seen.append(handler.headers)))
        assert send("wecom", robot).fate == "sent"
    assert seen
    assert "Authorization" not in seen[0]


def test_nobody_there_and_no_word_of_the_address(caplog):
    with WeCom(now) as robot:
        pass
    with caplog.at_level(logging.DEBUG):
        found = send("wecom", robot)
    assert found == Answer("failed", "it cannot be reached (ConnectionError)")
    assert Robot.token not in caplog.text


@pytest.mark.parametrize("kind", FAKES)
def test_a_debug_log_of_everything_shows_no_address(kind, caplog):
    fake, secret = FAKES[kind]
    with caplog.at_level(logging.DEBUG), fake(now, secret) as robot:
        assert send(kind, robot).fate == "sent"
        assert send(kind, robot, secret="wrong").fate == ("sent" if kind == "wecom" else "refused")
    assert Robot.token not in caplog.text
    assert SECRET not in caplog.text


def test_work_that_hangs_or_raises_is_a_failure():
    import threading

    gate = threading.Event()

    def hangs():
        gate.wait(10)
        return Answer("sent")

    def raises():
        raise RuntimeError(f"https://robot.example/?key={Robot.token}")

    assert within(0.05, hangs) == Answer("failed", "no answer within 0.05 s")
    gate.set()
    assert within(5, raises) == Answer("failed", "it could not be sent (RuntimeError)")


def test_a_server_that_says_nothing(monkeypatch):
    import threading

    monkeypatch.setattr(robots, "READ_S", 0.2)
    gate = threading.Event()
    with WeCom(now) as robot:
        robot.troubles.append(lambda *_: gate.wait(10))
        assert send("wecom", robot).fate == "failed"
        gate.set()


# --- TLS


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1: its file, and a server's context."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return certificate, context


def test_a_robots_certificate_is_verified(identity):
    with WeCom(now, tls=identity[1]) as robot:
        assert send("wecom", robot) == Answer("failed", "its certificate is not trusted")
    assert not robot.requests


def test_a_robot_whose_certificate_is_trusted_is_spoken_to(identity, monkeypatch):
    monkeypatch.setattr(robots, "LOOPBACK", frozenset())  # the environment's trust is asked for
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity[0]))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with WeCom(now, tls=identity[1]) as robot:
        assert send("wecom", robot) == Answer("sent")


def mailbox(server, **changed):
    known = {
        "name": "mail", "kind": "email", "windows": KINDS["email"].windows, "host": "127.0.0.1",
        "port": server.port, "security": "none", "sender": "p@example.cn",
        "to": ("a@example.cn", "b@example.cn"),
    }  # fmt: skip
    return Channel(**known | changed)


def letter(channel, password=None):
    return mail.send(channel, password, mail.mail_of(channel, TEXT, "id-1", NOW.timestamp()))


def test_a_mail_arrives_under_its_id():
    with Mail(now) as server:
        assert letter(mailbox(server)) == Answer("sent")
    assert server.accepted[0].text.splitlines() == TEXT.body.splitlines()
    assert server.accepted[0].id == "<id-1@parkpulse>"


def test_mail_over_starttls_with_a_password(identity, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
    with Mail(now, tls=identity[1], password="right") as server:
        channel = mailbox(server, security="starttls", user="p", password_env="MAIL_PASSWORD")
        assert letter(channel, "wrong") == Answer(
            "refused", "it refuses user and password (code 535)"
        )
        assert letter(channel, "right") == Answer("sent")
    assert len(server.accepted) == 1


def test_a_mail_servers_certificate_is_verified(identity):
    with Mail(now, tls=identity[1], password="right") as server:
        channel = mailbox(server, security="starttls", user="p", password_env="MAIL_PASSWORD")
        assert letter(channel, "right") == Answer("failed", "its certificate is not trusted")
    assert not server.requests


def test_no_mail_in_clear_where_tls_was_asked_for():
    with Mail(now) as server:
        found = letter(mailbox(server, security="starttls"))
    assert found == Answer("refused", "it does not offer what `security` or `user` asks for")
    assert not server.requests


@pytest.mark.parametrize(
    ("refuse", "code", "expected"),
    [
        ({"b@example.cn"}, 250, Answer("sent", "1 of 2 recipients were refused")),
        (
            {"a@example.cn", "b@example.cn"},
            250,
            Answer("refused", "it refuses the mail (code 550)"),
        ),
        (set(), 451, Answer("failed", "it puts off the mail (code 451)")),
        (set(), 554, Answer("refused", "it refuses the mail (code 554)")),
    ],
)
def test_what_a_mail_servers_answer_means(refuse, code, expected):
    with Mail(now, refuse=frozenset(refuse)) as server:
        server.data_code = code
        assert letter(mailbox(server)) == expected


def test_no_mail_server_there():
    with Mail(now) as server:
        pass
    found = letter(mailbox(server))
    assert found == Answer("failed", "it cannot be reached (ConnectionRefusedError)")
    assert answers.DEADLINE_S > answers.READ_S
