"""A real MLflow server, and what its own client finds there."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

HOME = Path(__file__).parents[2] / ".cache/mlflow"
PYTHON = HOME / "bin/python"

# Only by this client, which is not the one that logged.
FOUND = """
import json, sys
from mlflow import MlflowClient, set_tracking_uri
set_tracking_uri(sys.argv[1])
client, model = MlflowClient(), sys.argv[2]
runs = [run for each in client.search_experiments() for run in client.search_runs([each.experiment_id])]
print(json.dumps({
    "aliases": {name: str(number) for name, number in client.get_registered_model(model).aliases.items()},
    "versions": {
        str(each.version): {"run": each.run_id, "source": each.source, "tags": each.tags}
        for each in client.search_model_versions(f"name='{model}'")
    },
    "runs": {
        run.info.run_id: {
            "name": run.info.run_name,
            "status": run.info.status,
            "metrics": run.data.metrics,
            "params": run.data.params,
            "tags": run.data.tags,
            "inputs": [each.dataset.to_dictionary() for each in run.inputs.dataset_inputs],
            "files": sorted(each.path for each in client.list_artifacts(run.info.run_id)),
        }
        for run in runs
    },
}))
"""


def installed() -> None:
    """Skips the test where there is no server, or fails with ALL_TOOLS=1."""
    if not (HOME / ".installed").exists():
        reason = "the MLflow server is not installed; `make test` does"
        (pytest.fail if os.environ.get("ALL_TOOLS") else pytest.skip)(reason)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Its URL, with SQLite in the folder; the server itself keeps artifacts there, unless options say otherwise."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PYTHON, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([*command, *options], env=_environment(), stdout=log, stderr=log, cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}"
        while not _healthy(url):  # for no longer than a test may take
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


def found(url: str, model: str = "loan") -> dict[str, Any]:
    """Runs, registered versions and aliases, as MLflow's own client has them."""
    done = subprocess.run(
        [PYTHON, "-c", FOUND, url, model], env=_environment(), capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _environment() -> dict[str, str]:
    """It starts twice as fast once Python may keep the bytecode; jobs and telemetry are not needed."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False
