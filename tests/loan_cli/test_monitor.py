"""`loan monitor` as a user meets it."""

import json

import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tests.training_job.cluster import serving
from training_job import follow_up


@pytest.fixture
def root(monitored_record, fewer_draws):
    return monitored_record


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")


@pytest.fixture
def cluster():
    with serving() as cluster:
        yield cluster


@pytest.fixture
def monitor(root, trained_registry):
    places = ("--records", root / "records", "--registry", trained_registry)
    return lambda *more: CliRunner().invoke(app, [str(word) for word in ("monitor", *places, *more)])


def test_a_year_is_watched_window_by_window(monitor, root, tmp_path):
    kept = ("--history", tmp_path / "history", "--protected", root / "protected")
    first = monitor(*kept, "--to", "2026-01-31", "--fail-on", "any", "--output", tmp_path / "january.json")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("loan from 2026-01-15 to 2026-01-31\nv2: 2000 decisions; of ")
    assert "calibration was not judged: No outcomes have come." in first.stdout
    files = [tmp_path / name for name in ("monitor.json", "loan.prom", "report.html")]
    written = [word for pair in zip(("--output", "--metrics", "--report"), files, strict=True) for word in pair]
    rest = monitor(*kept, *written, "--outcomes", root / "outcomes.csv", "--fail-on", "calibration,drift")
    assert rest.exit_code == 1
    assert rest.stderr.startswith("error: v2: Credit_Score has a PSI of 0.")
    assert "v2: Of those approved in 2026-03" in rest.stderr
    result = json.loads(files[0].read_text())
    assert (result["first"], result["last"]) == ("2026-02-01", "2026-03-15")
    assert result["versions"][0]["rows"] == 4000
    assert 'check="calibration",subject="2026-03"} 1.0' in files[1].read_text()
    assert "2 windows" in files[2].read_text()
    assert len(list((tmp_path / "history").glob("monitor-*.json"))) == 2
    assert (tmp_path / "history/gauges.prom").read_text() == files[1].read_text()


def test_the_result_is_printed_where_no_file_is_named(monitor):
    done = monitor("--from", "2026-03-01", "--set", "psi=0.9", "--fail-on", "drift")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["limits"]["psi"] == 0.9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--fail-on", "drfit"), "--fail-on has no finding drfit; the findings are drift, score-drift,"),
        (("--retrain-on", "psi"), "--retrain-on has no finding psi; the findings are drift,"),
        (("--event-on", "any"), "--event-on and --retrain-on need --service: the InferenceService of the release"),
        (("--event-on", "any", "--service", "loan"), "No cluster was found: "),
        (("--set", "psi"), "--set psi has no value; write --set psi=VALUE."),
        (("--set", "psi=much"), "The limit psi is much; it must be a number above 0 and below 1."),
        (("--from", "2030-01-01"), "has no decisions from 2030-01-01 to 2026-01-31."),
        (("--records", "nowhere"), "There is no record at nowhere."),
        (("--registry", "nowhere"), "No registry was found at nowhere. `loan train` creates one."),
        (("--protected", "nowhere"), "There is no record at nowhere."),
        (("--outcomes", "nowhere.csv"), "nowhere.csv"),
        (("--output", "/dev/null/monitor.json"), "The file /dev/null/monitor.json cannot be written: "),
        (("--history", "/dev/null/history"), "The history /dev/null/history cannot be created: "),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(monitor, options, sentence):
    done = monitor("--to", "2026-01-31", *options)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.output


def test_what_is_found_is_told_to_the_cluster_and_trained_for(monitor, root, cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(follow_up, "connect", cluster.client)
    outcomes = ("--outcomes", root / "outcomes.csv", "--output", tmp_path / "monitor.json")
    options = ("--event-on", "drift", "--retrain-on", "calibration", "--service", "loan-model")
    before = monitor(*outcomes, *options, "--to", "2026-01-31")
    assert (before.exit_code, cluster.told) == (0, []), before.output
    done = monitor(*outcomes, *options, "--fail-on", "drift", "--from", "2026-03-01")
    assert done.exit_code == 1
    assert "The training loan-model-training-v2 was started because of calibration of v2." in done.stderr
    assert "error: v2: Credit_Score has a PSI of 0." in done.stderr
    assert [event["reason"] for event in cluster.told] == ["Calibration", "Drift", "TrainingStarted"]
    assert list(cluster.jobs) == ["loan-model-training-v2"]


def test_a_wrong_date_is_a_wrong_option(monitor):
    done = monitor("--from", "yesterday")
    assert (done.exit_code, "Traceback" in done.output) == (2, False)
