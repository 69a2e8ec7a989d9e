"""Security against real asyncua servers: what is offered, shown, refused, and what goes out."""

import asyncio
import contextlib
import itertools
import json
import logging
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

import pytest
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import der_from_x509
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import uatcp_to_binary
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.errors import (
    CredentialsRefused,
    HomeRefused,
    ServerRefused,
    ServerUnreachable,
)
from connectors.fleet import MODES, POLICIES, Fleet, ServerEntry, Site
from connectors.home import Home
from connectors.opcua import certificates, collector
from connectors.opcua.certificates import Pki, own_certificate, split_chain
from connectors.opcua.security import Access
from connectors.opcua.session import Session
from connectors.opcua.trust import check_server
from tests.connectors.opcua.conftest import Plant, QuickServer, Run
from tests.connectors.opcua.test_collector import until, values, written

URI = "urn:test:secured"
NAMESPACE = "http://opcfoundation.org/UA/SecurityPolicy#"
ALL = [f"{policy}/{mode}" for policy, mode in itertools.product(POLICIES, MODES)]
BEST = "Basic256Sha256/SignAndEncrypt"
SIGNED = "Basic256Sha256/Sign"
PASSWORD = "S3cret-密码"
DAY = timedelta(days=1)


def offered(security):
    if security == "None":
        return ua.SecurityPolicyType.NoSecurity
    policy, mode = security.replace("_", "").split("/")
    return ua.SecurityPolicyType[f"{policy}_{mode}"]


class Keys:
    """RSA keys by name, each made once."""

    def __init__(self):
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            self.made[name] = (
                ec.generate_private_key(ec.SECP256R1())
                if name == "curve"
                else rsa.generate_private_key(65537, 1024 if name == "weak" else 2048)
            )
        return self.made[name]


@pytest.fixture(scope="session")
def keys():
    return Keys()


