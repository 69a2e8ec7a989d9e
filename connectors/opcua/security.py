"""How a server is approached: its exact security policy and mode, and who we say we are.

Nothing secret is sent before the server's certificate is verified (`trust.check_server`),
and nothing is ever tried in a weaker mode than the fleet file asks for.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from connectors.errors import CredentialsRefused, ServerRefused, ServerUnreachable
from connectors.fleet import ServerEntry
from connectors.home import PKI
from connectors.opcua.certificates import (
    KeyPair,
    Pki,
    der,
    host_name,
    key_pair,
    own_certificate,
    read_secret,
    split_chain,
)
from connectors.opcua.trust import check_server

# An error of the secure channel is told by us in one line that names the server.
logging.getLogger("asyncua.uaprotocol").setLevel(logging.CRITICAL)

_POLICIES: Final[dict[str, type[security_policies.SecurityPolicy]]] = {
    "None": security_policies.SecurityPolicyNone,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_NONE_URI: Final = security_policies.SecurityPolicyNone.URI
_SAFE_URIS: Final = frozenset(policy.URI for policy in _POLICIES.values()) - {_NONE_URI}
_MODES: Final = {
    "None": ua.MessageSecurityMode.None_,
    "Sign": ua.MessageSecurityMode.Sign,
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_LONGEST_PASSWORD: Final = 128
"""In bytes: with the server's nonce it must fit into one block of a 2048 bit key."""

