"""A certificate of this machine's own, for trying TLS out and for networks without a CA.

It is valid for ``localhost``, the loopback addresses and the name of the machine, and it is its
own authority: who trusts the file trusts the service, and nothing else.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Unavailable

if TYPE_CHECKING:
    from cryptography.x509 import KeyUsage

__all__ = ["own_certificate"]

_VALID = timedelta(days=397)
_RENEWED_BEFORE = timedelta(days=30)


def own_certificate(directory: Path) -> tuple[Path, Path]:
    """The files of the certificate and its key in a directory; made when there are none.

    A certificate that ends within a month is made anew.

    Raises:
        Unavailable: the directory cannot be written, or a package is not installed.
    """
    cert, key = directory / "localhost.pem", directory / "localhost.key"
    try:
        if not (key.is_file() and _is_good(cert)):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(cert, key)
    except ImportError as error:
        raise Unavailable(
            "A certificate cannot be made: a package is not installed.",
            hint="Install it: pip install 'derivaml[server]'.",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"A certificate cannot be kept in {str(directory)!r}: {error}."
        ) from error
    return cert, key


def _is_good(cert: Path) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return found.not_valid_after_utc > datetime.now(UTC) + _RENEWED_BEFORE


def _make(cert: Path, key: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    names = dict.fromkeys(("localhost", socket.gethostname()))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.IPAddress(ip_address(a)) for a in ("127.0.0.1", "::1")]
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(
            x509.SubjectAlternativeName([*map(x509.DNSName, names), *addresses]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _replace(key, secret, 0o600)
    _replace(cert, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _usage() -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _replace(place: Path, content: bytes, mode: int) -> None:
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(place)
