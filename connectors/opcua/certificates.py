"""HOME/pki: our application certificate and key, and reading those of others."""

import contextlib
import fcntl
import logging
import os
import re
import shlex
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.errors import CredentialsRefused, HomeRefused

log = logging.getLogger(__name__)
KEY_BITS: Final = 2048
"""The least the security policies allow, and the most that some controllers take."""
_VALID: Final = timedelta(days=5 * 365)
"""A new certificate is trusted anew on every server by hand: seldom, but in time."""
_WARN_BEFORE: Final = timedelta(days=30)
LONGEST_CHAIN: Final = 5
_LONGEST_SECRET: Final = 64 * 1024


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


def own_certificate(pki: Pki) -> KeyPair:
    """Our application certificate, made on first use; a CredentialsRefused names a bad file."""
    try:
        with _alone(pki):
            if not pki.own_key.exists():
                write_alone(pki.own_key, _pem(rsa.generate_private_key(65537, KEY_BITS)), 0o600)
            key = read_key(pki.own_key)
            if not pki.own_certificate.exists():
                write_alone(pki.own_certificate, der(_self_signed(key)), 0o644)
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
    if wrong := validity(certificate, now):
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


def write_alone(path: Path, content: bytes, mode: int) -> None:
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
        "rejected": [str(path) for path in files_of(pki.rejected, {".der"})],
    }


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
        return certificates_in(path.read_bytes())[0]
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
        raise CredentialsRefused(path, why, "give a file that we may read") from error
    except (ValueError, IndexError) as error:
        raise CredentialsRefused(path, "it is no certificate", "give DER or PEM") from error


def certificates_in(content: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM or DER file."""
    if content.lstrip().startswith(b"-----"):
        return x509.load_pem_x509_certificates(content)
    return [x509.load_der_x509_certificate(content)]


def split_chain(blob: bytes) -> list[x509.Certificate]:
    """The certificates of a ServerCertificate: the server's own first, issuers appended to it.

    ValueError where it is none.
    """
    found: list[x509.Certificate] = []
    while blob and len(found) < LONGEST_CHAIN:
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


def files_of(folder: Path, suffixes: set[str]) -> list[Path]:
    """The files of a folder that end so, in order; none where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def validity(certificate: x509.Certificate, now: datetime) -> str:
    """What is wrong with its dates; empty where nothing is."""
    if now > certificate.not_valid_after_utc:
        return f"expired {_day(certificate.not_valid_after_utc)}"
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {_day(certificate.not_valid_before_utc)}"
    return ""


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")


def common_name(certificate: x509.Certificate) -> str:
    """Whom it names, for a person."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "without a name"
