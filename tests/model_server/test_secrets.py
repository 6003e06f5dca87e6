"""No secret that a server or a training is given comes out of it: not in logs, answers, metrics, errors or versions."""

import os
import subprocess
import sys

import httpx
import pytest

from model_server.access import Right, tokens
from tests.model_server.serving import APPLICANT, serving
from tests.model_server.test_tls import write

PASSWORD, SIGNATURE = "hunter2-password", "hunter2-signature"
SECRET_URL = f"https://bank:{PASSWORD}@127.0.0.1:9/data.csv?sig={SIGNATURE}"
KEYS = {f"AWS_{name}": f"hunter2-{name}" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")}
LOAD, UNLOAD = "/v2/repository/models/loan/load", "/v2/repository/models/loan/unload"


def lines_of(path):
    """What a key file holds, but for its frame."""
    return [line for line in path.read_text().splitlines() if "-----" not in line]


def test_a_server_tells_no_secret(trained_registry, tmp_path, keys, monkeypatch, wait_for):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    token = tokens.add(tmp_path / "tokens.json", "ada", tuple(Right))
    write(tmp_path / "tls", "one")
    settings = {
        "tokens": tmp_path / "tokens.json",
        "anyone_may": "",
        "train_sources": '{"bucket": "s3://bank/q3.csv", "web": "' + SECRET_URL + '"}',
        "log_predictions": SECRET_URL,
        "signing_key": keys / "signing.key",
    }
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = []
    with serving(trained_registry, **settings) as server, httpx.Client(base_url=server.url, timeout=90) as http:
        for sent in ({}, {"authorization": f"Bearer {token}"}, {"authorization": f"Bearer {token}x"}):
            for method, path, body in (
                ("POST", "/predict", APPLICANT),
                ("POST", "/predict", {"Age": token}),
                ("POST", "/v2/models/loan/infer", {"inputs": token}),
                ("POST", LOAD, {"parameters": {"version": "v9"}}),
                ("POST", UNLOAD, {"parameters": {"version": "v9"}}),
                ("POST", "/promote", {"version": "v9", "reason": "x"}),
                ("POST", "/train", {"data": "web"}),
                ("POST", "/train", {"data": "bucket"}),
                ("POST", "/train", {"data": "unknown"}),
                ("GET", "/openapi.json", None),
                ("GET", "/metrics", None),
                ("GET", "/nothing", None),
            ):
                answer = http.request(method, path, json=body, headers=sent)
                if token not in str(body):  # what a caller sends may be quoted to that caller
                    said += [answer.text, str(answer.headers)]
        server.stop()
        said.append(server.process.stderr.read())
    trained = [text for text in said if "Training failed" in text]
    assert len(trained) >= 2, "both sources were tried"
    assert '"audit":"train"' in said[-1]
    assert "predictions are not logged" in said[-1]
    secrets = [PASSWORD, SIGNATURE, token, *KEYS.values(), *lines_of(keys / "signing.key")]
    for secret in secrets + lines_of(tmp_path / "tls/one/tls.key"):
        for text in said:
            assert secret not in text


@pytest.mark.parametrize("data", [SECRET_URL, "s3://bank/q3.csv", None])
def test_a_training_tells_no_secret(data, data_file, tmp_path, keys):
    """A training that fails on a source with a secret, and one that publishes: its log, and all that it wrote."""
    environment = os.environ | KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "loan_cli", "train", "--algorithm", "logistic", "--data", data or str(data_file)),
            *("--registry", str(tmp_path / "registry"), "--signing-key", str(keys / "signing.key")),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if data else 0), done.stderr
    written = [path.read_bytes() for path in (tmp_path / "registry").rglob("*") if path.is_file()]
    everything = b"".join([done.stdout.encode(), done.stderr.encode(), *written])
    assert len(written) == (0 if data else 9)
    for secret in [PASSWORD, SIGNATURE, *KEYS.values(), *lines_of(keys / "signing.key")]:
        assert secret.encode() not in everything


def test_a_registry_that_cannot_be_reached_tells_no_secret(tmp_path):
    url = f"s3://hunter2-user:{PASSWORD}@bank/registry?sig={SIGNATURE}"
    environment = os.environ | KEYS | {"AWS_ENDPOINT_URL": f"http://u:{PASSWORD}@127.0.0.1:9", "LOAN_REGISTRY": url}
    for command in ("versions list", "serve", "train --data absent.csv"):
        done = subprocess.run(
            [sys.executable, "-m", "loan_cli", *command.split()],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=100,
        )
        assert done.returncode == 1
        for secret in (PASSWORD, SIGNATURE, *KEYS.values()):
            assert secret not in done.stdout + done.stderr, command