def certificate(
    key, name="Plant", *, uri=URI, begin=-DAY, end=DAY * 99, issuer=None, ca=None, serves=True,
    hosts=("127.0.0.1",), algorithm=None, critical=False,
):  # fmt: skip
    """A certificate of `key`, issued by itself or by `issuer`: a (certificate, key)."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.UniformResourceIdentifier(uri)]
    names += [x509.IPAddress(ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
    by, signing = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    usage = [ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca is not None, ca), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=True, key_encipherment=True,
                data_encipherment=True, key_agreement=False, key_cert_sign=ca is not None,
                crl_sign=ca is not None, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if ca is None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    if critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(signing, algorithm or hashes.SHA256())


def pem(key, password=None):
    protection = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def secret(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_bytes(content)
    return path


@pytest.fixture(scope="session")
def made_pki(tmp_path_factory, keys):
    """HOME/pki with our own certificate: making one takes a while."""
    pki = tmp_path_factory.mktemp("made") / "pki"
    secret(pki / "own" / "key.pem", pem(keys["own"]))
    own_certificate(Pki(pki))
    return pki


@pytest.fixture
def home(tmp_path, made_pki):
    shutil.copytree(made_pki, tmp_path / "home" / "pki")
    return tmp_path / "home"


def trust(home, one, folder="trusted", name="server.der"):
    path = home / "pki" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(der_from_x509(one))
    return path


class Porter:
    """Lets in operator with PASSWORD, the holders of `certificates`, and nobody where `strict`."""

    def __init__(self, strict=False):
        self.strict, self.seen, self.certificates = strict, [], set()

    def get_user(self, iserver, username=None, password=None, certificate=None):
        self.seen.append((username, password))
        if username is not None:
            known = (username, password) == ("operator", PASSWORD)
        else:
            known = not self.strict or certificate in self.certificates
        return User(role=UserRole.User, name=username) if known else None


class SharedServer(QuickServer):
    """All of them share the nodes of the standard: for servers that are given none of their own."""

    nodes: ClassVar[dict] = {}

    async def load_standard_address_space(self, shelf_file=None):
        if not self.nodes:
            await super().load_standard_address_space(shelf_file)
            self.nodes.update(
                {node_id: self.aspace[node_id] for node_id in list(self.aspace.keys())}
            )
        for node_id, node in self.nodes.items():
            self.aspace[node_id] = node


class SecurePlant(Plant):
    """A Plant with a certificate that offers what it is told, and remembers who came and how."""

    def __init__(
        self, key, shown, security=(BEST,), *, porter=None, tokens=None, port=None,
        kind=SharedServer,
    ):  # fmt: skip
        super().__init__(port, URI)
        self.kind = kind
        self.key, self.shown, self.security, self.tokens = key, shown, security, tokens
        self.porter = porter or Porter()
        self.algorithms = []

    async def start(self):
        self.server = Server(iserver=self.kind(user_manager=self.porter))
        await self.server.init()
        self.server.disable_clock()  # its last tick would hold up every stop for a second
        self.server.set_endpoint(self.url)
        self.server.iserver.certificate, self.server.iserver.private_key = self.shown, self.key
        self.server.set_security_policy([offered(s) for s in self.security])
        if self.tokens:
            self.server.set_identity_tokens(self.tokens)
        await self.server.set_application_uri(self.uri)
        self.ns = await self.server.register_namespace("urn:test:nodes")
        self._watch(self.server.iserver)
        await self.server.start()
        return self

    def _watch(self, iserver):
        decrypt = iserver.decrypt_user_token

        def seen(session, token):
            self.algorithms.append(token.EncryptionAlgorithm or "")
            return decrypt(session, token)

        iserver.decrypt_user_token = seen

    @property
    def channels(self):
        """Policy URI and mode of every connection that stands now."""
        return [
            (client.processor._connection.security_policy.URI.rpartition("#")[2],
             client.processor._connection.security_policy.Mode.name)
            for client in self.server.bserver.clients
        ]  # fmt: skip

    def tell(self, kind, policy_uri):
        """Announce another security policy for tokens of this kind."""
        for endpoint in self.server.iserver.endpoints:
            for token in endpoint.UserIdentityTokens:
                if token.TokenType == kind:
                    token.SecurityPolicyUri = policy_uri


@pytest.fixture
async def plant(keys):
    """Starts secured plants, of the key "server" where no other is given."""
    started = []

    async def start(security=(BEST,), key="server", shown=None, **options):
        one = SecurePlant(keys[key], shown or certificate(keys[key]), security, **options)
        started.append(one)
        return await one.start()

    yield start
    for one in started:
        await one.stop()


@contextlib.asynccontextmanager
async def opened(url, home, security=BEST, timeout_s=15.0, **entry):
    access = Access.of(ServerEntry(url, security=security, **entry), home)
    session = Session(url, access=access, timeout_s=timeout_s)
    await session.open()
    try:
        yield session
    finally:
        await session.close()


async def refused(url, home, security=BEST, kind=ServerRefused, **options):
    """The one line that a refused connection says."""
    with pytest.raises(kind) as caught:
        async with opened(url, home, security, **options):
            pass
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message
    assert PASSWORD not in message
    return message


@pytest.fixture
def with_password(monkeypatch):
    monkeypatch.setenv("F01_PASSWORD", PASSWORD)
    return {"user": "operator", "password_env": "F01_PASSWORD"}


# ---- policies and modes ----------------------------------------------------------------------


@pytest.mark.parametrize("security", ALL)
async def test_every_policy_and_mode_is_spoken_as_asked(home, plant, with_password, security):
    server = await plant(["None", *ALL])
    trust(home, server.shown)
    async with opened(server.url, home, security, **with_password) as session:
        assert session.server_uri == URI
        assert server.channels == [(security.split("/")[0], security.split("/")[1])]
    assert server.porter.seen == [("operator", PASSWORD)]
    # asyncua encrypts for itself in Sign, and leaves it to the channel in SignAndEncrypt
    assert [bool(algorithm) for algorithm in server.algorithms] == [security.endswith("/Sign")]


@pytest.mark.parametrize("offer", [["None"], ["None", SIGNED], ["Aes256_Sha256_RsaPss/Sign"]])
async def test_nothing_weaker_is_tried(home, plant, with_password, offer):
    server = await plant(offer)
    trust(home, server.shown)
    said = await refused(server.url, home, **with_password)
    assert f"it offers {', '.join(sorted(offer))}, not {BEST}" in said
    assert "set `security`" in said
    assert server.porter.seen == []


async def test_a_server_without_unsecured_sessions_is_told(home, plant):
    server = await plant([BEST])
    said = await refused(server.url, home, "None")
    assert "does not offer an unsecured session; set `security`" in said


async def test_endpoints_that_name_another_host_are_reached_at_our_url(home, plant):
    server = await plant()
    trust(home, server.shown)
    server.server.iserver.match_discovery_endpoint_url = False
    server.server.iserver.match_discovery_source_ip = False
    for endpoint in server.server.iserver.endpoints:
        endpoint.EndpointUrl = "opc.tcp://plc-7.invalid:4840/ua"
    async with opened(server.url, home) as session:
        assert session.server_uri == URI


async def test_the_channel_is_renewed_again_and_again(home, plant):
    server = await plant([BEST, SIGNED], kind=QuickServer)
    trust(home, server.shown)
    await server.add("v", 4.5)
    node = ua.NodeId("v", server.ns)
    for security in (BEST, SIGNED):
        url = server.url
        session = Session(url, access=Access.of(ServerEntry(url, security=security), home))
        session._client.secure_channel_timeout = 400
        await session.open()
        first = session._client.uaclient.protocol._connection.security_token.TokenId
        last = first
        async with asyncio.timeout(10):
            while last < first + 3:
                (read,) = await session.read([(node, ua.AttributeIds.Value)])
                assert read.value == 4.5
                await asyncio.sleep(0.02)
                last = session._client.uaclient.protocol._connection.security_token.TokenId
        await session.close()


# ---- users -----------------------------------------------------------------------------------


@pytest.fixture
def user_files(tmp_path, keys):
    """A user's certificate and key, as the fleet file names them."""
    made = certificate(keys["user"], "Operator")
    path = tmp_path / "operator.der"
    path.write_bytes(der_from_x509(made))
    return made, {
        "user_certificate": path,
        "user_key": secret(tmp_path / "operator.pem", pem(keys["user"])),
    }


