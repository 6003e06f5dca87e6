"""`loan lineage`, on the terminal, as JSON and as OpenLineage's events."""

import json
import shutil
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from openlineage.client.event_v2 import RunEvent
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.registry import Registry
from tests.tabular_model.card.changed import republished
from tests.tabular_model.lineage.decided import ROLLED_OUT
from tests.tabular_model.versions import publish

EARLIER = Path(__file__).parents[1] / "published_format_1"


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def loan(*command: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in command])


def traced(registry: Path, version: str, *options: object) -> dict[str, Any]:
    done = loan("lineage", version, "--registry", registry, "--json", *options)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def registry(trained_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1, promoted and replaced; v2, trained in a Job by a release, promoted."""
    root = tmp_path_factory.mktemp("lineage") / "registry"
    republished(trained_registry, root).promote("v1", by="ann", reason="the first", force=True)
    opened = republished(trained_registry, root, commit="4f1c", job="train-v2", run="uid-7", parent="v1")
    opened.promote("v2", by="bob", reason="better\x1b[31m [bold]calibrated", force=True)
    return root


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    """The options for a log of audit lines and what a rollout printed, among other lines."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "audit.log").write_text(
        "INFO: v2 is served\n"
        '{"audit":"train","who":"ci","what":"training train-v2","when":"2026-11-01T01:00:00Z","result":"started"}\n'
        '{"audit":"train","who":"uid 65532","what":"v2","when":"2026-11-01T02:00:00Z","result":"done"}\n'
        '{"audit":"promote","who":"eve","what":"v2","when":"2026-11-01T02:30:00Z","result":"refused","why":"gate"}\n'
        '{"audit":"promote","who":"ann","what":"v22","when":"2026-11-01T03:00:00Z","result":"done","why":"x"}\n'
        '{"audit":"rollout","who":"pod","what":"loans: Advanced: v1 95 %, v2 5 %","when":"2026-11-01T04:00:00Z",'
        '"result":"done","why":"no worse"}\n'
    )
    lines = ['{"event":"asked","level":"info"}', *(msgspec.json.encode(each).decode() for each in ROLLED_OUT)]
    (folder / "rollout.log").write_text("\n".join(lines))
    return "--audit", folder / "audit.log", "--judgements", folder / "rollout.log"


def test_everything_that_is_known_is_told(registry: Path, logs: tuple[str | Path, ...]) -> None:
    found = traced(registry, "v2", *logs)
    manifest = Registry.open(registry).manifest("v2")
    assert found["data"]["sha256"] == manifest.data.sha256
    assert (found["parameters"], found["seed"]) == (manifest.parameters, manifest.seed)
    assert (found["code"]["release"], found["code"]["commit"]) == (manifest.libraries["loan-model"], "4f1c")
    assert (found["parent"], found["champion"], found["manifest"]) == ("v1", True, manifest.digest)
    assert found["training"] == {
        "run": "uid-7",
        "job": "train-v2",
        "by": "ci",
        "started": "2026-11-01T01:00:00Z",
        "published": json.loads(msgspec.json.encode(manifest.created)),
    }
    (approval,) = found["approvals"]
    assert (approval["by"], approval["until"], approval["followed_by"]) == ("bob", None, None)
    (served,) = found["served"]
    assert (served["release"], served["shares"], served["since"]) == ("loans", [5, 50, 100], "2026-11-01T01:00:00Z")
    assert [(line["audit"], line["result"]) for line in found["audit"]] == [
        ("train", "started"),
        ("train", "done"),
        ("promote", "refused"),
        ("rollout", "done"),
    ]
    assert found["unknown"] == {}


def test_an_approval_that_was_followed_says_when_and_by_what(registry: Path) -> None:
    (approval,) = traced(registry, "v1")["approvals"]
    promoted = Registry.open(registry).promotions()[1]
    assert approval["followed_by"] == "v2"
    assert datetime.fromisoformat(approval["until"]) == promoted.at


def test_what_is_not_known_says_why(
    registry: Path, trained_registry: Path, logs: tuple[str | Path, ...], tmp_path: Path
) -> None:
    found = traced(trained_registry, "v1")
    assert set(found["unknown"]) == {"code.commit", "training.job", "training.by", "training.started", "served"}
    assert all(found["unknown"].values())
    assert (found["code"]["commit"], found["training"]["job"], found["served"]) == (None, None, [])
    with_logs = traced(registry, "v1", *logs[:2])
    assert with_logs["unknown"]["training.by"] == "no audit line given says so"
    (tmp_path / "rollout.log").write_bytes(msgspec.json.encode(ROLLED_OUT[-1]))
    unserved = traced(registry, "v1", "--judgements", tmp_path / "rollout.log")["unknown"]["served"]
    assert unserved.startswith("no decision given has it with traffic")


def test_a_folder_of_one_version_does_not_pass_for_one_never_promoted(registry: Path) -> None:
    found = traced(registry / "v2", "v2")
    assert (found["approvals"], "beside such folders" in found["unknown"]["approvals"]) == ([], True)


def test_versions_of_earlier_releases_have_a_lineage() -> None:
    found = traced(EARLIER, "v1")
    assert {"code.commit", "training.job"} <= set(found["unknown"])
    assert loan("lineage", "v1", "--registry", EARLIER).exit_code == 0


