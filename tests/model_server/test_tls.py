"""Both ports speak TLS, and take a new certificate without a restart."""

import datetime
import ssl

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from model_server.tls import Certificate
from tabular_model.errors import ModelError
from tests.model_server.serving import APPLICANT, Server


def write(folder, common_name, host="localhost"):
    """A self-signed pair for the host, put in place as the kubelet does it: by a link that changes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    data = folder / common_name
    data.mkdir(parents=True)
    (data / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (data / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    link = folder / "..new"
    link.symlink_to(data)
    link.rename(folder / "..data")
    for each in ("tls.crt", "tls.key"):
        if not (folder / each).exists():
            (folder / each).symlink_to(f"..data/{each}")
    return data / "tls.crt"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tls"


def by_rest(server, authority):
    context = ssl.create_default_context(cafile=authority)
    with httpx.Client(base_url=server.url.replace("http://127.0.0.1", "https://localhost"), verify=context) as http:
        return http.post("/predict", json=APPLICANT).json()["model_version"]


def by_grpc(server, authority):
    target = f"localhost:{server.grpc_port}"
    with grpc.secure_channel(target, grpc.ssl_channel_credentials(authority.read_bytes())) as channel:
        return GRPCInferenceServiceStub(channel).ModelReady(pb.ModelReadyRequest(name="loan"), timeout=10).ready


def test_both_ports_take_a_new_certificate_without_a_restart(trained_registry, folder, wait_for):
    first = write(folder, "first")
    server = Server(trained_registry, tls_certificate=folder / "tls.crt", tls_key=folder / "tls.key")
    try:
        wait_for(lambda: answers(server, first), seconds=60)
        with httpx.Client(verify=ssl.create_default_context(cafile=first)) as kept:
            where = server.url.replace("http://127.0.0.1", "https://localhost") + "/v2/health/live"
            kept.get(where)
            second = write(folder, "second")
            assert by_rest(server, second) == "v2"
            assert by_grpc(server, second)
            assert kept.get(where).status_code == 200, "a connection that is open goes on"
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            by_rest(server, first)
        with pytest.raises(grpc.RpcError):
            by_grpc(server, first)
        (folder / "..data/tls.key").write_text("broken")
        assert by_rest(server, second) == "v2"
        assert by_grpc(server, second)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{server.url}/v2/health/live")
    finally:
        server.process.kill()
        _, said = server.process.communicate()
    assert "the new certificate is not used" in said
    assert "PRIVATE" not in said


def answers(server, authority):
    assert server.process.poll() is None
    try:
        return by_rest(server, authority) == "v2" and by_grpc(server, authority)
    except (httpx.HTTPError, grpc.RpcError):
        return False


def test_a_pair_that_does_not_fit_is_refused_at_the_start(tmp_path):
    one, other = write(tmp_path / "a", "one"), write(tmp_path / "b", "other")
    with pytest.raises(ModelError, match=r"tls\.crt and .*tls\.key"):
        Certificate(one, other.with_name("tls.key"))
    with pytest.raises(ModelError, match="absent"):
        Certificate(one, tmp_path / "absent")


def test_half_of_a_pair_is_refused(trained_registry, tmp_path):
    server = Server(trained_registry, tls_certificate=write(tmp_path, "one"))
    _, said = server.process.communicate(timeout=60)
    assert server.process.returncode == 1
    assert "error: TLS needs both LOAN_TLS_CERTIFICATE and LOAN_TLS_KEY" in said