@pytest.mark.parametrize("security", [*ALL, "None"])
async def test_a_user_certificate_is_an_identity(home, plant, user_files, security):
    made, files = user_files
    porter = Porter(strict=True)
    server = await plant(["None", *ALL], porter=porter)
    trust(home, server.shown)
    said = await refused(server.url, home, security, **files)
    assert "it refuses our user certificate (BadUserAccessDenied); add " in said
    assert str(files["user_certificate"]) in said
    porter.certificates.add(der_from_x509(made))
    async with opened(server.url, home, security, **files) as session:
        assert session.server_uri == URI


async def test_a_user_key_that_others_may_read_is_refused(home, plant, user_files):
    server = await plant()
    files = user_files[1]
    files["user_key"].chmod(0o644)
    said = await refused(server.url, home, kind=CredentialsRefused, **files)
    assert f"{files['user_key']}: others than its owner may use it (mode 0644); `chmod 600" in said


async def test_a_user_key_of_another_certificate_is_refused(home, plant, user_files, keys):
    server = await plant()
    files = user_files[1]
    files["user_key"].write_bytes(pem(keys["server"]))
    said = await refused(server.url, home, kind=CredentialsRefused, **files)
    assert "operator.der: it is not the certificate of its key" in said


@pytest.mark.parametrize("security", [BEST, SIGNED, "None"])
async def test_an_empty_token_policy_means_the_channels(home, plant, with_password, security):
    server = await plant(["None", BEST, SIGNED])
    trust(home, server.shown)
    server.tell(ua.UserTokenType.UserName, "")
    if security == "None":
        said = await refused(server.url, home, security, **with_password)
        assert "it would take the password in clear; set `security`" in said
        assert server.porter.seen == []
        return
    async with opened(server.url, home, security, **with_password):
        pass
    assert server.porter.seen == [("operator", PASSWORD)]
    assert all(server.algorithms)


async def test_no_tokens_at_all_is_no_leave_to_speak_clearly(home, plant, with_password):
    server = await plant(["None", BEST])
    for endpoint in server.server.iserver.endpoints:
        endpoint.UserIdentityTokens = []
    assert "in clear" in await refused(server.url, home, "None", **with_password)
    assert server.porter.seen == []


@pytest.mark.parametrize("security", ["None", SIGNED])
async def test_no_password_goes_in_clear(home, plant, with_password, security):
    server = await plant(["None", SIGNED])
    trust(home, server.shown)
    server.tell(ua.UserTokenType.UserName, f"{NAMESPACE}None")
    said = await refused(server.url, home, security, **with_password)
    assert "it would take the password in clear" in said
    assert ("allow_clear_password" in said) == (security == "None")
    assert server.porter.seen == []


async def test_a_password_in_clear_must_be_allowed(home, plant, with_password):
    server = await plant(["None"])
    async with opened(server.url, home, "None", allow_clear_password=True, **with_password):
        pass
    assert server.porter.seen == [("operator", PASSWORD)]
    assert server.algorithms == [""]


