"""Whatever comes in, what goes out is an answer or a refusal: no 5xx, no crash, no hang."""

import json
import socket
import subprocess
import sys

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import missing_required_header, positive_data_acceptance

from loan_model.synthetic import LOAN, generate
from model_server import batch
from model_server.dataplane import DataPlane
from model_server.metrics import Metrics
from model_server.repository import ModelRepository
from model_server.rest import openapi
from model_server.rest.routes import ROUTES
from model_server.settings import ServerSettings
from tabular_model.errors import ModelError
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.model_server.serving import APPLICANT, in_process, v2_columns
from tests.model_server.test_http import Connection, infer
from tests.model_server.test_limits import refusal
from tests.model_server.test_v2_grpc import raw
from tests.model_server.test_v2_rest import binary_request
from tests.tabular_model.test_legacy import PUBLISHED

ROW = np.array([[41, 82000, 715, 15000, 5, 3, 0.0]])
REFUSALS = range(200, 500)
bounded = settings(max_examples=60, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])

# What a training does is tried elsewhere; here it would train at every example.
document = openapi.document(ROUTES, TabularModel.from_registry(Registry.open(PUBLISHED), "v1"))
described = {path: methods for path, methods in document["paths"].items() if not path.startswith("/train")}
api = schemathesis.openapi.from_dict(document | {"paths": described})


@pytest.fixture(scope="module")
def url(trained_registry):
    with in_process(trained_registry, queue_seconds=60) as http:
        yield str(http.base_url).rstrip("/")


@pytest.fixture(scope="module")
def described_url(trained_registry):
    """A server of its own, as what is tried unloads versions."""
    with in_process(trained_registry, queue_seconds=60) as http:
        yield str(http.base_url).rstrip("/")


def validate(case, base_url):
    # How a tensor's shape and data belong together, or columns of one length, is more than a JSON schema can say.
    excluded = [positive_data_acceptance] if case.path.endswith(("infer", "predict_batch")) else []
    # This server gives everybody every right, so that it asks for no token.
    excluded.append(missing_required_header)
    case.call_and_validate(base_url=base_url, excluded_checks=excluded)


@api.parametrize()
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_the_description_holds(case, described_url):
    """Requests made from /openapi.json, right and wrong ones: the answers are as described there."""
    validate(case, described_url)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@api.parametrize()
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_the_description_holds_for_many(case, described_url):
    validate(case, described_url)


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with some of its bytes replaced, left out or repeated."""

    def change(edits):
        changed = bytearray(content)
        for at, size, put in edits:
            changed[at : at + size] = put
        return bytes(changed)

    place = st.integers(0, len(content))
    return st.lists(st.tuples(place, st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=4).map(change)


REQUEST = json.dumps(v2_columns(ROW)).encode()
BATCH = json.dumps([APPLICANT, APPLICANT]).encode()
BINARY, BINARY_HEADERS = binary_request(ROW)
GRPC = raw(ROW).SerializeToString()


@bounded
@given(body=st.binary(max_size=300) | mutated(REQUEST))
def test_v2_json(url, body):
    answer = httpx.post(f"{url}/v2/models/loan/infer", content=body)
    assert answer.status_code in REFUSALS
    assert answer.json()


@bounded
@given(body=st.binary(max_size=300) | mutated(BATCH), path=st.sampled_from(["predict", "predict_batch"]))
def test_plain_json(url, body, path):
    answer = httpx.post(f"{url}/{path}?explain=true", content=body)
    assert answer.status_code in REFUSALS
    assert answer.json()


@bounded
@given(
    body=mutated(BINARY),
    length=st.none() | st.integers(0, 2 * len(BINARY)) | st.text("-+ 0123456789²xe", max_size=5).map(str.strip),
)
def test_binary_tensors(url, body, length):
    headers = BINARY_HEADERS | ({} if length is None else {"Inference-Header-Content-Length": str(length).encode()})
    answer = httpx.post(f"{url}/v2/models/loan/infer", content=body, headers=headers)
    assert answer.status_code in REFUSALS
    assert answer.content


@bounded
@given(message=st.binary(max_size=300) | mutated(GRPC))
def test_grpc(server, message):
    assert refusal(server.grpc_target, message)[0] in ("OK", "INVALID_ARGUMENT", "NOT_FOUND")


@bounded
@given(content=mutated(infer()), pieces=st.lists(st.integers(1, 400), max_size=3))
def test_http_itself(server, content, pieces):
    """The whole request mutated, head too, and sent in pieces; then the server answers another."""
    connection = Connection(server.http_port)
    start = 0
    for size in [*pieces, len(content)]:
        try:
            connection.send(content[start : start + size])
        except OSError:
            break
        start += size
    try:
        connection.socket.shutdown(socket.SHUT_WR)
        status = connection.answer()[0]
    except (OSError, ValueError):
        status = 0
    connection.socket.close()
    assert status in (0, 100) or status in REFUSALS
    assert httpx.get(f"http://127.0.0.1:{server.http_port}/v2/health/live").status_code == 200


@pytest.fixture(scope="module")
def files(tmp_path_factory, trained_registry):
    """A folder, the plane that scores, and the content of a valid CSV and a valid Parquet file."""
    folder = tmp_path_factory.mktemp("files")
    metrics = Metrics()
    repository = ModelRepository(Registry.open(trained_registry), ServerSettings(), metrics)
    repository.refresh()
    frame = generate(30, 0)
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "a.parquet")
    return (
        folder,
        DataPlane(repository, metrics),
        {name: (folder / f"a.{name}").read_bytes() for name in ("csv", "parquet")},
    )


@bounded
@given(data=st.data(), kind=st.sampled_from(["csv", "parquet"]))
def test_files(files, data, kind):
    """Scored, or refused in one sentence with no output left."""
    folder, plane, contents = files
    source, target = folder / f"b.{kind}", folder / f"c.{kind}"
    source.write_bytes(data.draw(st.binary(max_size=200) | mutated(contents[kind])))
    target.unlink(missing_ok=True)
    try:
        for _ in batch.predict(plane, None, str(source), str(target), say=str):
            pass
    except ModelError:
        assert not target.exists()
    assert not target.with_name(target.name + ".part").exists()


def test_a_file_that_claims_more_than_it_holds(files):
    """Columns of words and of lists, with the names of numbers."""
    folder, plane, _ = files
    for values in (["one"], [[1.0]]):
        table = pa.table(dict.fromkeys(LOAN.schema.names, values))
        pyarrow.parquet.write_table(table, folder / "d.parquet")
        with pytest.raises(ModelError, match=r"d\.parquet.*column Age"):
            list(batch.predict(plane, None, str(folder / "d.parquet"), str(folder / "e.parquet"), say=str))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_fuzzer_finds_nothing():
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, "-m", "tests.model_server.fuzz", "50000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["cases"] == 50_000
    before, after = report["memory_mb"]
    assert after < before + 50