_USER_REFUSED: Final = frozenset(
    {
        StatusCodes.BadUserAccessDenied,
        StatusCodes.BadUserSignatureInvalid,
        StatusCodes.BadIdentityTokenInvalid,
        StatusCodes.BadIdentityTokenRejected,
    }
)
_CERTIFICATE_REFUSED: Final = frozenset(
    {
        StatusCodes.BadSecurityChecksFailed,
        StatusCodes.BadApplicationSignatureInvalid,
        StatusCodes.BadCertificateInvalid,
        StatusCodes.BadCertificateUntrusted,
        StatusCodes.BadCertificateTimeInvalid,
        StatusCodes.BadCertificateIssuerTimeInvalid,
        StatusCodes.BadCertificateHostNameInvalid,
        StatusCodes.BadCertificateUriInvalid,
        StatusCodes.BadCertificateUseNotAllowed,
        StatusCodes.BadCertificateIssuerUseNotAllowed,
        StatusCodes.BadCertificateRevocationUnknown,
        StatusCodes.BadCertificateIssuerRevocationUnknown,
        StatusCodes.BadCertificateRevoked,
        StatusCodes.BadCertificateIssuerRevoked,
        StatusCodes.BadCertificateChainIncomplete,
        StatusCodes.BadCertificatePolicyCheckFailed,
    }
)
_POLICY_REFUSED: Final = frozenset(
    {StatusCodes.BadSecurityPolicyRejected, StatusCodes.BadSecurityModeRejected}
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we say we are: nobody, a user with a password, or the holder of a certificate."""

    user: str | None = None
    password: str = field(default="", repr=False)
    password_from: str = ""
    certificate: KeyPair | None = None

    @classmethod
    def of(cls, entry: ServerEntry) -> "Identity":
        """Read what the fleet file points to; a CredentialsRefused names what cannot be used."""
        if entry.user_certificate is not None and entry.user_key is not None:
            return cls(certificate=key_pair(entry.user_certificate, entry.user_key))
        place = f"${entry.password_env}" if entry.password_env else str(entry.password_file or "")
        return cls(entry.user, _password(entry), place)

    @property
    def token_type(self) -> ua.UserTokenType:
        """The kind of UserIdentityToken that carries it."""
        if self.certificate is not None:
            return ua.UserTokenType.Certificate
        return ua.UserTokenType.UserName if self.user else ua.UserTokenType.Anonymous

    @property
    def remedy(self) -> str:
        """What to do where a server does not let it in."""
        if self.certificate is not None:
            return f"add {self.certificate.path} to the users that the server trusts"
        if self.user:
            place = f" or the password in {self.password_from}" if self.password_from else ""
            return f"correct `user` in the fleet file{place}, or the user's rights on the server"
        return "give `user` and `password_env` of this server in the fleet file"


def _password(entry: ServerEntry) -> str:
    """The password of an entry, read anew at each connection; empty where none is named."""
    if entry.password_env is not None:
        if entry.password_env not in os.environ:
            remedy = "set it and start the collector again"
            raise CredentialsRefused(f"${entry.password_env}", "it is not set", remedy)
        return _fitting(f"${entry.password_env}", os.environ[entry.password_env])
    if entry.password_file is None:
        return ""
    try:
        text = read_secret(entry.password_file).decode("utf-8")
    except UnicodeDecodeError:
        why, remedy = "it is no text in UTF-8", "write the password into it, and nothing else"
        raise CredentialsRefused(entry.password_file, why, remedy) from None
    return _fitting(str(entry.password_file), text.removesuffix("\n").removesuffix("\r"))


def _fitting(place: str, password: str) -> str:
    if not password:
        raise CredentialsRefused(place, "it is empty", "put the password there")
    if len(password.encode("utf-8", "surrogateescape")) > _LONGEST_PASSWORD:
        why = f"it holds more than {_LONGEST_PASSWORD} bytes"
        raise CredentialsRefused(place, why, "put the password there, and nothing else")
    return password


@dataclass(frozen=True, slots=True)
class Access:
    """How one server is approached; the default is anonymous and unsecured."""

    security: str = "None"
    identity: Identity = Identity()
    pki: Pki | None = None
    allow_clear_password: bool = False

    @classmethod
    def of(cls, entry: ServerEntry, home: Path) -> "Access":
        """As a server's keys in the fleet file say; a CredentialsRefused names a bad secret."""
        pki = Pki(home / PKI)
        return cls(entry.security, Identity.of(entry), pki, entry.allow_clear_password)

    @property
    def policy(self) -> type[security_policies.SecurityPolicy]:
        """The security policy, exactly."""
        return _POLICIES[self.security.partition("/")[0]]

    @property
    def mode(self) -> ua.MessageSecurityMode:
        """The message security mode, exactly."""
        return _MODES[self.security.rpartition("/")[2]]

    @property
    def is_secured(self) -> bool:
        """True where messages are at least signed."""
        return self.policy.URI != _NONE_URI

    @property
    def _folders(self) -> Pki:
        if self.pki is None:
            raise ValueError("certificates are needed, but no home was given")
        return self.pki

    async def prepare(self, client: Client) -> None:
        """Before the first connection: name ourselves and, where secured, verify the server.

        Asks the server over an unsecured channel for its endpoints, as every client must; raises
        ServerRefused where the wanted one is missing or its certificate may not be talked to.
        """
        client.name = client.description = "ParkPulse"
        client.product_uri = "urn:parkpulse"
        client.application_uri = f"urn:{host_name()}:parkpulse"
        self._introduce(client)
        if not self.is_secured:
            return
        own = await asyncio.to_thread(own_certificate, self._folders)
        endpoint = self._wanted(client, await _endpoints(client))
        url = client.server_url.geturl()
        peer = await asyncio.to_thread(self._verified, url, endpoint, endpoint.ServerCertificate)
        client.application_uri = own.application_uri
        policy = self.policy(peer, own.certificate, own.key, self.mode)
        client.security_policy = policy  # type: ignore[assignment]
        client.uaclient.set_security(policy)

    def _introduce(self, client: Client) -> None:
        if self.identity.certificate is not None:
            client.user_certificate = self.identity.certificate.certificate
            client.user_private_key = self.identity.certificate.key
        elif self.identity.user:
            client.set_user(self.identity.user)
            client.set_password(self.identity.password)

    def _wanted(
        self, client: Client, endpoints: Sequence[ua.EndpointDescription]
    ) -> ua.EndpointDescription:
        """The endpoint of exactly our policy and mode, ours by its address where there are many.

        A server may name itself by a host that we cannot resolve: we stay at our own url.
        """
        url = client.server_url.geturl()
        binary = [e for e in endpoints if str(e.EndpointUrl).startswith("opc.tcp://")]
        fitting = [
            endpoint
            for endpoint in binary
            if endpoint.SecurityPolicyUri == self.policy.URI and endpoint.SecurityMode == self.mode
        ]
        if not fitting:
            offered = ", ".join(sorted({_named(endpoint) for endpoint in binary})) or "nothing"
            raise ServerRefused(
                url,
                f"it offers {offered}, not {self.security}",
                "enable that on the server, or set `security` in the fleet file; we keep trying",
            )
        return next((e for e in fitting if _port(str(e.EndpointUrl)) == _port(url)), fitting[0])

    def _verified(
        self, url: str, endpoint: ua.EndpointDescription, certificate: bytes | None
    ) -> x509.Certificate:
        """The server's own certificate of the chain that it shows, once it may be talked to."""
        pki = self._folders
        try:
            chain = split_chain(bytes(certificate or b""))
            check_server(pki, url, chain, endpoint.Server.ApplicationUri)
        except (ValueError, UnsupportedAlgorithm) as error:
            remedy = "give the server a certificate; we keep trying"
            raise ServerRefused(url, "it shows no readable certificate", remedy) from error
        return chain[0]

    async def identify(self, client: Client, session: ua.CreateSessionResult) -> None:
        """Before the session is activated: choose the token that carries our identity safely."""
        url = client.server_url.geturl()
        endpoint = Client.find_endpoint(session.ServerEndpoints, self.mode, self.policy.URI)
        asked = ua.UserTokenPolicy(TokenType=self.identity.token_type)
        chosen = self._token(url, endpoint.UserIdentityTokens or [asked])
        is_secret = chosen.TokenType != ua.UserTokenType.Anonymous
        if is_secret and chosen.SecurityPolicyUri in _SAFE_URIS and not self.is_secured:
            # nothing has proven yet whose key this is
            shown = session.ServerCertificate or endpoint.ServerCertificate
            peer = await asyncio.to_thread(self._verified, url, endpoint, shown)
            client.security_policy.peer_certificate = der(peer)
        client._policy_ids = [chosen]

    def _token(self, url: str, tokens: Sequence[ua.UserTokenPolicy]) -> ua.UserTokenPolicy:
        """The safest token policy of our identity; an empty policy URI means the channel's."""
        kind = self.identity.token_type
        ours = [
            ua.UserTokenPolicy(
                PolicyId=token.PolicyId,
                TokenType=kind,
                SecurityPolicyUri=token.SecurityPolicyUri or self.policy.URI,
            )
            for token in tokens
            if token.TokenType == kind
        ]
        if not ours:
            takes = ", ".join(sorted({_token_name(token) for token in tokens}))
            why = f"it takes no {_KIND_NAMES[kind]}, only {takes}"
            raise ServerRefused(url, why, f"{self.identity.remedy}; we keep trying")
        if kind == ua.UserTokenType.Anonymous:
            return ours[0]
        for token in ours:
            if token.SecurityPolicyUri in _SAFE_URIS:
                return token
        for token in ours:
            if token.SecurityPolicyUri == _NONE_URI and self._may_be_clear:
                return token
        raise self._unsafe(url, ours)

    @property
    def _may_be_clear(self) -> bool:
        """Whether a password may go into a message as it is."""
        encrypted = self.mode == ua.MessageSecurityMode.SignAndEncrypt
        allowed = self.allow_clear_password and not self.is_secured
        return self.identity.certificate is None and (encrypted or allowed)

    def _unsafe(self, url: str, ours: Sequence[ua.UserTokenPolicy]) -> ServerRefused:
        if self.identity.certificate is not None:
            why = "it takes user certificates only without a safe signature"
        elif any(token.SecurityPolicyUri == _NONE_URI for token in ours):
            why = "it would take the password in clear"
        else:
            uris = sorted({_policy_name(str(token.SecurityPolicyUri)) for token in ours})
            why = f"it takes the password only by {', '.join(uris)}, which is not safe"
        remedy = 'set `security` of this server, like "Basic256Sha256/SignAndEncrypt"'
        if not self.is_secured and self.identity.certificate is None:
            remedy += ", or `allow_clear_password = true` if everybody on the network may read it"
        return ServerRefused(url, why, remedy)

    @contextlib.contextmanager
    def refusals(self, url: str) -> Iterator[None]:
        """Tell what goes wrong while channel and session are opened as a refusal, where it is one.

        asyncua knows a fault in answer to the secure channel only as a failed assertion.
        """
        try:
            yield
        except UaStatusCodeError as error:
            if (told := self._refused(url, error.code)) is None:
                raise
            raise told from error
        except InvalidSignature as error:
            why = "its signature is not of the key of its certificate"
            remedy = "find out who answers at this address; we keep trying"
            raise ServerRefused(url, why, remedy) from error
        except UaError as error:
            if "certificate mismatch" in str(error):
                why = "its session shows another certificate than its endpoint"
                remedy = "find out who answers at this address; we keep trying"
                raise ServerRefused(url, why, remedy) from error
            if "No matching endpoints" in str(error):
                raise self._not_offered(url) from error
            raise
        except AssertionError as error:
            raise ServerRefused(url, "it refuses the secure channel", self._trust_ours) from error
        except (ConnectionError, TimeoutError) as error:  # some servers refuse in silence
            if not self.is_secured:
                raise
            did = "gave no answer" if isinstance(error, TimeoutError) else "closed the connection"
            why = f"it {did} while we opened a secured session"
            raise ServerUnreachable(url, why, self._trust_ours) from error

    @property
    def _trust_ours(self) -> str:
        """What to do where a server does not trust us."""
        if not self.is_secured:
            return "check the server; we keep trying"
        return f"trust {self._folders.own_certificate} on the server; we keep trying"

    def _refused(self, url: str, code: int) -> ServerRefused | None:
        if code in _USER_REFUSED:
            why = f"it refuses our {_KIND_NAMES[self.identity.token_type]} ({_status(code)})"
            return ServerRefused(url, why, f"{self.identity.remedy}; we keep trying")
        if code in _POLICY_REFUSED:
            return self._not_offered(url, f" ({_status(code)})")
        if code in _CERTIFICATE_REFUSED and self.is_secured:
            why = f"it refuses our certificate ({_status(code)})"
            return ServerRefused(url, why, self._trust_ours)
        return None

    def _not_offered(self, url: str, status: str = "") -> ServerRefused:
        what = self.security if self.is_secured else "an unsecured session"
        remedy = 'set `security` of this server, like "Basic256Sha256/SignAndEncrypt"'
        return ServerRefused(url, f"it does not offer {what}{status}", f"{remedy}; we keep trying")


UNSECURED: Final = Access()
"""Nobody asks who we are, and everybody on the network may listen."""

_KIND_NAMES: Final = {
    ua.UserTokenType.Anonymous: "anonymous user",
    ua.UserTokenType.UserName: "user name and password",
    ua.UserTokenType.Certificate: "user certificate",
    ua.UserTokenType.IssuedToken: "issued token",
}


def _token_name(token: ua.UserTokenPolicy) -> str:
    return _KIND_NAMES.get(token.TokenType, "another token")


async def _endpoints(client: Client) -> list[ua.EndpointDescription]:
    """What the server offers, asked over an unsecured channel of its own that carries no secret."""
    url = client.server_url.geturl()
    asking = Client(url, timeout=client.uaclient._timeout)
    asking.application_uri = client.application_uri
    try:
        return list(await asking.connect_and_get_server_endpoints() or [])
    except UaStatusCodeError as error:
        if error.code not in _CERTIFICATE_REFUSED | _POLICY_REFUSED:
            raise
        why = f"it does not tell its endpoints ({_status(error.code)})"
        remedy = "allow discovery without security on the server; we keep trying"
        raise ServerRefused(url, why, remedy) from error
    except AssertionError as error:
        raise ConnectionError("it did not open a channel for discovery") from error


def _status(code: int) -> str:
    return str(ua.StatusCode(ua.UInt32(code)).name)


def _named(endpoint: ua.EndpointDescription) -> str:
    policy, mode = _policy_name(str(endpoint.SecurityPolicyUri)), endpoint.SecurityMode
    return policy if mode == ua.MessageSecurityMode.None_ else f"{policy}/{mode.name}"


def _policy_name(uri: str) -> str:
    """The last part of a policy's URI, fit for one line of a log."""
    name = "".join(c if c.isprintable() else "?" for c in uri.rpartition("#")[2])
    return name[:40] or "an unnamed policy"


def _port(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlparse(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
