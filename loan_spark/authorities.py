"""The authorities that Java trusts: the public ones, and those of `SSL_CERT_FILE`, which Java does not read itself.

As `python -m loan_spark.authorities FILE`, which writes them as PKCS 12, with the password that Java's own file has.
"""

import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

PUBLIC = Path("/etc/ssl/certs/ca-certificates.crt")
PASSWORD = b"changeit"


def truststore(*bundles: Path) -> bytes:
    """The certificates of all bundles in PEM, each once; ValueError for what is no PEM."""
    found = {certificate for bundle in bundles for certificate in x509.load_pem_x509_certificates(bundle.read_bytes())}
    named = [PKCS12Certificate(each, f"authority-{place}".encode()) for place, each in enumerate(found)]
    return serialize_java_truststore(named, BestAvailableEncryption(PASSWORD))


if __name__ == "__main__":
    chosen = [path for path in (PUBLIC, Path(os.environ["SSL_CERT_FILE"])) if path.exists()]
    Path(sys.argv[1]).write_bytes(truststore(*chosen))
