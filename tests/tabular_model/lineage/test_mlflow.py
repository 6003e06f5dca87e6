"""A version in MLflow, on a real server, looked at by MLflow's own client."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from tabular_model.registry import Registry
from tabular_model.storage import open_storage
from tests.tabular_model.card.changed import republished
from tests.tabular_model.lineage import mlflow_server
from tests.tabular_model.lineage.test_lineage import loan
from tests.tabular_model.versions import publish

URI = "MLFLOW_TRACKING_URI"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    mlflow_server.installed()
    with mlflow_server.serving(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def registry(trained_registry: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """v1 and v2 of a model of this test's own."""
    for parent in (None, "v1"):
        republished(trained_registry, tmp_path / "registry", model=request.node.name, parent=parent)
    return tmp_path / "registry"


def logged(registry: Path, version: str, url: str) -> None:
    done = loan("lineage", version, "--registry", registry, "--mlflow", url, "--output", registry / "lineage.json")
    assert done.exit_code == 0, done.output


def test_a_version_is_logged_once_with_what_it_was_made_of(registry: Path, server: str) -> None:
    for _ in range(2):
        logged(registry, "v2", server)
    manifest = Registry.open(registry).manifest("v2")
    there = mlflow_server.found(server, manifest.model)
    ((run_id, run),) = [each for each in there["runs"].items() if each[1]["tags"]["loan.manifest"] == manifest.digest]
    assert (run["name"], run["status"]) == (f"{manifest.model} v2", "FINISHED")
    measured = json.loads(Registry.open(registry).read("v2", "metrics.json"))["holdout"]
    for name in ("auc", "brier", "calibration_slope"):
        for end, key in (("", "value"), (".low", "low"), (".high", "high")):
            assert run["metrics"][name + end] == pytest.approx(measured[name][key])
    assert run["metrics"]["rows"] == measured["rows"]
    assert run["params"]["algorithm"] == manifest.algorithm
    assert {f"{manifest.algorithm}.{name}": str(value) for name, value in manifest.parameters.items()}.items() <= run[
        "params"
    ].items()
    assert (run["tags"]["loan.parent"], run["tags"]["loan.data.sha256"]) == ("v1", manifest.data.sha256)
    assert "mlflow.source.git.commit" not in run["tags"]
    assert run["inputs"][0]["digest"] == manifest.data.sha256[:36]
    assert {"report.html", "manifest.json", "model.onnx", "metrics.json"} <= set(run["files"])
    assert "model.joblib" not in run["files"]
    ((number, registered),) = there["versions"].items()
    assert (number, registered["run"], registered["tags"]["loan.version"]) == ("1", run_id, "v2")
    assert registered["source"].startswith("mlflow-artifacts:/")
    assert there["aliases"] == {}


