"""The Helm release: read from its Secrets, changed by `helm upgrade`, and put right after a helm that died."""

import shutil
import subprocess
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from kubernetes import client

from rollout import helm as helm_command
from rollout import helm_release as module
from rollout.errors import ClusterError, Refused
from rollout.helm_release import HelmRelease
from tabular_model.rollouts import Split
from tests.rollout.cluster import CHART, DEFAULTS, FULL_NAME, packed

SPLIT = {"canary": {"version": "v2", "weight": 5}}


def release_of(cluster, name="loans", namespace="bank", context=None):
    core = client.CoreV1Api(client.ApiClient(client.Configuration(host=cluster.url)))
    return HelmRelease(name, namespace, context, core)


@pytest.fixture
def release(cluster):
    return release_of(cluster)


def test_the_present_revision_is_read_with_the_charts_defaults(cluster, release):
    cluster.split = ("v1", "v2", 5)
    found = release.current()
    assert (found.number, found.status, found.service) == (2, "deployed", FULL_NAME)
    assert str(found.values.split) == "v1 95 %, v2 5 %"
    assert found.values.rollout.judgement.psi == DEFAULTS["rollout"]["judgement"]["psi"]
    assert found.values.rollout.judgement.min_requests == 100


def test_null_removes_a_default_and_a_list_replaces_it(cluster, release):
    cluster.change({"rollout": {"steps": [10, 100], "prometheus": {"labels": None, "url": "http://p:9090"}}})
    with pytest.raises(Refused, match="labels"):
        assert release.current().values
    cluster.change({"rollout": {"prometheus": {"url": "http://p:9090"}}})
    assert release.current().values.rollout.steps == (10, 100)
    assert release.current().values.rollout.prometheus.url == "http://p:9090"


def test_what_was_deployed_last_counts_whatever_failed_after_it(cluster, release):
    cluster.add_revision(cluster.deployed["config"] | SPLIT, status="failed")
    assert (release.current().number, len(release.revisions())) == (1, 2)


def test_helms_times_have_nanoseconds(cluster, release):
    cluster.deployed["info"]["last_deployed"] = "2026-11-24T12:28:14.758580123+02:00"
    assert release.current().updated.isoformat() == "2026-11-24T12:28:14.758580+02:00"


def test_revisions_of_an_older_chart_do_no_harm(cluster, release):
    old = {"metadata": {"name": "loan-model"}, "values": {"stable": {"version": ""}}, "templates": []}
    cluster.revisions[0]["chart"] = old
    assert len(release.revisions()) == 1
    with pytest.raises(Refused, match=r"a chart that this `loan` does not know: .*Upgrade it first"):
        assert release.current().values
    cluster.add_revision(cluster.deployed["config"])
    assert release.current().values.split.stable == "v1"


@pytest.mark.parametrize("where", [{"name": "other"}, {"namespace": "other"}])
def test_a_release_that_is_not_there_is_named(cluster, where):
    name, namespace = where.get("name", "loans"), where.get("namespace", "bank")
    with pytest.raises(Refused, match=f"The namespace {namespace} has no release {name} of the chart loan-model"):
        release_of(cluster, **where).current()


def test_a_release_of_another_chart_is_refused(cluster, release):
    cluster.deployed["chart"] = {"metadata": {"name": "nginx"}, "values": {}}
    with pytest.raises(Refused, match="no release loans of the chart loan-model"):
        release.current()


def test_a_release_that_was_never_whole_is_told(cluster, release):
    cluster.revisions[0]["info"]["status"] = "failed"
    with pytest.raises(ClusterError, match="never deployed completely; see `helm history loans`"):
        release.current()


def test_an_upgrade_sets_the_values_and_nothing_else(cluster):
    release_of(cluster, context="here").upgrade(Split("v1", "v2", 5), "why, in a = word")
    (words,) = cluster.helm
    assert words[:2] == ["upgrade", "loans"]
    assert words[3:] == [
        "--reuse-values",
        *("--set", "canary.version=v2,canary.weight=5"),
        *("--description", "why, in a = word"),
        *("--namespace", "bank"),
        *("--kube-context", "here"),
    ]
    assert not Path(words[2]).exists()


def test_what_helm_says_is_told(cluster, release, monkeypatch):
    cluster.helm_fails = ["values don't meet the schema"]
    with pytest.raises(ClusterError, match="helm upgrade failed: values don't meet the schema"):
        release.upgrade(Split("v1", "", 0), "")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="needs helm"):
        release.upgrade(Split("v1", "", 0), "")


def test_a_helm_that_hangs_is_ended(cluster, release, monkeypatch):
    monkeypatch.setattr(helm_command, "TIMEOUT_SECONDS", 0.001)
    with pytest.raises(ClusterError, match=r"helm upgrade did not end within 0\.001 s"):
        release.upgrade(Split("v1", "", 0), "")


def test_an_abandoned_upgrade_is_rolled_back(cluster, release):
    cluster.add_revision(cluster.deployed["config"] | SPLIT, status="pending-upgrade", age=31)
    release.recover()
    assert cluster.helm == [["rollback", "loans", "1", "--namespace", "bank"]]
    assert (cluster.split, release.revisions()[-1].status) == (("v1", "", 0), "deployed")


def test_a_young_upgrade_is_waited_for(cluster, release, monkeypatch):
    pending = cluster.add_revision(cluster.deployed["config"] | SPLIT, status="pending-upgrade", age=5)
    waits = []

    def ends(seconds):
        waits.append(seconds)
        pending["info"]["status"] = "deployed"

    monkeypatch.setattr(module, "time", Mock(wraps=time, sleep=ends))
    release.recover()
    assert (waits, cluster.helm, cluster.split) == ([1], [], ("v1", "v2", 5))


@pytest.mark.parametrize("other", [{"serving": {"replicas": {"min": 3}}}, {"canary": {"mirror": 10}}])
def test_an_upgrade_of_somebody_else_is_not_touched(cluster, release, other):
    cluster.add_revision(cluster.deployed["config"] | other, status="pending-upgrade", age=3600)
    with pytest.raises(Refused, match=r"revision 2, pending-upgrade for 3600 s.*`helm rollback loans 1`"):
        release.recover()
    assert cluster.helm == []


def test_nothing_pending_is_nothing_to_recover(cluster, release):
    release.recover()
    assert cluster.helm == []


def test_the_chart_is_the_releases_own(tmp_path):
    module._unpack(packed(CHART), tmp_path)
    for part in [each for each in CHART.rglob("*") if each.is_file()]:
        path = tmp_path / part.relative_to(CHART)
        if part.name not in ("Chart.yaml", "values.yaml"):  # which Helm keeps as data, without their comments
            assert path.read_bytes() == part.read_bytes()


@pytest.mark.skipif(not shutil.which("helm"), reason="there is no helm to render the chart with")
@pytest.mark.parametrize("values", ["stable.version=v1", "stable.version=v1,canary.version=v2,canary.weight=5"])
def test_the_unpacked_chart_renders_as_the_chart_itself(tmp_path, values):
    module._unpack(packed(CHART), tmp_path)

    def rendered(folder):
        command = ["helm", "template", "loans", str(folder), "--set", values]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert rendered(tmp_path) == rendered(CHART)