async def test_a_password_encrypted_without_a_channel_needs_a_trusted_server(
    home, plant, with_password
):
    server = await plant(["None", BEST])
    said = await refused(
        server.url, home, "None", allow_clear_password=True, **with_password
    )  # where it could be encrypted, no permission sends it in clear
    assert "is not trusted; compare the thumbprint" in said
    assert server.porter.seen == []
    trust(home, server.shown)
    async with opened(server.url, home, "None", **with_password):
        pass
    assert server.porter.seen == [("operator", PASSWORD)]
    assert all(server.algorithms)


async def test_nobody_needs_a_trusted_server_where_nothing_is_secret(home, plant):
    server = await plant(["None", BEST])
    server.tell(ua.UserTokenType.Anonymous, f"{NAMESPACE}Basic256Sha256")
    async with opened(server.url, home, "None") as session:
        assert session.server_uri == URI
    assert not list((home / "pki" / "rejected").iterdir())


async def test_a_withdrawn_token_policy_is_refused_by_name(home, plant, with_password):
    server = await plant([BEST])
    trust(home, server.shown)
    server.tell(ua.UserTokenType.UserName, f"{NAMESPACE}Basic128Rsa15")
    said = await refused(server.url, home, **with_password)
    assert "it takes the password only by Basic128Rsa15, which is not safe" in said


async def test_a_wrong_password_is_told(home, plant, with_password, monkeypatch):
    server = await plant()
    trust(home, server.shown)
    monkeypatch.setenv("F01_PASSWORD", "wrong")
    said = await refused(server.url, home, **with_password)
    assert "it refuses our user name and password (BadUserAccessDenied); correct `user`" in said
    assert "the password in $F01_PASSWORD" in said
    assert "wrong" not in said


async def test_nobody_is_let_in_without_a_name(home, plant):
    server = await plant(tokens=[ua.UserNameIdentityToken])
    trust(home, server.shown)
    said = await refused(server.url, home)
    assert "it takes no anonymous user, only user name and password; give `user`" in said


async def test_a_password_file_of_the_owner_alone_is_read_anew(home, plant, tmp_path):
    server = await plant()
    trust(home, server.shown)
    path = secret(tmp_path / "password", b"old\n")
    entry = {"user": "operator", "password_file": path}
    assert str(path) in await refused(server.url, home, **entry)
    path.write_text(f"{PASSWORD}\r\n", encoding="utf-8")
    async with opened(server.url, home, **entry):
        pass
    assert server.porter.seen == [("operator", "old"), ("operator", PASSWORD)]


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"x", 0o640, "others than its owner may use it (mode 0640); `chmod 600"),
        (b"x", 0o604, "(mode 0604)"),
        (b"", 0o600, "it is empty"),
        (b"\n", 0o600, "it is empty"),
        (b"\xff\xfe\xfd", 0o600, "no text in UTF-8"),
        (b"x" * 129, 0o600, "more than 128 bytes"),
        (None, 0o600, "No such file"),
    ],
)
def test_a_bad_password_file_is_named(tmp_path, content, mode, why):
    path = tmp_path / "pass word"
    if content is not None:
        secret(path, content).chmod(mode)
    entry = ServerEntry("opc.tcp://127.0.0.1:1", user="operator", password_file=path)
    with pytest.raises(CredentialsRefused) as caught:
        Access.of(entry, tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)


def test_an_unset_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("F01_PASSWORD", raising=False)
    entry = ServerEntry("opc.tcp://127.0.0.1:1", user="operator", password_env="F01_PASSWORD")
    with pytest.raises(CredentialsRefused, match=r"^\$F01_PASSWORD: it is not set; set it"):
        Access.of(entry, tmp_path)


async def test_secrets_are_never_shown(home, plant, with_password, caplog, keys):
    caplog.set_level(logging.DEBUG)
    server = await plant(["None", BEST])
    entry = ServerEntry(server.url, security=BEST, **with_password)
    access = Access.of(entry, home)
    trust(home, server.shown)
    async with opened(server.url, home, **with_password) as session:
        shown = [repr(entry), repr(access), repr(session), repr(session._client)]
    assert server.porter.seen == [("operator", PASSWORD)]
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("asyncua.server")]
    assert not [text for text in [*shown, *ours] if PASSWORD in text]
    assert repr(keys["own"].private_numbers().d) not in repr(own_certificate(Pki(home / "pki")))


# ---- the server's certificate ----------------------------------------------------------------


