"""HTTP as load balancers, browsers and generated clients use it: HEAD, Host, codings, compression, ids, origins."""

import gzip
import json
import re
import zlib
from email.utils import parsedate_to_datetime

import httpx
import numpy as np
import pytest
import tritonclient.http
import zstandard

from tabular_model.model import TabularModel
from tests.model_server.serving import APPLICANT, in_process, outputs, v2_columns
from tests.model_server.test_http import BODY, LIVE, Connection, infer
from tests.model_server.test_v2_rest import INFER, binary_request

ROWS = np.tile([41, 82000, 715, 15000, 5, 3, 0.0], (500, 1))
PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}


@pytest.fixture
def connection(server):
    opened = Connection(server.http_port)
    yield opened
    opened.socket.close()


@pytest.mark.parametrize(
    "path", ["/", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/loan", "/metrics", "/docs"]
)
def test_head_is_get_without_the_body(http, path):
    head, get = http.head(path), http.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert head.headers["content-type"] == get.headers["content-type"]


def test_what_is_allowed_names_head(http):
    refused = http.delete("/v2/models/loan")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("ask", "status", "word"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "host"),
        (b"GET / HTTP/1.0\r\n\r\n", 200, ""),
        (b"GET / HTTP/1.1\r\nhost:\r\n\r\n", 200, ""),
    ],
    ids=["none", "two", "HTTP/1.0", "empty"],
)
def test_the_host_header(connection, ask, status, word):
    connection.send(ask)
    found, _, body = connection.answer()
    assert found == status
    assert word in body.decode()


def test_a_transfer_coding_that_is_not_known_is_named(connection):
    connection.send(infer(b"0\r\n\r\n", content_length=None, transfer_encoding="gzip, chunked"))
    status, _, body = connection.answer()
    assert status == 501
    assert "Transfer-Encoding is 'gzip, chunked'" in json.loads(body)["error"]


