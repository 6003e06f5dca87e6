"""The judgement over HTTP, asked as Flagger asks."""

import json
import signal
import socket
import subprocess
import sys
import time
from threading import Event, Thread

import httpx
import pytest

from rollout import webhook
from rollout.evidence import find
from rollout.thresholds import thresholds
from rollout.webhook import MAX_AT_ONCE, MAX_BODY_BYTES, Judging
from rollout.window import Window


@pytest.fixture(autouse=True)
def stable(prometheus):
    """v1 has answered enough."""
    prometheus.answer("v1", 600)


@pytest.fixture
def post(prometheus):
    """Asks a judge of that Prometheus."""
    labels = {"namespace": "bank"}
    evidence = find(prometheus=prometheus.url, labels=labels, selector="", release="", namespace="", context="")
    window = Window(evidence, thresholds(None, None, []), since=300, patience=0, pause=1)
    with Judging("127.0.0.1:0", window) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with httpx.Client(base_url=url, timeout=60) as client:
            yield client.post
        server.shutdown()


def payload(**metadata):
    return {"name": "loans", "namespace": "bank", "phase": "Progressing", "checksum": "85d5", "metadata": metadata}


VERSIONS = payload(stable="v1", canary="v2")


@pytest.mark.parametrize(
    ("requests", "faults", "fine", "worse", "text"),
    [
        (600, 0, 200, 409, "v2 against v1 is fine: no worse in any check over 600 requests"),
        (600, 0.3, 409, 200, "v2 against v1 is worse: 30.0% of its requests fail"),
        (10, 0, 425, 425, "v2 against v1 is unsure: too little traffic to tell: 10 requests"),
    ],
)
def test_the_status_says_whether_it_is_what_was_asked(prometheus, post, capsys, requests, faults, fine, worse, text):
    prometheus.answer("v2", requests, faults=faults)
    for path, status in (("/fine", fine), ("/worse", worse)):
        answer = post(path, json=VERSIONS)
        assert (answer.status_code, text in answer.text) == (status, True), answer.text
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["canary"] for each in logged] == ["v2", "v2"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The body is not a Flagger webhook"),
        (b"[]", "The body is not a Flagger webhook"),
        (b"\xff", "The body is not a Flagger webhook"),
        (b'{"metadata": ' + b"[" * 30_000, "The body is not a Flagger webhook"),
        (b'{"metadata": {"stable": 1}}', "The body is not a Flagger webhook"),
        (b"{}", "stable must be a version such as v1, not ''"),
        (json.dumps(payload(stable="v1")).encode(), "canary must be a version such as v1, not ''"),
        (json.dumps(payload(stable="v1", canary="v1")).encode(), "both v1"),
        (json.dumps(payload(stable="v1", canary='v2"} or {a="')).encode(), "canary must be a version such as v1"),
        (b" " * (MAX_BODY_BYTES + 1), "at most 65536 bytes"),
    ],
)
@pytest.mark.parametrize("path", ["/fine", "/worse"])
def test_a_request_that_names_no_versions_is_refused_with_a_sentence(prometheus, post, path, body, sentence):
    answer = post(path, content=body)
    assert (answer.status_code, sentence in answer.text, prometheus.asked) == (400, True, {}), answer.text


def test_a_body_without_a_length_is_refused(post):
    assert post("/fine", content=iter([b"{}"])).status_code == 400


@pytest.mark.parametrize("path", ["/fine", "/worse"])
def test_an_outage_is_no_verdict(prometheus, post, path):
    prometheus.status = 503
    answer = post(path, json=VERSIONS)
    assert (answer.status_code, "did not answer" in answer.text) == (503, True)


def test_a_bug_is_no_verdict_either(post, capsys, monkeypatch):
    monkeypatch.setattr(webhook.Window, "judge", lambda *_: 1 / 0)
    assert post("/worse", json=VERSIONS).status_code == 500
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_other_paths_say_which_there_are(post):
    answer = post("/", json=VERSIONS)
    assert (answer.status_code, "POST /fine" in answer.text) == (404, True)


def test_only_so_many_judgements_run_at_once(prometheus, post, monkeypatch):
    arrived, go_on = [], Event()
    real = webhook.Window.judge
    monkeypatch.setattr(webhook.Window, "judge", lambda *words: (arrived.append(1), go_on.wait(10), real(*words))[2])
    answers = []
    threads = [Thread(target=lambda: answers.append(post("/fine", json=VERSIONS))) for _ in range(MAX_AT_ONCE)]
    for thread in threads:
        thread.start()
    while len(arrived) < MAX_AT_ONCE:
        time.sleep(0.01)
    refused = post("/fine", json=VERSIONS)
    assert (refused.status_code, "retry" in refused.text) == (503, True)
    go_on.set()
    for thread in threads:
        thread.join()
    assert [each.status_code for each in answers] == [425] * MAX_AT_ONCE


def test_the_command_serves_until_it_is_told_to_end(prometheus):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "loan_cli", "judge", "--serve", f":{port}", "--prometheus", prometheus.url]
    with subprocess.Popen([*command, "--label", "a=b"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as judge:
        assert f"Judging on port {port}.".encode() in judge.stderr.readline()
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").text == "ok\n"
        assert httpx.post(f"http://127.0.0.1:{port}/fine", json=VERSIONS).status_code == 425
        judge.send_signal(signal.SIGTERM)
        out, _ = judge.communicate(timeout=10)
    assert (judge.returncode, json.loads(out)["verdict"]) == (0, "unsure")
