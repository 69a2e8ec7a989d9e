"""HOME/pki: our application certificate, and the certificates that a person trusts.

Whom to trust is a person's word: a server's certificate lies in `trusted` itself, or was issued by
an authority that lies there. What nobody trusted yet is put into `rejected`.
"""

import contextlib
import fcntl
import logging
import os
import re
import shlex
import socket
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from connectors.errors import CredentialsRefused, HomeRefused, ServerRefused

log = logging.getLogger(__name__)

KEY_BITS: Final = 2048
"""The least the security policies allow, and the most that some controllers take."""
_VALID: Final = timedelta(days=5 * 365)
"""A new certificate is trusted anew on every server by hand: seldom, but in time."""
_WARN_BEFORE: Final = timedelta(days=30)
_LONGEST_CHAIN: Final = 5
_REJECTED_EACH: Final = 5
"""Rejected certificates kept of one server: whoever shows a new one each time fills no disk."""
_LONGEST_SECRET: Final = 64 * 1024
_KNOWN_CRITICAL: Final = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    | {ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.SUBJECT_ALTERNATIVE_NAME}
)


@dataclass(frozen=True, slots=True)
class Pki:
    """The folders of one home's certificates; making a `Pki` touches no disk."""

    root: Path

    @property
    def own_certificate(self) -> Path:
        """Ours, to be trusted on each server."""
        return self.root / "own" / "certificate.der"

    @property
    def own_key(self) -> Path:
        """Its private key, which nobody else may read."""
        return self.root / "own" / "key.pem"

    @property
    def trusted(self) -> Path:
        """Servers, and authorities whose servers we trust."""
        return self.root / "trusted"

    @property
    def issuers(self) -> Path:
        """Authorities between a server and a trusted one, not trusted themselves."""
        return self.root / "issuers"

    @property
    def rejected(self) -> Path:
        """What servers showed and nobody trusted; move it to `trusted` to trust it."""
        return self.root / "rejected"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its private key, and where the certificate lies."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)
    path: Path

    @property
    def application_uri(self) -> str:
        """The ApplicationUri that the certificate is for."""
        return next(iter(application_uris(self.certificate)), "")


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 in capitals, as servers and their tools show it; a name, never a proof."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def application_uris(certificate: x509.Certificate) -> list[str]:
    """The URIs of its subjectAltName; OPC UA wants exactly one."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier)]


# ---- ours ------------------------------------------------------------------------------------


def own_certificate(pki: Pki) -> KeyPair:
    """Our application certificate, made on first use; a CredentialsRefused names a bad file."""
    try:
        with _alone(pki):
            if not pki.own_key.exists():
                _write(pki.own_key, _pem(rsa.generate_private_key(65537, KEY_BITS)), 0o600)
            key = read_key(pki.own_key)
            if not pki.own_certificate.exists():
                _write(pki.own_certificate, der(_self_signed(key)), 0o644)
    except OSError as error:
        why = f"it cannot be written ({error.strerror})"
        raise HomeRefused(pki.root, why, "give us the right to write there") from error
    remedy = f"`rm {shlex.quote(str(pki.own_certificate))}`: the next start makes a new one"
    return _checked(pki.own_certificate, key, f"{remedy}, to be trusted on each server")


def key_pair(certificate: Path, key: Path) -> KeyPair:
    """A person's certificate and key; a CredentialsRefused names a bad file."""
    return _checked(certificate, read_key(key), "name a valid one of that key")


def _checked(path: Path, key: rsa.RSAPrivateKey, remedy: str) -> KeyPair:
    certificate = _read_certificate(path)
    if certificate.public_key() != key.public_key():
        raise CredentialsRefused(path, "it is not the certificate of its key", remedy)
    now = datetime.now(UTC)
    if wrong := _validity(certificate, now):
        raise CredentialsRefused(path, wrong, remedy)
    if certificate.not_valid_after_utc - now < _WARN_BEFORE:
        log.warning("%s: expires %s; %s", path, _day(certificate.not_valid_after_utc), remedy)
    return KeyPair(certificate, key, path)