def test_the_terminal_shows_it_in_tables(registry: Path, logs: tuple[str | Path, ...]) -> None:
    done = loan("lineage", "v2", "--registry", registry, *logs)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("loan v2, ")
    for words in ("Commit", "Kubernetes Job", "Parent", "APPROVED", "SERVED BY", "AUDIT LINE"):
        assert any(line.startswith(words) for line in lines), words
    assert "5, 50, 100 %" in done.stdout
    assert "[bold]calibrated" in done.stdout
    assert "\x1b" not in done.stdout
    assert "NOT KNOWN" not in done.stdout
    alone = loan("lineage", "v2", "--registry", registry).stdout
    assert "NOT KNOWN" in alone
    assert "training.by" in alone


def test_a_file_is_written_as_json_is_printed(registry: Path, tmp_path: Path) -> None:
    done = loan("lineage", "v2", "--registry", registry, "--output", tmp_path / "lineage.json")
    assert done.stdout == ""
    assert json.loads((tmp_path / "lineage.json").read_text()) == traced(registry, "v2")


def test_a_changed_version_has_no_lineage(registry: Path, tmp_path: Path) -> None:
    root = shutil.copytree(registry, tmp_path / "registry")
    (root / "v2/manifest.json").write_bytes((root / "v2/manifest.json").read_bytes().replace(b"4f1c", b"4f1d"))
    done = loan("lineage", "v2", "--registry", root)
    assert (done.exit_code, "was changed after it was published" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--audit", "INFO: nothing\n", "contains no audit line"),
        ("--audit", '{"audit":"train","who":"ann"}', "with the key audit cannot be read"),
        (
            "--audit",
            '{"audit":"train","who":"a","what":"v2","when":"2026-11-01T00:00:00","result":"done"}',
            "cannot be",
        ),
        ("--judgements", "[]", "contains no judgement"),
        ("--judgements", '{"event":"Advanced","release":"a","before":1,"after":2}', "cannot be read"),
        ("--judgements", None, "cannot be read"),
    ],
)
def test_a_wrong_log_is_one_sentence(
    registry: Path, tmp_path: Path, option: str, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "log").write_text(content)
    done = loan("lineage", "v2", "--registry", registry, option, tmp_path / "log")
    assert (done.exit_code, done.output.count("\n"), said in done.output) == (1, 1, True), done.output


@pytest.fixture(scope="module")
def events(
    registry: Path, logs: tuple[str | Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    file = tmp_path_factory.mktemp("events") / "events.ndjson"
    done = loan("lineage", "v2", "--registry", registry, "--openlineage", file, *logs)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_events_are_of_the_training_the_promotion_and_the_serving(events: list[dict[str, Any]]) -> None:
    assert [(each["eventType"], each["job"]["name"]) for each in events] == [
        ("START", "loan.train"),
        ("COMPLETE", "loan.train"),
        ("COMPLETE", "loan.promote"),
        ("START", "loans.serve"),
    ]
    assert events[0]["run"]["runId"] == events[1]["run"]["runId"]
    assert len({each["run"]["runId"] for each in events}) == 3


def test_the_training_has_its_data_parameters_and_version(events: list[dict[str, Any]], registry: Path) -> None:
    manifest = Registry.open(registry).manifest("v2")
    training = events[1]
    (data,), (made,) = training["inputs"], training["outputs"]
    assert data["name"] == manifest.data.source
    assert data["facets"]["version"]["datasetVersion"] == f"sha256:{manifest.data.sha256}"
    assert data["inputFacets"]["inputStatistics"]["rowCount"] == manifest.data.rows
    fields = [field["name"] for field in data["facets"]["schema"]["fields"]]
    assert fields == [*(column.name for column in manifest.schema), manifest.target.name]
    assert made["name"].endswith("/v2")
    assert made["facets"]["version"]["datasetVersion"] == f"sha256:{manifest.digest}"
    facets = training["run"]["facets"]
    parameters = {each["key"]: each["value"] for each in facets["executionParameters"]["parameters"]}
    assert parameters.items() >= {name: str(value) for name, value in manifest.parameters.items()}.items()
    tags = {each["key"]: each["value"] for each in facets["tags"]["tags"]}
    assert (tags["commit"], tags["kubernetes.job"], tags["by"], tags["parent"]) == ("4f1c", "train-v2", "ci", "v1")
    assert events[2]["inputs"][0]["name"] == made["name"]


def test_the_events_are_those_of_the_specification(events: list[dict[str, Any]]) -> None:
    """Their own client takes them; each facet names the schema of its kind."""
    for each in events:
        known = {
            key: value for key, value in each.items() if key in ("eventTime", "producer", "eventType", "run", "job")
        }
        RunEvent(**known, inputs=each["inputs"], outputs=each["outputs"])
        uuid.UUID(each["run"]["runId"])
        assert datetime.fromisoformat(each["eventTime"]).tzinfo
        assert each["schemaURL"].endswith("OpenLineage.json#/$defs/RunEvent")
        things = (each["run"], each["job"], *each["inputs"], *each["outputs"])
        for facet in (facet for thing in things for facet in thing["facets"].values()):
            assert facet["_producer"]
            assert "://" in facet["_schemaURL"]


def test_the_same_lineage_gives_the_same_events(registry: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        loan("lineage", "v2", "--registry", registry, "--openlineage", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_not_known_is_said_in_the_events_too(tmp_path: Path) -> None:
    publish(Registry.open(tmp_path / "registry", create=True))
    loan("lineage", "v1", "--registry", tmp_path / "registry", "--openlineage", tmp_path / "events")
    (training,) = map(json.loads, (tmp_path / "events").read_text().splitlines())
    tags = {each["key"] for each in training["run"]["facets"]["tags"]["tags"]}
    assert {"unknown.code.commit", "unknown.code.release", "unknown.training.started"} <= tags
    assert "commit" not in tags