async def test_an_untrusted_server_waits_in_rejected(home, plant, with_password):
    server = await plant()
    said = await refused(server.url, home, **with_password)
    (kept,) = (home / "pki" / "rejected").iterdir()
    assert kept.read_bytes() == der_from_x509(server.shown)
    assert certificates.thumbprint(server.shown) in said
    assert f"`mv {kept} {home}/pki/trusted/`" in said
    assert server.porter.seen == []
    kept.rename(home / "pki" / "trusted" / kept.name)
    async with opened(server.url, home, **with_password):
        pass
    assert server.porter.seen == [("operator", PASSWORD)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"end": -DAY / 2}, "its certificate expired 20"),
        ({"begin": DAY}, "its certificate is not valid before 20"),
        ({"uri": "urn:other\nserver"}, "is for the ApplicationUri urn:other?server, not"),
    ],
)
async def test_a_faulty_certificate_is_refused_even_if_trusted(home, plant, keys, options, why):
    server = await plant(shown=certificate(keys["server"], **options))
    trust(home, server.shown)
    said = await refused(server.url, home)
    assert why in said
    assert not list((home / "pki" / "rejected").iterdir())


async def test_another_server_at_the_address_is_refused(home, plant, with_password):
    first = await plant()
    trust(home, first.shown)
    async with opened(first.url, home, **with_password):
        pass
    await first.stop()
    other = await plant(key="other", port=first.port)
    assert "is not trusted" in await refused(other.url, home, **with_password)
    assert other.porter.seen == []


async def test_a_stolen_certificate_without_its_key_gets_nothing(home, plant, with_password, keys):
    stolen = certificate(keys["server"])
    trust(home, stolen)
    impostor = await plant(["None", BEST], key="other", shown=stolen)
    said = await refused(
        impostor.url, home, kind=ServerUnreachable, timeout_s=1.0, **with_password
    )  # asyncua's server fails to read us, and is silent
    assert "gave no answer while we opened a secured session; trust" in said
    # without a channel nothing proves the key, but only its holder can read the password
    await refused(impostor.url, home, "None", **with_password)
    assert impostor.porter.seen == []


@pytest.mark.parametrize("what", ["certificate", "signature"])
async def test_a_session_that_proves_another_server_is_refused(
    home, plant, with_password, keys, monkeypatch, what
):
    server = await plant()
    trust(home, server.shown)
    usual = UaProcessor.send_response

    def swap(self, handle, sequence, response, *kind):
        if isinstance(response, ua.CreateSessionResponse) and what == "certificate":
            response.Parameters.ServerCertificate = der_from_x509(certificate(keys["other"]))
        elif isinstance(response, ua.CreateSessionResponse):
            response.Parameters.ServerSignature.Signature = bytes(256)
        usual(self, handle, sequence, response, *kind)

    monkeypatch.setattr(UaProcessor, "send_response", swap)
    said = await refused(server.url, home, **with_password)
    told = {
        "certificate": "its session shows another certificate than its endpoint",
        "signature": "its signature is not of the key of its certificate",
    }
    assert f"{told[what]}; find out who answers at this address" in said
    assert server.porter.seen == []


@pytest.mark.parametrize("security", [BEST, "None"])
async def test_a_server_that_closes_the_door_is_told(home, plant, monkeypatch, security):
    server = await plant(["None", BEST])
    trust(home, server.shown)
    usual = UaProcessor.send_response

    def close(self, handle, sequence, response, *kind):
        if isinstance(response, ua.CreateSessionResponse):
            self._transport.close()
        else:
            usual(self, handle, sequence, response, *kind)

    monkeypatch.setattr(UaProcessor, "send_response", close)
    said = await refused(server.url, home, security, kind=ServerUnreachable)
    secured = f"it closed the connection while we opened a secured session; trust {home}"
    assert (secured in said) == (security == BEST)


# ---- our certificate -------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["BadCertificateUntrusted", "BadSecurityChecksFailed"])
async def test_a_server_that_does_not_trust_us_is_told_by_our_certificates_path(home, plant, code):
    server = await plant()
    trust(home, server.shown)

    async def judge(_certificate, _description):
        raise ServiceError(getattr(ua.StatusCodes, code))

    server.server.set_certificate_validator(judge)
    said = await refused(server.url, home)
    assert f"it refuses our certificate ({code}); trust {home}/pki/own/certificate.der on" in said