@contextlib.contextmanager
def _alone(pki: Pki) -> Iterator[None]:
    """Hold pki/own: two commands on first use must not make two keys."""
    for folder in (pki.root, pki.own_key.parent, pki.trusted, pki.issuers, pki.rejected):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(pki.own_key.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, mode: int) -> None:
    """A whole file or nothing, with these rights from its first byte on."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def der(certificate: x509.Certificate) -> bytes:
    """The certificate as it goes over the wire."""
    return certificate.public_bytes(serialization.Encoding.DER)


def host_name() -> str:
    """This machine's name, as far as a certificate can say it."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()).strip(".-")[:60] or "localhost"


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """An application instance certificate (OPC UA part 6, 6.2.2)."""
    host, now = host_name(), datetime.now(UTC)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"ParkPulse@{host}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ParkPulse"),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True,
        data_encipherment=True, key_agreement=False, key_cert_sign=True, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    alternatives = [
        x509.UniformResourceIdentifier(f"urn:{host}:parkpulse"),
        x509.DNSName(host),
    ]
    public = key.public_key()
    return (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a controller's clock may run behind ours
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def summary(pki: Pki) -> dict[str, Any]:
    """Our certificate in words, and the files that wait in `rejected`."""
    own = own_certificate(pki)
    return {
        "certificate": str(own.path),
        "application_uri": own.application_uri,
        "thumbprint_sha1": thumbprint(own.certificate),
        "thumbprint_sha256": own.certificate.fingerprint(hashes.SHA256()).hex().upper(),
        "valid_to": own.certificate.not_valid_after_utc.isoformat(),
        "trusted": str(pki.trusted),
        "rejected": [str(path) for path in _files(pki.rejected, {".der"})],
    }


# ---- files -----------------------------------------------------------------------------------


def read_secret(path: Path) -> bytes:
    """The content of a file that only its owner may read; a CredentialsRefused names another."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_mode & 0o077:
                why = f"others than its owner may use it (mode {stat.S_IMODE(about.st_mode):04o})"
                raise CredentialsRefused(path, why, f"`chmod 600 {shlex.quote(str(path))}`")
            return file.read(_LONGEST_SECRET)
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
        raise CredentialsRefused(path, why, "give a file that we may read") from error


def read_key(path: Path) -> rsa.RSAPrivateKey:
    """An RSA private key (PEM or DER) from a file that only its owner may read."""
    content = read_secret(path)
    try:
        if content.lstrip().startswith(b"-----"):
            key = serialization.load_pem_private_key(content, None)
        else:
            key = serialization.load_der_private_key(content, None)
    except (ValueError, TypeError) as error:  # a TypeError asks for the password of the key
        why = "it is no private key" if isinstance(error, ValueError) else "it has a password"
        raise CredentialsRefused(path, why, "give an RSA key without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < KEY_BITS:
        why = f"it is no RSA key of {KEY_BITS} bits or more"
        raise CredentialsRefused(path, why, "make a new key and certificate")
    return key


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return _certificates_in(path.read_bytes())[0]
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
        raise CredentialsRefused(path, why, "give a file that we may read") from error
    except (ValueError, IndexError) as error:
        raise CredentialsRefused(path, "it is no certificate", "give DER or PEM") from error


def _certificates_in(content: bytes) -> list[x509.Certificate]:
    if content.lstrip().startswith(b"-----"):
        return x509.load_pem_x509_certificates(content)
    return [x509.load_der_x509_certificate(content)]


def split_chain(blob: bytes) -> list[x509.Certificate]:
    """The certificates of a ServerCertificate: the server's own first, issuers appended to it.

    ValueError where it is none.
    """
    found: list[x509.Certificate] = []
    while blob and len(found) < _LONGEST_CHAIN:
        size = _der_size(blob)
        found.append(x509.load_der_x509_certificate(blob[:size]))
        blob = blob[size:]
    if not found:
        raise ValueError("no certificate")
    return found


def _der_size(blob: bytes) -> int:
    """The size of the first DER element: tag, length, content."""
    if len(blob) < 2 or blob[1] < 0x80:
        return 2 + (blob[1] if len(blob) > 1 else 0)
    count = blob[1] & 0x7F
    return 2 + count + int.from_bytes(blob[2 : 2 + count], "big")


# ---- theirs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrustList:
    """What lies in `trusted` and `issuers`, as of now."""

    trusted: frozenset[x509.Certificate]
    issuers: frozenset[x509.Certificate]
    revocations: tuple[x509.CertificateRevocationList, ...]

    @classmethod
    def read(cls, pki: Pki) -> "TrustList":
        """Read both folders; a file that is no certificate is named in the log and left out."""
        folders = pki.trusted, pki.issuers
        trusted, issuers = (frozenset(_each_certificate(folder)) for folder in folders)
        return cls(trusted, issuers, tuple(r for f in folders for r in _each_revocation(f)))


def _each_certificate(folder: Path) -> Iterator[x509.Certificate]:
    for path in _files(folder, {".der", ".pem", ".crt", ".cer"}):
        try:
            yield from _certificates_in(path.read_bytes())
        except (OSError, ValueError):
            log.warning("%s: no readable certificate (DER or PEM); take it away", path)


def _each_revocation(folder: Path) -> Iterator[x509.CertificateRevocationList]:
    for path in _files(folder, {".crl"}):
        try:
            content = path.read_bytes()
            is_pem = content.lstrip().startswith(b"-----")
            yield (x509.load_pem_x509_crl if is_pem else x509.load_der_x509_crl)(content)
        except (OSError, ValueError):
            log.warning("%s: no readable revocation list (DER or PEM); take it away", path)


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def check_server(
    pki: Pki, url: str, chain: Sequence[x509.Certificate], application_uri: str | None
) -> None:
    """Raise ServerRefused unless the server's certificate (`chain[0]`) may be talked to.

    Faults that only the server's operator can cure are told before it is put into `rejected`.
    """
    certificate, now = chain[0], datetime.now(UTC)
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < KEY_BITS:
        _refuse(url, f"has no RSA key of {KEY_BITS} bits or more", "give the server a stronger one")
    if wrong := _validity(certificate, now):
        _refuse(url, wrong, "renew it on the server, or set the clock that is wrong")
    if application_uri not in application_uris(certificate):
        its = ", ".join(map(_plain, application_uris(certificate)[:3])) or "none"
        why = f"is for the ApplicationUri {its}, not {_plain(application_uri or '')}"
        _refuse(url, why, "make a certificate for the server's own ApplicationUri")
    trust = TrustList.read(pki)
    if certificate not in trust.trusted:
        _check_issued(pki, url, chain, trust, now)


def _refuse(url: str, why: str, remedy: str) -> None:
    raise ServerRefused(url, f"its certificate {why}", f"{remedy}; we keep trying")


def _check_issued(
    pki: Pki, url: str, chain: Sequence[x509.Certificate], trust: TrustList, now: datetime
) -> None:
    """The rest of the check where nobody vouches for the certificate itself, only for an issuer."""
    certificate = chain[0]
    issuers = _path_to_trust(chain, trust, now)
    if not issuers:
        _reject(pki, url, certificate, "is not trusted")
    links = zip([certificate, *issuers], issuers, strict=False)
    if any(_is_revoked(issued, issuer, trust.revocations) for issued, issuer in links):
        _refuse(url, "is revoked by its issuer", "give the server a new one")
    if not _serves(certificate):
        _refuse(url, "is not for servers", "issue one with the extended key usage serverAuth")
    if not _names_host(certificate, url):
        # any member of the authority could stand there: a person may still say that it is this one
        _reject(pki, url, certificate, "does not name the host of its `url`")


def _path_to_trust(
    chain: Sequence[x509.Certificate], trust: TrustList, now: datetime
) -> list[x509.Certificate]:
    """The authorities from the issuer of `chain[0]` up to a trusted one; empty without a path."""
    current, path = chain[0], list[x509.Certificate]()
    while len(path) < _LONGEST_CHAIN:
        pool = [*trust.trusted, *trust.issuers, *chain[1:]]
        issuer = next((ca for ca in pool if _issued(ca, current, len(path), now)), None)
        if issuer is None or issuer in path:
            return []
        path.append(issuer)
        if issuer in trust.trusted:
            return path
        current = issuer
    return []


def _issued(ca: x509.Certificate, issued: x509.Certificate, depth: int, now: datetime) -> bool:
    """Whether `ca` is a valid authority that signed `issued`, `depth` authorities above ours."""
    algorithm = issued.signature_hash_algorithm
    if ca.subject != issued.issuer or algorithm is None or algorithm.digest_size < 32:
        return False  # SHA-1 can be forged
    try:
        basic = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
        issued.verify_directly_issued_by(ca)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    deep_enough = basic.path_length is None or depth <= basic.path_length
    public = ca.public_key()
    strong = not isinstance(public, rsa.RSAPublicKey) or public.key_size >= KEY_BITS
    understood = _understood(ca) and _understood(issued)
    return bool(
        basic.ca and usage.key_cert_sign and deep_enough and strong and understood
        and not _validity(ca, now)
    )  # fmt: skip


def _understood(certificate: x509.Certificate) -> bool:
    """A critical extension that we do not know may forbid what we are about to accept."""
    return all(e.oid in _KNOWN_CRITICAL for e in certificate.extensions if e.critical)


def _is_revoked(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    revocations: Iterable[x509.CertificateRevocationList],
) -> bool:
    public: CertificateIssuerPublicKeyTypes = issuer.public_key()  # type: ignore[assignment]
    return any(
        one.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
        for one in revocations
        if one.issuer == issuer.subject and one.is_signature_valid(public)
    )


def _serves(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def _names_host(certificate: x509.Certificate, url: str) -> bool:
    host = urlparse(url).hostname or ""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    with contextlib.suppress(ValueError):
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    return host.lower() in {str(n).lower() for n in names.get_values_for_type(x509.DNSName)}


def _validity(certificate: x509.Certificate, now: datetime) -> str:
    """What is wrong with its dates; empty where nothing is."""
    if now > certificate.not_valid_after_utc:
        return f"expired {_day(certificate.not_valid_after_utc)}"
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {_day(certificate.not_valid_before_utc)}"
    return ""


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")


def _reject(pki: Pki, url: str, certificate: x509.Certificate, why: str) -> None:
    """Keep it where a person finds it, and say how to trust it."""
    path = _keep_rejected(pki, url, certificate)
    move = f"`mv {shlex.quote(str(path))} {shlex.quote(str(pki.trusted))}/`"
    _refuse(
        url,
        f"({_plain(_common_name(certificate))}, thumbprint {thumbprint(certificate)}) {why}",
        f"compare the thumbprint with the one that the server shows, then {move}",
    )


def _keep_rejected(pki: Pki, url: str, certificate: x509.Certificate) -> Path:
    place = re.sub(r"[^A-Za-z0-9.-]", "_", urlparse(url).netloc)[:80]
    path = pki.rejected / f"{place}-{thumbprint(certificate)}.der"
    try:
        pki.rejected.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            older = sorted(pki.rejected.glob(f"{place}-*.der"), key=lambda p: p.stat().st_mtime)
            for old in older[: max(0, len(older) - _REJECTED_EACH + 1)]:
                old.unlink()
            _write(path, der(certificate), 0o644)
    except OSError as error:
        why = f"it cannot be written ({error.strerror})"
        raise HomeRefused(pki.rejected, why, "give us the right to write there") from error
    return path


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "without a name"


def _plain(text: str) -> str:
    """A stranger's words, fit for one line of a log."""
    return "".join(c if c.isprintable() else "?" for c in text)[:100]
