"""How stable and canary share traffic, in either mode, by REST and gRPC; in order, on one release a mode."""

import re
import time
from collections import Counter

import grpc
import numpy as np
import pytest

from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tests.e2e.cluster import GATEWAY, HOST, Release, kubectl, wait_for
from tests.e2e.gateway import ROWS, GRPCInferenceServiceStub, SteadyLoad, client, pb
from tests.e2e.rollouts import rollout

ROW = ROWS[:1]
REQUESTS = 1000  # by each protocol
VALUES = {
    "training.run": "true",
    "training.resources.requests.cpu": "20m",
    "serving.resources.requests.cpu": "20m",
    "serving.replicas.max": "1",
    "gateway.envoyGateway.retries": "3",
}
ANOTHER_MODEL = {"training.parameters.algorithm": "logistic", "training.data.synthetic.seed": "1"}

Answers = list[tuple[str, float]]


def rest(count: int, **headers: str) -> Answers:
    """The version that each answer names, and its probability."""
    body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": ROW.shape, "data": ROW.ravel().tolist()}]}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with client() as http:
        answers = [
            http.post("/v2/models/loan/infer", json=body, headers=headers).raise_for_status().json()
            for _ in range(count)
        ]
    return [(answer["model_version"], answer["outputs"][0]["data"][0]) for answer in answers]