@pytest.mark.parametrize("how", ["error", "fault"])
async def test_a_channel_turned_down_is_told(home, plant, monkeypatch, how):
    server = await plant()
    trust(home, server.shown)
    status = ua.StatusCode(ua.StatusCodes.BadSecurityChecksFailed)
    calls = itertools.count()

    def turn_down(self, algorithm, sequence, body):
        if not algorithm.SecurityPolicyURI.endswith("#Basic256Sha256"):
            return usual(self, algorithm, sequence, body)
        next(calls)
        if how == "error":
            error = ua.ErrorMessage(status, "no")
            return self._transport.write(uatcp_to_binary(ua.MessageType.Error, error))
        self._connection.select_policy(
            algorithm.SecurityPolicyURI, algorithm.SenderCertificate,
            ua.MessageSecurityMode.SignAndEncrypt,
        )  # fmt: skip
        fault = ua.ServiceFault()
        fault.ResponseHeader.ServiceResult = status
        return self.send_response(1, sequence, fault, ua.MessageType.SecureOpen)

    usual = UaProcessor.open_secure_channel
    monkeypatch.setattr(UaProcessor, "open_secure_channel", turn_down)
    said = await refused(server.url, home)
    named = "our certificate (BadSecurityChecksFailed)" if how == "error" else "the secure channel"
    assert f"it refuses {named}; trust {home}/pki/own/certificate.der on the server" in said
    assert next(calls) == 1


