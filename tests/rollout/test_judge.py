"""`loan judge`: verdicts by exit code, as a table and as JSON; where its figures and thresholds come from."""

import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from typer.testing import CliRunner

from loan_cli.app import app
from rollout import window
from tests.rollout.cluster import DEFAULTS

ROOT = Path(__file__).parents[2]
BOTH = ("--stable", "v1", "--canary", "v2")
LIMITS = DEFAULTS["rollout"]["judgement"]


def judge(*words):
    return CliRunner().invoke(app, ["judge", *map(str, words)])


def report(*words):
    """The JSON document, whatever the verdict."""
    return json.loads(judge(*BOTH, "--json", *words).stdout)


@pytest.fixture
def asked(prometheus):
    """The options that lead to it."""
    return ("--prometheus", prometheus.url, "--label", "namespace=bank")


@pytest.mark.parametrize(
    ("faults", "requests", "code", "verdict", "why"),
    [
        (0, 500, 0, "fine", "no worse in any check over 500 requests"),
        (0.3, 500, 1, "worse", "30.0% of its requests fail, of stable's 0.0%"),
        (0.3, 100, 1, "worse", "30.0% of its requests fail, of stable's 0.0%"),
        (0, 499, 2, "unsure", "too little traffic to tell: 499 requests, and 600 of stable"),
        (0, 0, 2, "unsure", "too little traffic to tell: 0 requests, and 600 of stable"),
    ],
)
def test_the_exit_code_is_the_verdict(prometheus, asked, faults, requests, code, verdict, why):
    prometheus.answer("v1", 600)
    if requests:
        prometheus.answer("v2", requests, faults=faults)
    table = judge(*BOTH, *asked)
    assert (table.exit_code, why in table.stdout, verdict in table.stdout) == (code, True, True), table.output
    document = judge(*BOTH, *asked, "--json")
    found = json.loads(document.stdout)
    assert (document.exit_code, found["verdict"], found["why"]) == (code, verdict, why)
    assert "restarts: not judged, because its pods are not known" in table.stdout


def test_the_document_holds_figures_window_and_thresholds(prometheus, asked):
    prometheus.answer("v1", 600)
    prometheus.answer("v2", 600, approves=0.8)
    found = report(*asked, "--since", "90s")
    assert (found["stable"], found["canary"], found["window"]["seconds"]) == ("v1", "v2", pytest.approx(90, abs=5))
    assert found["window"]["start"] < found["window"]["end"]
    assert (found["judged"]["stable_requests"], found["judged"]["canary_requests"]) == (600, 600)
    checks = {each["check"]: each for each in found["judged"]["findings"]}
    approvals = checks["approvals"]
    assert (approvals["stable"], approvals["canary"], approvals["outcome"]) == (0.5, 0.8, "worse")
    assert approvals["p_value"] < LIMITS["significance"]
    assert {"errors", "p50 seconds", "p99 seconds", "scores (PSI)", "missing", "out of range"} < checks.keys()
    assert found["not_judged"] == {"restarts": "its pods are not known"}


def test_prometheus_is_asked_for_the_labelled_series_then_and_now(prometheus, asked):
    prometheus.answer("v1", 10)
    assert report(*asked, "--label", "job=loans")["judged"]["stable_requests"] == 10
    assert prometheus.asked["query"].endswith(',namespace="bank",job="loans",version="v2"}[1h])')
    # With a window so short that its start is answered as now is, nothing was counted in it.
    assert report(*asked, "--since", "1s")["judged"]["stable_requests"] == 0


def test_it_waits_for_enough_traffic(prometheus, asked, monkeypatch):
    prometheus.answer("v1", 600)
    prometheus.answer("v2", 100)
    clock = Mock(wraps=time, sleep=lambda _: prometheus.answer("v2", 300))
    monkeypatch.setattr(window, "time", clock)
    done = judge(*BOTH, *asked, "--wait", "1m")
    assert done.exit_code == 0
    assert re.findall(r"(\d+) requests of v2: unsure", done.stderr) == ["100", "400"]


