"""Whom to trust is a person's word.

A server's certificate lies in `trusted` itself, or was issued by an authority that lies there. What
nobody trusted yet is put into `rejected`.
"""

import contextlib
import logging
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from connectors.errors import HomeRefused, ServerRefused
from connectors.opcua.certificates import (
    KEY_BITS,
    LONGEST_CHAIN,
    Pki,
    application_uris,
    certificates_in,
    common_name,
    der,
    files_of,
    thumbprint,
    validity,
    write_alone,
)

log = logging.getLogger(__name__)

_REJECTED_EACH: Final = 5
"""Rejected certificates kept of one server: whoever shows a new one each time fills no disk."""
_KNOWN_CRITICAL: Final = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    | {ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.SUBJECT_ALTERNATIVE_NAME}
)


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
    for path in files_of(folder, {".der", ".pem", ".crt", ".cer"}):
        try:
            yield from certificates_in(path.read_bytes())
        except (OSError, ValueError):
            log.warning("%s: no readable certificate (DER or PEM); take it away", path)


def _each_revocation(folder: Path) -> Iterator[x509.CertificateRevocationList]:
    for path in files_of(folder, {".crl"}):
        try:
            content = path.read_bytes()
            is_pem = content.lstrip().startswith(b"-----")
            yield (x509.load_pem_x509_crl if is_pem else x509.load_der_x509_crl)(content)
        except (OSError, ValueError):
            log.warning("%s: no readable revocation list (DER or PEM); take it away", path)


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
    if wrong := validity(certificate, now):
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
    while len(path) < LONGEST_CHAIN:
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
        and not validity(ca, now)
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


def _reject(pki: Pki, url: str, certificate: x509.Certificate, why: str) -> None:
    """Keep it where a person finds it, and say how to trust it."""
    path = _keep_rejected(pki, url, certificate)
    move = f"`mv {shlex.quote(str(path))} {shlex.quote(str(pki.trusted))}/`"
    _refuse(
        url,
        f"({_plain(common_name(certificate))}, thumbprint {thumbprint(certificate)}) {why}",
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
            write_alone(path, der(certificate), 0o644)
    except OSError as error:
        why = f"it cannot be written ({error.strerror})"
        raise HomeRefused(pki.rejected, why, "give us the right to write there") from error
    return path


def _plain(text: str) -> str:
    """A stranger's words, fit for one line of a log."""
    return "".join(c if c.isprintable() else "?" for c in text)[:100]