def rpc(count: int, **metadata: str) -> Answers:
    """The version that each answer names, and its probability."""
    request = pb.ModelInferRequest(model_name="loan")
    request.inputs.add(name="x", datatype="FP64", shape=ROW.shape)
    request.raw_input_contents.append(ROW.tobytes())
    pairs = [(name.replace("_", "-"), value) for name, value in metadata.items()]
    # Without a pool of its own a channel would share one connection, and so one thread of the proxy, with all others.
    options = [("grpc.default_authority", HOST), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(GATEWAY, options=options) as channel:
        ask = GRPCInferenceServiceStub(channel).ModelInfer
        answers = [ask(request, timeout=30, metadata=pairs) for _ in range(count)]
    return [(answer.model_version, float(np.frombuffer(answer.raw_output_contents[0])[0])) for answer in answers]


ENDPOINTS = [rest, rpc]


def sets(values: dict[str, object]) -> list[str]:
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def versions(answers: Answers) -> Counter[str]:
    return Counter(version for version, _ in answers)


def always(version: str, **headers: str) -> bool:
    """Whether this version answers, by either protocol and on several connections."""
    try:
        return all(set(versions(endpoint(1, **headers))) == {version} for endpoint in ENDPOINTS * 3)
    except Exception:  # whatever it is, it is not an answer yet
        return False


class Shared:
    """A release in one mode, with v1 as stable."""

    def __init__(self, mode: str, release: Release) -> None:
        self.mode = mode
        self.release = release
        self.truth: dict[str, float] = {}

    def upgrade(self, values: dict[str, object]) -> None:
        self.release.upgrade(*sets(values))

    def give(self, weight: int, mirror: int = 0) -> None:
        """Gives v2 a share, and waits until all that share have heard of it."""
        self.upgrade({"canary.version": "v2", "canary.weight": weight, "canary.mirror": mirror})
        wait_for(lambda: always("v2", x_loan_version="v2"), 120, "v2")
        # The Gateway hears of keys and of weights at once, and where a key goes is not by chance.
        wait_for(lambda: weight == 0 or always("v2", x_loan_key=f"{weight - 1:02}"), 60, "the share of v2")
        wait_for(lambda: weight == 100 or always("v1", x_loan_key=f"{weight:02}"), 60, "the share of v1")
        wait_for(lambda: self.mode == "Standard" or self.knative_gives(weight), 60, "Knative")
        time.sleep(2)

    def knative_gives(self, weight: int) -> bool:
        for service in self.release.get("inferenceservice")["items"]:
            ready = {each["type"]: each["status"] for each in service["status"]["conditions"]}["Ready"] == "True"
            traffic = service["status"]["components"]["predictor"]["traffic"]
            if not ready or [each["percent"] for each in traffic if each.get("latestRevision")] != [weight]:
                return False
        return True

    def pods(self, version: str) -> dict[str, int]:
        """The restarts of each ready predictor of a version."""
        pods = self.release.get("pods", "--selector", "serving.kserve.io/inferenceservice")["items"]
        return {
            pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
            for pod in pods
            if serves(pod) == version and not pod["metadata"].get("deletionTimestamp") and is_ready(pod)
        }

    def learn(self, version, folder) -> None:
        """What the version itself scores, copied out of a pod and loaded here."""
        pod = next(iter(self.pods(version)))
        self.release.kubectl("cp", f"{pod}:/mnt/models", str(folder / version), "--container=kserve-container")
        model = TabularModel.from_registry(Registry.open(folder / version), version)
        self.truth[version] = float(model.score(ROW).probability[0])

    def rows(self, version: str) -> float:
        """How many applications a version has scored, as its pods say."""
        metrics = [
            kubectl("get", "--raw", f"/api/v1/namespaces/{self.release.namespace}/pods/{pod}:8080/proxy/metrics")
            for pod in self.pods(version)
        ]
        return sum(map(float, re.findall(rf'(?m)^loan_rows_total{{.*version="{version}".*}} (\S+)$', "".join(metrics))))


def serves(pod) -> str:
    containers = {container["name"]: container for container in pod["spec"]["containers"]}
    return {each["name"]: each.get("value") for each in containers["kserve-container"]["env"]}["LOAN_VERSION"]


def is_ready(pod) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


@pytest.fixture(scope="module", params=["Standard", "Knative"])
def shared(request, images, tmp_path_factory):
    """v1 and v2, whose scores differ, as stable and as a canary that is dark."""
    mode = request.param
    if mode == "Knative" and not kubectl("get", "crd", "services.serving.knative.dev", "--ignore-not-found"):
        pytest.skip("This cluster has no Knative Serving, so the chart's Knative mode cannot be tried.")
    release = Release(f"traffic-{mode.lower()}", images.server, images.training)
    try:
        release.install(*sets(VALUES | {"mode": mode}))
        release.wait(f"job/{release.service}-training-initial", "condition=Complete")
        made = Shared(mode, release)
        made.upgrade(ANOTHER_MODEL | {"stable.version": "v1"})
        assert release.train("another")["version"] == "v2"
        wait_for(lambda: always("v1"), 120, "v1")
        made.give(0)
        folder = tmp_path_factory.mktemp(mode)
        made.learn("v1", folder)
        made.learn("v2", folder)
        yield made
        if request.session.testsfailed:
            release.describe()
    finally:
        release.remove()


def test_the_versions_score_differently(shared):
    assert abs(shared.truth["v1"] - shared.truth["v2"]) > 1e-6


def share(shared, figure, weight):
    """Whether the canary's share is within three standard deviations, which a right one misses once in 370 times."""
    answers = [endpoint(REQUESTS) for endpoint in ENDPOINTS]
    taken = [versions(each)["v2"] for each in answers]
    figure(
        f"{shared.mode}, weight {weight}", f"v2 gave {taken[0]} of {REQUESTS} REST and {taken[1]} of {REQUESTS} gRPC"
    )
    assert all(set(versions(each)) <= {"v1", "v2"} for each in answers)
    for version, probability in (answer for each in answers for answer in each):
        assert probability == pytest.approx(shared.truth[version], abs=1e-9)
    deviation = (REQUESTS * weight * (100 - weight)) ** 0.5 / 100
    return all(abs(count - REQUESTS * weight / 100) <= 3 * deviation for count in taken)


@pytest.mark.parametrize("weight", [0, 1, 10, 50])
def test_the_canary_gets_its_share_and_every_answer_is_of_the_version_that_it_names(shared, figure, weight):
    if weight:
        shared.give(weight)
    assert share(shared, figure, weight) or share(shared, figure, weight)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_version_that_is_named_answers(shared, endpoint, version):
    assert set(versions(endpoint(100, x_loan_version=version))) == {version}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_version_that_the_path_names_answers(shared, version):
    with client() as http:
        answers = [http.get(f"/v2/models/loan/versions/{version}/ready") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_key_stays_with_one_version(shared, endpoint):
    for key in range(0, 100, 3):
        expected = "v2" if key < 50 else "v1"
        assert set(versions(endpoint(3, x_loan_key=f"applicant-{key:02}"))) == {expected}


def test_a_canary_taken_back_fails_no_request_and_leaves_stable_its_pods(shared, figure):
    before = shared.pods("v1")
    with SteadyLoad() as load:
        wait_for(lambda: load.versions["v2"] > 10, 60, "answers of v2")
        shared.upgrade({"canary.version": "", "canary.weight": 0})
        wait_for(lambda: always("v1"), 60, "v1 alone")
        time.sleep(10)
        seen = load.versions["v2"]
        time.sleep(5)
        assert load.versions["v2"] == seen
    figure(f"{shared.mode}, canary taken back under load", f"{len(load.failed)} of {load.sent} requests failed")
    assert not load.failed, load.failed[:5]
    assert before.items() <= shared.pods("v1").items()


def test_a_mirror_sends_copies_and_throws_the_answers_away(shared):
    if shared.mode == "Knative":
        pytest.skip("Knative would give a mirrored request, which keeps its host name, to stable again.")
    shared.give(0, mirror=100)
    before = shared.rows("v2")
    assert set(versions(rest(100) + rpc(100))) == {"v1"}
    wait_for(lambda: shared.rows("v2") >= before + 200, 20, "200 copies")


def test_all_traffic_then_promotion_fails_no_request(shared, figure):
    with SteadyLoad() as load:
        shared.give(0)
        shared.give(100)
        assert share(shared, figure, 100)
        canary = shared.pods("v2").keys()
        shared.upgrade({"stable.version": "v2", "canary.version": "", "canary.weight": 0})
        stables = 2 if shared.mode == "Knative" else 1  # REST and gRPC apart, or in one pod
        wait_for(lambda: len(shared.pods("v2").keys() - canary) >= stables, 120, "pods of v2 as stable")
        wait_for(lambda: always("v2"), 60, "v2 alone")
        time.sleep(10)
    figure(f"{shared.mode}, 0 to 100 to stable under load", f"{len(load.failed)} of {load.sent} requests failed")
    assert not load.failed, load.failed[:5]


def test_a_rollout_promotes_the_canary(shared, figure):
    shared.upgrade(
        {
            "canary.mirror": 0,
            "rollout.steps": "{50}",
            "rollout.stepSeconds": 5,
            "rollout.pollSeconds": 1,
            "rollout.judgement.minRequests": 200,
            # Another model on other data, which is not what is tried here.
            "rollout.judgement.approvalShift": 1,
            "rollout.judgement.psi": 10,
            "rollout.judgement.p50Ratio": 5,
        }
    )
    with SteadyLoad(pause=0.01) as load:
        ended = rollout(shared.release, "--to", "v2")
        wait_for(lambda: always("v2"), 60, "v2 alone")
    figure(f"{shared.mode}, rollout", f"{ended.seconds:.0f} s; {len(load.failed)} of {load.sent} requests failed")
    assert ended.code == 0, ended.messages
    assert not load.failed, load.failed[:5]