def test_after_the_wait_it_is_still_unsure(prometheus, asked):
    assert judge(*BOTH, *asked, "--wait", "1s").exit_code == 2


def test_defaults_are_the_charts_values(asked):
    assert report(*asked)["thresholds"] == LIMITS


def test_thresholds_of_a_values_file_and_of_an_option_win(asked, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("stable: {version: v1}\nrollout: {judgement: {minRequests: 50, psi: 0.1}}")
    found = report(*asked, "--values", values, "--set", "minRequests=20", "--set", "approvalShift=0.5")
    assert found["thresholds"] == LIMITS | {"minRequests": 20, "psi": 0.1, "approvalShift": 0.5}
    values.write_text("rollout: {enabled: true}")
    assert report(*asked, "--values", values)["thresholds"] == LIMITS


def test_the_wheel_that_the_image_installs_holds_the_charts_values(tmp_path):
    stage = (ROOT / "k8s/Dockerfile").read_text().partition("AS project\n")[2].partition("\nFROM")[0]
    copied = [line.split()[1:] for line in stage.splitlines() if line.startswith("COPY ")]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for *sources, target in copied:
        for source in sources:
            assert f"!{source}" in ignored
            path = tmp_path / source
            path.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, path, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                assert target.removeprefix("./") in ("", f"{Path(source).parent}/")
                shutil.copy(ROOT / source, path)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("dist/*.whl"))) as wheel:
        assert yaml.safe_load(wheel.read("rollout/chart_values.yaml")) == DEFAULTS


@pytest.mark.parametrize("where", [("--release", "loans"), ("--selector", "app=loans")])
def test_pods_are_watched_and_their_restarts_count(cluster, where):
    cluster.split = ("v1", "v2", 50)
    done = judge(*BOTH, *where, "--since", "1s")
    assert (done.exit_code, "no worse in any check over" in done.stdout) == (0, True), done.output
    assert "0 requests of v2: unsure" not in done.stderr
    cluster.versions["v2"].restarts = 2
    done = judge(*BOTH, *where, "--since", "1s")
    assert (done.exit_code, "its pods restarted 2 times" in done.stdout) == (1, True)


def test_a_releases_own_thresholds_count(cluster):
    cluster.split = ("v1", "v2", 50)
    found = report("--release", "loans", "--since", "0s")
    assert found["thresholds"] == LIMITS | {"minRequests": 100}
    assert report("--release", "loans", "--since", "0s", "--set", "psi=1")["thresholds"]["psi"] == 1


def test_restarts_are_judged_beside_figures_of_prometheus(cluster, prometheus, asked):
    cluster.split = ("v1", "v2", 50)
    cluster.versions["v2"].restarts = 1
    done = judge(*BOTH, *asked, "--selector", "app=loans")
    assert (done.exit_code, "its pods restarted 1 times" in done.stdout) == (1, True)
    assert prometheus.asked


def test_a_canary_without_pods_is_not_said_to_be_healthy(cluster, prometheus, asked):
    assert report(*asked, "--selector", "app=loans")["not_judged"] == {"restarts": "no pod of v2 was found"}


