"""Who may predict, train, load and promote: four rights, at every endpoint, by a tokens file."""

import json
import re
import shutil
import threading

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from typer.testing import CliRunner

from loan_cli.app import app
from model_server.access import Right, tokens
from model_server.rest.routes import ROUTES
from tabular_model.errors import ModelError
from tabular_model.registry import Registry
from tests.model_server.serving import APPLICANT, Server, serving

# Each right with the REST calls that take it, and what they answer a caller who has it.
CALLS = {
    "predict": [
        ("POST", "/predict", APPLICANT, 200),
        ("POST", "/predict_batch", [APPLICANT], 200),
        ("POST", "/explain", APPLICANT, 200),
        ("GET", "/versions", None, 200),
        ("GET", "/versions/v1/report", None, 200),
        ("GET", "/v1/models", None, 200),
        ("POST", "/v1/models/loan:predict", {}, 400),
        ("POST", "/v1/models/loan/versions/v1:predict", {}, 400),
        ("POST", "/v2/models/loan/infer", {}, 400),
        ("POST", "/v2/models/loan/versions/v1/infer", {}, 400),
        ("GET", "/v2/models", None, 200),
        ("GET", "/v2/models/loan", None, 200),
        ("GET", "/v2/models/loan/versions/v1", None, 200),
        ("GET", "/v2/models/loan/versions/v1/ready", None, 200),
        ("POST", "/v2/repository/index", {}, 200),
    ],
    "train": [("POST", "/train", {"seed": 1}, 500), ("GET", "/train/nothing", None, 404)],
    "load": [
        ("POST", "/v2/repository/models/loan/load", {}, 200),
        ("POST", "/v2/repository/models/loan/unload", {"parameters": {"version": "v9"}}, 404),
    ],
    "promote": [("POST", "/promote", {"version": "v9", "reason": "x"}, 404)],
}
OPEN = [
    "/",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/loan/ready",
    "/v1/models/loan",
    "/ui/page.css",
    "/docs/swagger-ui.css",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory, trained_registry):
    home = tmp_path_factory.mktemp("access")
    shutil.copytree(trained_registry, home / "registry")
    return home


@pytest.fixture(scope="module")
def owners(home):
    """A token for each right alone."""
    return {right.value: tokens.add(home / "tokens.json", f"who-{right}", (right,)) for right in Right}


@pytest.fixture(scope="module")
def closed(home, owners):
    """A server where every right needs a token; nothing to train on, so that a training fails at once."""
    settings = {"tokens": home / "tokens.json", "anyone_may": "", "train_data": home / "absent.csv"}
    with serving(home / "registry", **settings) as server:
        yield server


@pytest.fixture
def http(closed):
    with httpx.Client(base_url=closed.url, timeout=60) as client:
        yield client


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_every_endpoint_is_tried():
    paths = {right: {path for _, path, _, _ in calls} for right, calls in CALLS.items()} | {None: set(OPEN)}
    for route in ROUTES:
        pattern = re.sub(r"\\{\w+\\}", r"[^/:]+", re.escape(route.path))
        assert any(re.fullmatch(pattern, path) for path in paths[route.right]), route


@pytest.mark.parametrize("right", CALLS)
@pytest.mark.parametrize("owner", [*CALLS, "nobody", "stranger"])
def test_each_right_lets_through_its_own_calls_and_no_other(http, owners, right, owner):
    headers = bearer(owners.get(owner, "made-up")) if owner != "nobody" else {}
    for method, path, body, answer in CALLS[right]:
        got = http.request(method, path, json=body, headers=headers)
        if owner == right:
            assert got.status_code == answer, (path, got.text)
        elif owner in owners:
            assert got.status_code == 403
            assert got.json()["error"].startswith(f"who-{owner} does not have the right to ")
        else:
            assert (got.status_code, got.headers["www-authenticate"]) == (401, "Bearer")
            assert "loan tokens add NAME --may" in got.json()["error"]


@pytest.mark.parametrize("path", OPEN)
def test_health_metrics_and_docs_need_no_token(http, path):
    assert http.get(path).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "token", "Bearer \xff"])
def test_a_header_that_is_no_bearer_token_is_refused(http, header):
    assert (
        http.post("/predict", json=APPLICANT, headers={b"authorization": header.encode("latin-1")}).status_code == 401
    )