def test_our_certificate_is_made_once_for_us_alone(tmp_path):
    pki = Pki(tmp_path / "pki")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(own_certificate, [pki] * 4))
    assert len({der_from_x509(own.certificate) for own in made}) == 1
    own = made[0]
    assert pki.own_key.stat().st_mode & 0o777 == 0o600
    assert pki.root.stat().st_mode & 0o077 == 0
    assert own.key.key_size == 2048
    extension = own.certificate.extensions.get_extension_for_class
    names = extension(x509.SubjectAlternativeName).value
    host = certificates.host_name()
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:{host}:parkpulse"]
    assert names.get_values_for_type(x509.DNSName) == [host]
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = extension(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    assert not extension(x509.BasicConstraints).value.ca
    own.certificate.verify_directly_issued_by(own.certificate)
    assert own.certificate.not_valid_after_utc > datetime.now(UTC) + 4 * 365 * DAY


async def test_we_say_the_uri_of_our_certificate(home, plant, keys):
    ours = certificate(keys["own"], uri="urn:given:by-it", serves=False)
    (home / "pki" / "own" / "certificate.der").write_bytes(der_from_x509(ours))
    server = await plant()
    trust(home, server.shown)
    said = []

    async def judge(_certificate, description):
        said.append(description.ApplicationUri)

    server.server.set_certificate_validator(judge)
    async with opened(server.url, home):
        pass
    assert said == ["urn:given:by-it"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda own, keys: (own / "key.pem").chmod(0o640), "key.pem: others than its owner"),
        (lambda own, keys: (own / "key.pem").write_bytes(b"junk"), "it is no private key"),
        (
            lambda own, keys: (own / "key.pem").write_bytes(pem(keys["own"], b"secret")),
            "key.pem: it has a password",
        ),
        (
            lambda own, keys: (own / "key.pem").write_bytes(pem(keys["curve"])),
            "it is no RSA key of 2048 bits",
        ),
        (
            lambda own, keys: (own / "key.pem").write_bytes(pem(keys["other"])),
            "certificate.der: it is not the certificate of its key; `rm ",
        ),
        (lambda own, keys: (own / "certificate.der").write_bytes(b"junk"), "it is no certificate"),
        (
            lambda own, keys: (own / "certificate.der").write_bytes(
                der_from_x509(certificate(keys["own"], end=-DAY / 2))
            ),
            "certificate.der: expired 20",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_ours_is_named(home, keys, spoil, why):
    spoil(home / "pki" / "own", keys)
    with pytest.raises(CredentialsRefused) as caught:
        own_certificate(Pki(home / "pki"))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_names_ours_and_what_waits(home, keys):
    judged(home, certificate(keys["server"]))
    said = {}
    for options in (["--json"], []):
        done = subprocess.run(
            [sys.executable, "-m", "parkpulse", "certificate", "--home", str(home), *options],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        said[bool(options)] = done.stdout
    known = json.loads(said[True])
    own = own_certificate(Pki(home / "pki"))
    assert known["certificate"] == str(home / "pki" / "own" / "certificate.der")
    assert known["thumbprint_sha1"] == certificates.thumbprint(own.certificate)
    assert known["application_uri"] == own.application_uri
    (waiting,) = known["rejected"]
    assert Path(waiting).parent == home / "pki" / "rejected"
    for value in (known["certificate"], known["thumbprint_sha256"], waiting):
        assert value in said[False]
    Home(home).create(first_day=datetime.now(UTC).date())  # a home may begin with it
    (home.parent / "foreign").mkdir()
    (home.parent / "foreign" / "file").touch()
    with pytest.raises(HomeRefused, match="was not made by ParkPulse"):
        Home(home.parent / "foreign").refuse_foreign()


def test_an_own_certificate_near_its_end_is_said(home, keys, caplog):
    soon = certificate(keys["own"], end=DAY * 20)
    (home / "pki" / "own" / "certificate.der").write_bytes(der_from_x509(soon))
    assert own_certificate(Pki(home / "pki")).certificate == soon
    assert "certificate.der: expires 20" in caplog.text


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "pki").write_text("a file")
    with pytest.raises(HomeRefused, match=r"pki: it cannot be written"):
        own_certificate(Pki(tmp_path / "pki"))


# ---- the trust list --------------------------------------------------------------------------

URL = "opc.tcp://127.0.0.1:4840"


@pytest.fixture
def authorities(keys):
    root = certificate(keys["root"], "Root", uri="urn:root", ca=1)
    middle = certificate(keys["middle"], "Middle", uri="urn:m", ca=0, issuer=(root, keys["root"]))
    return root, middle


def server_of(keys, issuer, name="middle", **options):
    return certificate(keys["server"], issuer=(issuer, keys[name]), **options)


def judged(home, *chain, url=URL, uri=URI):
    """What the trust list says of a chain: "" where it may be talked to."""
    try:
        check_server(Pki(home / "pki"), url, chain, uri)
    except ServerRefused as error:
        return error.why
    return ""


def test_a_trusted_authority_vouches_for_its_servers(home, keys, authorities):
    root, middle = authorities
    server = server_of(keys, middle)
    assert "is not trusted" in judged(home, server, middle, root)
    trust(home, middle, name="middle.der")
    assert judged(home, server) == ""
    trust(home, root, "trusted", "middle.der")
    assert "is not trusted" in judged(home, server)  # nobody shows the authority between
    assert judged(home, server, middle) == ""
    trust(home, middle, "issuers")
    assert judged(home, server) == ""


def test_an_issuer_alone_is_not_trusted(home, keys, authorities):
    root, middle = authorities
    trust(home, root, "issuers", "root.der")
    trust(home, middle, "issuers", "middle.der")
    assert "is not trusted" in judged(home, server_of(keys, middle))


def test_an_authoritys_server_must_name_its_host_or_be_trusted_itself(home, keys, authorities):
    trust(home, authorities[1])
    server = server_of(keys, authorities[1], hosts=("plc-7",))
    assert judged(home, server, url="opc.tcp://PLC-7:4840") == ""
    assert "does not name the host of its `url`" in judged(home, server)
    (kept,) = (home / "pki" / "rejected").iterdir()
    kept.rename(home / "pki" / "trusted" / kept.name)
    assert judged(home, server) == ""


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"serves": False}, "is not for servers"),
        ({"algorithm": hashes.SHA224()}, "is not trusted"),
        ({"critical": True}, "is not trusted"),
        ({"end": -DAY / 2}, "expired"),
    ],
)
def test_an_authoritys_server_must_be_sound(home, keys, authorities, options, why):
    trust(home, authorities[1])
    assert why in judged(home, server_of(keys, authorities[1], **options))


@pytest.mark.parametrize(
    "options",
    [{"ca": None}, {"end": -DAY / 2}, {"begin": DAY}, {"critical": True}],
    ids=["no authority", "expired", "not yet", "unknown condition"],
)
def test_an_authority_must_be_sound(home, keys, options):
    root = certificate(keys["root"], "Root", uri="urn:root", **({"ca": 0} | options))
    trust(home, root)
    assert "is not trusted" in judged(home, server_of(keys, root, "root"))


def test_an_authority_may_only_go_as_deep_as_it_says(home, keys):
    root = certificate(keys["root"], "Root", uri="urn:root", ca=0)
    middle = certificate(keys["middle"], "M", uri="urn:m", ca=0, issuer=(root, keys["root"]))
    trust(home, root)
    assert judged(home, server_of(keys, root, "root")) == ""
    assert "is not trusted" in judged(home, server_of(keys, middle), middle)