def test_a_url_that_is_too_long(connection):
    connection.send(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    status, _, body = connection.answer()
    assert status == 414
    assert "16384 bytes" in json.loads(body)["error"]


def test_expect_from_http_1_0_is_passed_over(connection):
    ask = infer(expect="100-continue").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    connection.send(ask)
    assert connection.answer()[0] == 200


def test_an_escaped_slash_is_no_separator(http):
    answer = http.get("/v2%2Fmodels%2Floan")
    assert answer.status_code == 404
    assert http.get("/v2/models/lo%61n").status_code == 200


def test_every_answer_has_its_date(http):
    for answer in (http.get("/"), http.post("/predict", json={})):
        assert parsedate_to_datetime(answer.headers["date"]).year >= 2024


@pytest.mark.parametrize("coding", PACK)
def test_request_bodies_may_be_compressed(http, coding):
    for path, body in ((INFER, v2_columns(ROWS)), ("/predict", APPLICANT), ("/predict_batch", [APPLICANT] * 300)):
        plain = http.post(path, json=body)
        headers = {"content-encoding": coding, "content-type": "application/json"}
        answer = http.post(path, content=PACK[coding](json.dumps(body).encode()), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json() == plain.json()


def test_raw_deflate_is_taken_as_well(http):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = packer.compress(BODY) + packer.flush()
    headers = {"content-encoding": "deflate", "content-type": "application/json"}
    assert http.post(INFER, content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("coding", PACK)
def test_a_compressed_body_is_bounded(http, coding):
    bomb = PACK[coding](b"0" * 10**8)
    answer = http.post(INFER, content=bomb, headers={"content-encoding": coding})
    assert answer.status_code == 413
    assert "after decompression" in answer.json()["error"]
    for broken in (b"", b"nonsense", PACK[coding](BODY)[:10]):
        answer = http.post(INFER, content=broken, headers={"content-encoding": coding})
        assert answer.status_code == 400
        assert coding in answer.json()["error"]


def test_large_answers_are_compressed_where_that_is_asked(http):
    asked = http.post(INFER, json=v2_columns(ROWS), headers={"accept-encoding": "br, gzip;q=0.5"})
    assert asked.headers["content-encoding"] == "gzip"
    assert asked.headers["vary"] == "accept-encoding"
    assert int(asked.headers["content-length"]) < 4000
    for accepted in ("identity", "gzip;q=0", "br"):
        plain = http.post(INFER, json=v2_columns(ROWS), headers={"accept-encoding": accepted})
        assert "content-encoding" not in plain.headers
        assert plain.json() == asked.json()
    small = http.post(INFER, content=BODY, headers={"accept-encoding": "gzip", "content-type": "application/json"})
    assert "content-encoding" not in small.headers


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_tritons_client_compresses_both_ways(server, algorithm):
    client = tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http_port}")
    tensor = tritonclient.http.InferInput("application", ROWS.shape, "FP64")
    tensor.set_data_from_numpy(ROWS)
    plain = client.infer("loan", [tensor]).as_numpy("probability")
    compressed = client.infer(
        "loan", [tensor], request_compression_algorithm=algorithm, response_compression_algorithm=algorithm
    )
    np.testing.assert_array_equal(compressed.as_numpy("probability"), plain)


def test_binary_tensors_may_be_compressed(http):
    body, headers = binary_request(ROWS)
    plain = http.post(INFER, content=body, headers=headers).json()
    packed = http.post(INFER, content=gzip.compress(body), headers=headers | {"content-encoding": "gzip"})
    assert outputs(packed.json()) == outputs(plain)


def test_a_request_has_an_id(http, connection):
    given = http.get("/", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    made = {http.get("/").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert all(re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", each) for each in made)
    assert len(http.get("/", headers={"x-request-id": "x" * 1000}).headers["x-request-id"]) == 128
    connection.send(LIVE[:-2] + b"x-request-id: %d%s\r\n\r\n")
    assert connection.answer()[1]["x-request-id"] == "%d%s"


def test_log_lines_name_the_request(trained_registry, capfd, monkeypatch):
    with in_process(trained_registry) as http:
        http.post("/v2/repository/models/loan/load", json={}, headers={"x-request-id": "load-7"})
        monkeypatch.setattr(TabularModel, "score", None)
        failed = http.post("/predict", json=APPLICANT, headers={"x-request-id": "ask-8"})
        assert failed.status_code == 500
    written = capfd.readouterr()
    lines = (written.err + written.out).splitlines()
    audited = next(json.loads(line) for line in lines if line.startswith('{"audit":"load"'))
    assert audited["request_id"] == "load-7"
    assert any("model failed" in line and "ask-8" in line for line in lines)


def test_origins_are_none_unless_named(http):
    answer = http.get("/", headers={"origin": "https://bank.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert http.options("/predict", headers={"origin": "https://bank.example"}).status_code == 405


def test_pages_of_named_origins_may_ask(trained_registry):
    with in_process(trained_registry, cors_origins="https://bank.example, https://other.example") as http:
        origin = {"origin": "https://bank.example"}
        asked = http.options("/predict", headers=origin | {"access-control-request-method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "https://bank.example"
        assert "POST" in asked.headers["access-control-allow-methods"]
        for header in ("content-type", "traceparent", "tracestate"):
            assert header in asked.headers["access-control-allow-headers"].split(", ")
        for answer in (
            http.post("/predict", json=APPLICANT, headers=origin),
            http.post("/predict?explain=true", json=APPLICANT, headers=origin),
            http.post("/predict", json={}, headers=origin),
        ):
            assert answer.headers["access-control-allow-origin"] == "https://bank.example"
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
            assert answer.headers["vary"] == "origin"
        for other in ({"origin": "https://evil.example"}, {}):
            answer = http.post("/predict", json=APPLICANT, headers=other)
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["vary"] == "origin"
        refused = http.options(
            "/predict", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
        )
        assert "access-control-allow-origin" not in refused.headers


def test_any_origin_may_be_named(trained_registry):
    with in_process(trained_registry, cors_origins="*") as http:
        answer = httpx.get(http.base_url, headers={"origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
