"""The examples for Argo Rollouts and Flagger run the judge as it is."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from loan_cli.app import app
from rollout import webhook
from rollout.window import Versions

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMETHEUS = "http://prometheus.monitoring:9090"


def documents(folder):
    """By kind and name."""
    files = sorted((EXAMPLES / folder).glob("*.yaml"))
    found = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    assert {each["metadata"]["namespace"] for each in found} == {"lending"}
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


@pytest.fixture(autouse=True)
def stable(prometheus):
    """v1 has answered enough."""
    prometheus.answer("v1", 600)


def run(args, prometheus, **names):
    words = [word.replace(PROMETHEUS, prometheus.url) for word in args]
    for name, value in names.items():
        words = [word.replace(f"{{{{args.{name}}}}}", value) for word in words]
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(("faults", "code"), [(0, 0), (0.3, 1)])
def test_the_job_of_argo_rollouts_judges(cluster, prometheus, faults, code):
    found = documents("argo-rollouts")
    cluster.split = ("v1", "v2", 50)
    prometheus.answer("v2", 600, faults=faults)
    template = found["AnalysisTemplate", "loans-judge"]["spec"]
    job = template["metrics"][0]["provider"]["job"]["spec"]
    pod = job["template"]["spec"]
    steps = [each for each in found["Rollout", "loans"]["spec"]["strategy"]["canary"]["steps"] if "analysis" in each]
    stable, canary = steps[0]["analysis"]["args"]
    assert [each["name"] for each in template["args"]] == [stable["name"], canary["name"]]
    first = found["Rollout", "loans"]["spec"]["template"]["spec"]["containers"][0]["env"][0]
    assert canary["valueFrom"]["fieldRef"]["fieldPath"] == "spec.template.spec.containers[0].env[0].value"
    assert first["name"] == "LOAN_VERSION"
    done = run(pod["containers"][0]["args"], prometheus, stable=stable["value"], canary=first["value"])
    assert done.exit_code == code, done.output
    assert ("restarts" in done.stdout, "not judged" in done.stdout) == (True, False)
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [1, 2]
    assert ("ServiceAccount", pod["serviceAccountName"]) in found


@pytest.fixture
def served(cluster, monkeypatch):
    """The addresses that were to be served."""
    addresses = []
    monkeypatch.setattr(webhook, "serve", lambda address, _: addresses.append(address))
    return addresses


def test_the_webhooks_of_flagger_reach_the_judge(prometheus, served):
    found = documents("flagger")
    container = found["Deployment", "loans-judge"]["spec"]["template"]["spec"]["containers"][0]
    done = run(container["args"], prometheus)
    assert (done.exit_code, served) == (0, [":8080"]), done.output
    assert (container["readinessProbe"]["httpGet"], container["ports"][0]["containerPort"]) == (
        {"path": "/healthz", "port": 8080},
        8080,
    )
    canary = found["Canary", "loans"]["spec"]
    env = found["Deployment", canary["targetRef"]["name"]]["spec"]["template"]["spec"]["containers"][0]["env"]
    wanted = {"rollback": "/worse", "rollout": "/fine"}
    for hook in canary["analysis"]["webhooks"]:
        url = urlsplit(hook["url"])
        assert (url.path, url.hostname, url.port) == (wanted.pop(hook["type"]), "loans-judge.lending", 8080)
        assert url.path in webhook.ASKED
        assert Versions.of(**hook["metadata"]).canary == env[0]["value"]
    assert not wanted
    assert found["Service", "loans-judge"]["spec"]["ports"][0]["port"] == 8080


@pytest.mark.parametrize("folder", ["argo-rollouts", "flagger"])
def test_the_judge_may_list_pods_and_nothing_else(folder):
    role = documents(folder)["Role", "loans-judge"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