@pytest.mark.parametrize(
    ("right", "call", "request_", "answer"),
    [
        ("predict", "ModelInfer", pb.ModelInferRequest(model_name="loan"), grpc.StatusCode.INVALID_ARGUMENT),
        ("predict", "ModelMetadata", pb.ModelMetadataRequest(name="loan"), None),
        ("predict", "ModelReady", pb.ModelReadyRequest(name="loan", version="v1"), None),
        ("load", "RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="loan"), None),
        ("load", "RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="x"), grpc.StatusCode.NOT_FOUND),
    ],
)
def test_grpc_takes_the_same_tokens(closed, owners, right, call, request_, answer):
    def code(metadata):
        with grpc.insecure_channel(closed.grpc_target) as channel:
            try:
                getattr(GRPCInferenceServiceStub(channel), call)(request_, metadata=metadata, timeout=30)
            except grpc.RpcError as error:
                return error.code()

    assert code([]) == grpc.StatusCode.UNAUTHENTICATED
    assert code([("authorization", "Bearer made-up")]) == grpc.StatusCode.UNAUTHENTICATED
    for owner, token in owners.items():
        expected = answer if owner == right else grpc.StatusCode.PERMISSION_DENIED
        assert code([("authorization", f"Bearer {token}")]) == expected, owner


def test_by_default_anyone_may_predict_and_nobody_anything_else(home):
    with serving(home / "registry", tokens=home / "none.json", anyone_may="predict") as server:
        for right, calls in CALLS.items():
            for method, path, body, answer in calls:
                got = httpx.request(method, server.url + path, json=body)
                assert got.status_code == (answer if right == "predict" else 401), path
    assert Registry.open(home / "registry").versions() == ["v1", "v2"]


def test_a_token_counts_from_when_it_is_added_until_it_is_removed(http, home):
    file = home / "tokens.json"
    run = CliRunner().invoke
    token = run(
        app, ["tokens", "add", "ada", "--may", "predict", "--may", "load", "--tokens", str(file)]
    ).stdout.strip()
    assert http.post("/predict", json=APPLICANT, headers=bearer(token)).status_code == 200
    assert "ada: predict, load" in run(app, ["tokens", "list", "--tokens", str(file)]).stdout
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(app, ["tokens", "add", "ada", "--may", "train", "--tokens", str(file)]).exit_code == 1
    run(app, ["tokens", "remove", "ada", "--tokens", str(file)])
    assert http.post("/predict", json=APPLICANT, headers=bearer(token)).status_code == 401
    assert "no token for ada" in run(app, ["tokens", "remove", "ada", "--tokens", str(file)]).output


def test_a_broken_tokens_file_lets_nobody_in(tmp_path):
    file = tmp_path / "tokens.json"
    token = tokens.add(file, "ada", (Right.load,))
    authorizer = tokens.TokensFile(file)
    assert authorizer.recall(token, Right.load).allowed
    file.write_text("{")
    assert not authorizer.recall(token, Right.load).caller
    with pytest.raises(ModelError, match="cannot be read"):
        tokens.add(file, "grace", (Right.load,))
    file.unlink()
    assert not authorizer.recall(token, Right.load).caller


def test_kubernetes_judges_only_rights_on_a_named_service(home):
    server = Server(home / "registry", access="kubernetes")
    _, said = server.process.communicate(timeout=60)
    assert (server.process.returncode, "LOAN_ACCESS_SERVICE must name" in said) == (1, True)


class Lines:
    """What a server writes to stderr, read while it runs."""

    def __init__(self, server):
        self.all = []
        self._reader = threading.Thread(target=lambda: self.all.extend(server.process.stderr), daemon=True)
        self._reader.start()

    def audit(self):
        entries = (json.loads(line) for line in list(self.all) if line.startswith("{"))
        return [
            {name: entry.get(name) for name in ("audit", "who", "what", "result")}
            for entry in entries
            if "audit" in entry
        ]


def test_what_changes_the_model_is_audited_with_who_and_how_it_ended(home, tmp_path, data_file, wait_for):
    registry = shutil.copytree(home / "registry", tmp_path / "registry")
    file = tmp_path / "tokens.json"
    ada = bearer(tokens.add(file, "ada", (Right.load, Right.promote, Right.train)))
    eve = bearer(tokens.add(file, "eve", (Right.predict,)))
    settings = {"tokens": file, "anyone_may": "predict", "train_data": data_file}
    with serving(registry, **settings) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        said = Lines(server)
        load, unload = "/v2/repository/models/loan/load", "/v2/repository/models/loan/unload"
        http.post(load, json={"parameters": {"version": "v1"}}, headers=ada)
        http.post(load, json={"parameters": {"version": "v9"}}, headers=ada)
        http.post(load, json={"parameters": {"version": "v1"}}, headers=eve)
        http.post(unload, json={"parameters": {"version": "v1"}}, headers=ada)
        http.post("/promote", json={"version": "v2", "reason": "", "force": True}, headers=ada)
        champion = http.post("/promote", json={"version": "v2", "reason": "calmer", "force": True}, headers=ada)
        assert champion.json()["by"] == "ada"
        http.post("/promote", json={"version": "v1", "reason": "mine"})
        trained = http.post("/train", json={"algorithm": "logistic"}, headers=ada).json()["new_model_version"]
        wait_for(lambda: said.audit()[-1]["what"] == trained)
    told = [(each["audit"], each["who"], each["what"], each["result"]) for each in said.audit()]
    training = told[-2][2]
    assert training.startswith("training ")
    assert told == [
        ("load", "ada", "v1", "done"),
        ("load", "ada", "v9", "failed"),
        ("load", "eve", load, "refused"),
        ("unload", "ada", "v1", "done"),
        ("promote", "ada", "v2", "refused"),
        ("promote", "ada", "v2", "done"),
        ("promote", "unknown", "/promote", "refused"),
        ("train", "ada", training, "started"),
        ("train", "ada", "v3", "done"),
    ]
    assert Registry.open(registry).promotions()[-1].by == "ada"


def test_a_training_that_its_server_cuts_off_is_audited_as_failed(home, tmp_path, data_file, wait_for):
    settings = {"train_data": data_file, "train_wait_seconds": 0.01}
    with serving(shutil.copytree(home / "registry", tmp_path / "registry"), **settings) as server:
        said = Lines(server)
        started = httpx.post(f"{server.url}/train", json={}).json()["job"]
        server.stop()
        wait_for(lambda: len(said.audit()) == 2)
    ended = [(each["what"], each["result"]) for each in said.audit()]
    assert ended == [(f"training {started}", "started"), (f"training {started}", "failed")]
    assert any("the server stopped before the training ended" in line for line in said.all)
    assert Registry.open(tmp_path / "registry").versions() == ["v1", "v2"]