def test_the_alias_follows_the_champion(registry: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By promotions, and by the next `loan lineage` after one that nobody told MLflow of."""
    monkeypatch.setenv(URI, server)
    model = Registry.open(registry).manifest("v1").model

    def champion() -> str:
        asked = {"name": model, "alias": "champion"}
        answer = httpx.get(f"{server}/api/2.0/mlflow/registered-models/alias", params=asked).json()
        return str({each["key"]: each["value"] for each in answer["model_version"]["tags"]}["loan.version"])

    promote = ("versions", "promote", "--registry", registry, "--force", "--reason", "x")
    done = loan(*promote, "v1")
    assert "the alias champion is on v1" in done.stderr
    assert champion() == "v1"
    Registry.open(registry).promote("v2", by="a server", reason="x", force=True)
    assert champion() == "v1"
    logged(registry, "v1", server)
    assert champion() == "v2"
    assert loan(*promote, "v1").exit_code == 0
    assert champion() == "v1"
    there = mlflow_server.found(server, model)
    assert sorted(each["tags"]["loan.version"] for each in there["versions"].values()) == ["v1", "v2"]
    assert there["aliases"] == {"champion": "1"}


def test_what_was_left_unfinished_is_finished(registry: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that ends at its upload leaves a run without files; the next one fills it in, and starts no other."""
    with monkeypatch.context() as broken:
        broken.setattr("tabular_model.lineage.tracking.Tracking.upload", _fails)
        done = loan("lineage", "v1", "--registry", registry, "--mlflow", server)
        assert (done.exit_code, "The network is gone." in done.output) == (1, True)
    logged(registry, "v1", server)
    manifest = Registry.open(registry).manifest("v1")
    there = mlflow_server.found(server, manifest.model)
    (run,) = [each for each in there["runs"].values() if each["tags"]["loan.manifest"] == manifest.digest]
    assert (run["status"], "report.html" in run["files"], len(there["versions"])) == ("FINISHED", True, 1)


def _fails(*_: object) -> None:
    from tabular_model.lineage.tracking import TrackingError  # noqa: PLC0415

    raise TrackingError("The network is gone.")


def experiment(server: str, name: str, place: str) -> None:
    """One whose artifacts clients write themselves."""
    asked = {"name": name, "artifact_location": place}
    assert httpx.post(f"{server}/api/2.0/mlflow/experiments/create", json=asked).is_success


def test_a_server_that_keeps_artifacts_in_a_bucket_has_them_written_there(
    registry: Path, server: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment(server, "bucket", bucket)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "bucket")
    logged(registry, "v1", server)
    (run,) = open_storage(bucket, create=False).names()
    written = open_storage(f"{bucket}/{run}/artifacts", create=False)
    assert written.read("report.html") == Registry.open(registry).read("v1", "report.html")
    assert not written.exists("model.joblib")


def test_a_server_whose_artifacts_only_it_can_write_is_one_sentence(
    registry: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment(server, "folder", f"file://{tmp_path}/kept")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "folder")
    done = loan("lineage", "v1", "--registry", registry, "--mlflow", server, "--output", tmp_path / "lineage.json")
    assert (done.exit_code, "which only it can write to; start it with --serve-artifacts" in done.stderr) == (1, True)


def test_a_version_without_measurements_is_logged(server: str, tmp_path: Path) -> None:
    publish(Registry.open(tmp_path / "registry", create=True))
    done = loan("lineage", "v1", "--registry", tmp_path / "registry", "--mlflow", server)
    assert done.exit_code == 0, done.output


class NoMlflow(BaseHTTPRequestHandler):
    """A server of something else, which has an answer for everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def wrong() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), NoMlflow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def nobody() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_server_that_is_not_mlflow_is_one_sentence(wrong: str, trained_registry: Path) -> None:
    done = loan("lineage", "v1", "--registry", trained_registry, "--mlflow", wrong)
    assert (done.exit_code, done.stderr) == (1, f"error: {wrong} answers, but not as an MLflow server does.\n")


@pytest.mark.parametrize("uri", ["databricks", "sqlite:///mlflow.db", "file:///tmp/runs"])
def test_a_uri_of_no_server_is_one_sentence(uri: str, trained_registry: Path) -> None:
    done = loan("lineage", "v1", "--registry", trained_registry, "--mlflow", uri)
    assert (done.exit_code, done.stderr.count("\n"), "must be the http:// or https:// URL" in done.stderr) == (
        1,
        1,
        True,
    )


def test_a_variable_that_cannot_be_used_is_named(trained_registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "perhaps")
    done = loan("lineage", "v1", "--registry", trained_registry, "--mlflow", nobody())
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "error: The variable MLFLOW_TRACKING_INSECURE_TLS cannot be used" in done.stderr


def test_no_secret_is_shown(trained_registry: Path) -> None:
    uri = nobody().replace("http://", "http://ann:secret@")
    done = loan("lineage", "v1", "--registry", trained_registry, "--mlflow", uri)
    assert (done.exit_code, "secret" in done.output, "cannot be used" in done.output) == (1, False, True)


def test_a_promotion_and_a_training_do_not_fail_with_mlflow(
    trained_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_file: Path, fewer_repetitions: None
) -> None:
    monkeypatch.setenv("LOAN_COMMIT", "4f1c")
    monkeypatch.setenv("LOAN_JOB", "train-v2")
    monkeypatch.setenv(URI, nobody())
    registry = republished(trained_registry, tmp_path / "registry")
    promoted = loan("versions", "promote", "v1", "--registry", tmp_path / "registry", "--reason", "x", "--force")
    assert (promoted.exit_code, registry.champion()) == (0, "v1")
    warnings = [line for line in promoted.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: MLflow was not told of v1; `loan lineage v1` does it.")
    trained = loan(
        "train", "--data", data_file, "--registry", tmp_path / "registry", "--algorithm", "logistic", "--json"
    )
    assert (trained.exit_code, trained.stdout.count("\n"), registry.latest()) == (0, 1, "v2")
    assert "warning: MLflow was not told of v2" in trained.stderr
    manifest = registry.manifest("v2")
    assert (manifest.commit, manifest.job) == ("4f1c", "train-v2")