def test_a_name_is_no_signature(home, keys, authorities):
    trust(home, authorities[1])
    forged = certificate(keys["server"], issuer=(authorities[1], keys["other"]))
    assert "is not trusted" in judged(home, forged)


def test_a_revoked_server_is_refused(home, keys, authorities):
    middle = authorities[1]
    trust(home, middle)
    good, bad = server_of(keys, middle), server_of(keys, middle)
    now = datetime.now(UTC)
    entry = x509.RevokedCertificateBuilder(bad.serial_number, now).build()
    signed_by = {"good": keys["middle"], "forged": keys["other"]}
    for name, key in signed_by.items():
        revoked = bad if name == "good" else good
        entry = x509.RevokedCertificateBuilder(revoked.serial_number, now).build()
        crl = (
            x509.CertificateRevocationListBuilder(middle.subject, now, now + DAY, [], [entry])
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        path = home / "pki" / "issuers" / f"{name}.crl"
        path.write_bytes(crl.public_bytes(serialization.Encoding.DER))
    assert judged(home, good) == ""
    assert "is revoked" in judged(home, bad)


def test_a_weak_key_is_refused_even_if_trusted(home, keys):
    weak = certificate(keys["weak"])
    trust(home, weak)
    assert "has no RSA key of 2048 bits or more" in judged(home, weak)


def test_trusted_files_may_be_pem_and_bad_ones_are_named(home, keys, caplog):
    server, other = certificate(keys["server"]), certificate(keys["other"])
    trusted = home / "pki" / "trusted"
    both = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (other, server))
    (trusted / "two.pem").write_bytes(both)
    (trusted / "junk.der").write_bytes(b"junk")
    (trusted / "junk.crl").write_bytes(b"junk")
    assert judged(home, server) == judged(home, other) == ""
    assert "junk.der: no readable certificate" in caplog.text
    assert "junk.crl: no readable revocation list" in caplog.text


def test_a_server_with_ever_new_certificates_fills_no_disk(home, keys):
    last = None
    for _ in range(8):
        last = certificate(keys["server"])
        assert "is not trusted" in judged(home, last)
    other = certificate(keys["other"])
    judged(home, other, url="opc.tcp://127.0.0.1:4841")
    kept = list((home / "pki" / "rejected").iterdir())
    assert len(kept) == 5 + 1
    assert {der_from_x509(last), der_from_x509(other)} <= {path.read_bytes() for path in kept}


def test_a_chain_is_split_where_its_certificates_end(keys, authorities):
    chain = [certificate(keys["server"]), *authorities]
    blob = b"".join(map(der_from_x509, chain))
    assert split_chain(blob) == chain
    for bad in (b"", b"\x30", blob[:-1], blob + b"\x00"):
        with pytest.raises(ValueError):  # noqa: PT011
            split_chain(bad)


# ---- the collector ---------------------------------------------------------------------------


async def test_a_collector_waits_for_trust_and_stops_nobody(
    home, plant, plants, with_password, monkeypatch, caplog
):
    monkeypatch.setattr(collector, "REFUSED_DELAY_S", 0.3)
    monkeypatch.setattr(collector, "LONGEST_DELAY_S", 0.3)
    secured, open_one = await plant(kind=QuickServer), await plants(uri="urn:test:open")
    for one in (secured, open_one):
        await one.add("v")
    run = Run(home, open_one)
    run.fleet = Fleet(
        (
            Site("F01", False, (ServerEntry(secured.url, security=BEST, **with_password),)),
            Site("F02", False, (ServerEntry(open_one.url),)),
        )
    )
    async with run:
        states = {state.url: state for state in run.states}
        assert states[open_one.url].state == "connected"
        assert "is not trusted" in states[secured.url].why
        (kept,) = (home / "pki" / "rejected").iterdir()
        shutil.move(kept, home / "pki" / "trusted")
        await until(
            lambda: any(s.url == secured.url and s.state == "connected" for s in run.states)
        )
        await secured.tick("v", 50)
        assert secured.channels == [("Basic256Sha256", "SignAndEncrypt")]
    assert values(home, "v") == written(secured, "v")
    assert set(secured.porter.seen) == {("operator", PASSWORD)}
    assert "connected again" in caplog.text
    assert PASSWORD not in "".join(
        path.read_bytes().decode("latin-1") for path in Path(home).rglob("*") if path.is_file()
    )