SOMEWHERE = ("--prometheus", "http://127.0.0.1:1", "--label", "namespace=bank")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "stable must be a version such as v1"),
        ((*BOTH, "--wiat", "1m"), "No such option: --wiat"),
        ((*BOTH, "--since"), "--since"),
        (("--stable", "v1", "--canary", "latest"), "canary must be a version such as v1, not 'latest'"),
        (("--stable", "v1", "--canary", "v1"), "stable and canary are both v1"),
        (BOTH, "Choose the source of the figures"),
        ((*BOTH, "--prometheus", "http://127.0.0.1:1"), "--prometheus and --label require each other"),
        ((*BOTH, "--label", "a=b", "--selector", "a=b"), "--prometheus and --label require each other"),
        ((*BOTH, "--prometheus", "http://127.0.0.1:1", "--label", "bank"), "--label must be NAME=VALUE"),
        ((*BOTH, "--selector", "a=b", "--release", "loans"), "use one of them"),
        ((*BOTH, *SOMEWHERE), "Prometheus at http://127.0.0.1:1 did not answer"),
        ((*BOTH, "--prometheus", "nowhere", "--label", "a=b"), "Prometheus at nowhere did not answer"),
        ((*BOTH, "--prometheus", "http://[", "--label", "a=b"), "Prometheus at http://[ did not answer"),
        ((*BOTH, *SOMEWHERE, "--since", "5 minutes"), "--since must be a duration such as 90s or 1h30m"),
        ((*BOTH, *SOMEWHERE, "--wait", ""), "--wait must be a duration"),
        ((*BOTH, *SOMEWHERE, "--set", "minRequest=1"), "Unknown threshold minRequest; the thresholds are minRequests,"),
        ((*BOTH, *SOMEWHERE, "--set", "minRequests=many"), "A threshold cannot be used: Expected `int`"),
        ((*BOTH, *SOMEWHERE, "--set", "minRequests=0"), "The threshold minRequests is 0"),
        ((*BOTH, *SOMEWHERE, "--set", "errorRatio=nan"), "The threshold errorRatio is nan"),
        ((*BOTH, *SOMEWHERE, "--set", "psi=-1"), "The threshold psi is -1"),
        ((*BOTH, *SOMEWHERE, "--set", "significance=1"), "The threshold significance is 1"),
        ((*BOTH, *SOMEWHERE, "--values", "nowhere.yaml"), "nowhere.yaml cannot be read: No such file"),
        ((*BOTH, *SOMEWHERE, "--serve", ":8080"), "--serve reads the versions from each request"),
        ((*SOMEWHERE, "--serve", "here"), "--serve cannot listen on 'here'"),
        ((*SOMEWHERE, "--serve", ":99999"), "--serve cannot listen on ':99999'"),
    ],
)
def test_what_is_no_verdict_ends_with_3_and_a_sentence(words, sentence):
    done = judge(*words)
    assert (done.exit_code, done.stdout) == (3, ""), done.output
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["- 1", "rollout: {judgement: [1]}", "rollout: {judgement: {psi: [1]}}", "a: b: c"])
def test_a_values_file_of_something_else_is_named(tmp_path, text):
    (tmp_path / "values.yaml").write_text(text)
    done = judge(*BOTH, *SOMEWHERE, "--values", tmp_path / "values.yaml")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "values.yaml" in done.stderr or "A threshold cannot be used" in done.stderr


@pytest.mark.parametrize("status", [500, 401])
def test_a_prometheus_that_refuses_is_no_verdict(prometheus, asked, status):
    prometheus.status = status
    done = judge(*BOTH, *asked)
    assert (done.exit_code, f"'{status} " in done.stderr) == (3, True)


def test_a_cluster_that_is_away_or_has_no_release_is_no_verdict(cluster):
    done = judge(*BOTH, "--release", "other")
    assert (done.exit_code, "no release other" in done.stderr) == (3, True)
    done = judge(*BOTH, "--release", "loans", "--context", "nowhere")
    assert (done.exit_code, "No cluster was found" in done.stderr) == (3, True)
    cluster.is_away = lambda: True
    done = judge(*BOTH, "--selector", "app=loans")
    assert (done.exit_code, "The cluster cannot be reached" in done.stderr) == (3, True)


def test_a_bug_is_no_verdict_either(monkeypatch, asked):
    monkeypatch.setattr(window, "judge", lambda *_: 1 / 0)
    done = judge(*BOTH, *asked)
    assert (done.exit_code, "ZeroDivisionError" in done.stderr) == (3, True)


def test_help_says_what_the_codes_mean():
    done = judge("--help")
    assert done.exit_code == 0
    assert "2 too little traffic to tell" in " ".join(done.stdout.split())
