"""Real container registries: `distribution`, which many others are made of."""

import datetime
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.gotools import gotool
from tests.model_server.serving import free_port

USER, PASSWORD = "ada", "s3cret"
_HASHED = "$2b$04$ima36sJP/oZbqnRPH1ADb.SKfedBlHd5Gmpqoju8uK/o8xMk8hTXK"  # of that password, by bcrypt


@contextmanager
def registry(folder: Path, auth: dict[str, Any] | None = None) -> Iterator[str]:
    """A registry that keeps its blobs in `folder`; its host and port."""
    host = f"127.0.0.1:{free_port()}"
    configuration = folder / "configuration.yml"
    content = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": host},
    }
    configuration.write_text(json.dumps(content | ({"auth": auth} if auth else {})))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([gotool("registry"), "serve", str(configuration)], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://{host}/v2/")
                break
            except httpx.TransportError:
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.05)
        yield host
    finally:
        process.kill()
        process.wait()


def basic(folder: Path) -> dict[str, Any]:
    """How a registry asks for the password itself."""
    (folder / "htpasswd").write_text(f"{USER}:{_HASHED}\n")
    return {"htpasswd": {"realm": "loans", "path": str(folder / "htpasswd")}}


@contextmanager
def bearer(folder: Path) -> Iterator[dict[str, Any]]:
    """How a registry asks for the token of a server beside it, which knows the password and a refresh token."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    class Tokens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = httpx.BasicAuth(USER, PASSWORD)._auth_header
            self._answer(parse_qs(urlsplit(self.path).query), self.headers["Authorization"] == known)

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(asked, asked["refresh_token"] == [PASSWORD])

        def _answer(self, asked: dict[str, list[str]], good: bool) -> None:
            self.send_response(200 if good else 401)
            self.end_headers()
            kind, name, actions = asked["scope"][0].split(":")
            now = int(time.time())
            claims = {
                **{"iss": "tokens", "aud": asked["service"][0], "sub": USER, "iat": now, "nbf": now, "exp": now + 60},
                "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
            }
            chain = [_base64(certificate)]
            token = jwt.encode(claims, key, "ES256", headers={"x5c": chain})
            self.wfile.write(json.dumps({"token": token}).encode() if good else b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "token": {
            "realm": f"http://127.0.0.1:{server.server_address[1]}/token",
            "service": "loans",
            "issuer": "tokens",
            "rootcertbundle": str(folder / "certificate.pem"),
        }
    }
    server.shutdown()
    server.server_close()


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(hours=1))
    return builder.not_valid_after(now + datetime.timedelta(hours=1)).sign(key, hashes.SHA256())


def _base64(certificate: x509.Certificate) -> str:
    lines = certificate.public_bytes(Encoding.PEM).decode().splitlines()
    return "".join(line for line in lines if not line.startswith("-----"))
