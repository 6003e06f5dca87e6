"""Certificates of a private authority, for tests."""

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Issued(NamedTuple):
    """The files of the authority's certificate, of the one that it signed, and of that one's key."""

    authority: Path
    certificate: Path
    key: Path


def issue(folder: Path, *names: str) -> Issued:
    """A new authority, and a certificate of it for 127.0.0.1 and these names."""
    files = Issued(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _builder("Bank CA", "Bank CA", root).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    places = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)]
    certificate = _builder("server", "Bank CA", key).add_extension(x509.SubjectAlternativeName(places), critical=False)
    files.authority.write_bytes(authority.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM))
    files.certificate.write_bytes(certificate.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
