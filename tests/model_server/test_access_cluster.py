"""Rights as Kubernetes judges them, against a stand-in for the cluster's API; `tests/e2e` asks a real one."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster as Address
from lightkube.config.models import User

from model_server.access import Access, Right
from model_server.access.cluster import ClusterAuthorizer
from model_server.errors import Forbidden, NotReady, Unauthenticated

USER = {"username": "system:serviceaccount:bank:ci", "uid": "u", "groups": ["g"], "extra": {"scope": ["a"]}}


class Cluster:
    """Knows the token `good`, whose owner may predict; counts what it is asked."""

    def __init__(self):
        self.asked, self.status, self.audiences = [], 201, ["loan-model"]

    def answer(self, path, body):
        self.asked.append((path, body["spec"]))
        if self.status != 201:
            return {"kind": "Status", "message": "no"}
        if path.endswith("tokenreviews"):
            if body["spec"]["token"] != "good":
                return {"spec": body["spec"], "status": {"authenticated": False, "error": "invalid"}}
            return {"spec": body["spec"], "status": {"authenticated": True, "user": USER, "audiences": self.audiences}}
        return {"spec": body["spec"], "status": {"allowed": body["spec"]["resourceAttributes"]["verb"] == "predict"}}


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def api(cluster):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps(cluster.answer(self.path, body)).encode()
            self.send_response(cluster.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = Address(server=f"http://127.0.0.1:{server.server_port}")
    yield Client(KubeConfig.from_one(cluster=address, user=User()))
    server.shutdown()
    server.server_close()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def access(api, clock):
    return Access(ClusterAuthorizer("loans", "bank", "loan-model", 10, api, clock), frozenset())


def admit(access, *asked):
    return asyncio.run(access.admit(*asked))


def test_a_caller_is_who_the_cluster_says_and_may_what_it_says(access, cluster):
    assert admit(access, Right.predict, "Bearer good", "/") == USER["username"]
    with pytest.raises(
        Forbidden,
        match=r"bank:ci does not have the right to train; a Role with the verb train on inferenceservices/loans",
    ):
        admit(access, Right.train, "Bearer good", "/")
    with pytest.raises(Unauthenticated, match="--audience loan-model"):
        admit(access, Right.predict, "Bearer made-up", "/")
    (review, asked), (local, judged) = cluster.asked[:2]
    assert review == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert asked["audiences"] == ["loan-model"]
    assert local == "/apis/authorization.k8s.io/v1/namespaces/bank/localsubjectaccessreviews"
    attributes = judged.pop("resourceAttributes")
    assert judged == {"user": USER["username"], "uid": "u", "groups": ["g"], "extra": {"scope": ["a"]}}
    assert attributes == {
        "group": "serving.kserve.io",
        "resource": "inferenceservices",
        "name": "loans",
        "namespace": "bank",
        "verb": "predict",
    }


def test_a_token_for_another_audience_is_nobodys(access, cluster):
    cluster.audiences = ["https://kubernetes.default.svc"]
    with pytest.raises(Unauthenticated):
        admit(access, Right.predict, "Bearer good", "/")


def test_a_judgement_is_remembered_for_a_short_time_only(access, cluster, clock):
    for _ in range(5):
        admit(access, Right.predict, "Bearer good", "/")
        with pytest.raises(Unauthenticated):
            admit(access, Right.predict, "Bearer made-up", "/")
    assert len(cluster.asked) == 3
    clock.now = 10.0
    admit(access, Right.predict, "Bearer good", "/")
    assert len(cluster.asked) == 5


def test_while_the_cluster_gives_no_answer_only_who_is_remembered_gets_in(access, cluster, clock, capfd):
    admit(access, Right.predict, "Bearer good", "/")
    cluster.status = 500
    admit(access, Right.predict, "Bearer good", "/")
    clock.now = 10.0
    with pytest.raises(NotReady, match="The cluster cannot check the token"):
        admit(access, Right.predict, "Bearer good", "/")
    assert "good" not in "".join(capfd.readouterr())


def test_what_is_remembered_does_not_grow_without_end(api, monkeypatch):
    monkeypatch.setattr("model_server.access.cluster.REMEMBERED", 3)
    authorizer = ClusterAuthorizer("loans", "bank", "loan-model", 10, api)
    for number in range(5):
        authorizer.decide(f"made-up-{number}", Right.predict)
    remembered = [authorizer.recall(f"made-up-{number}", Right.predict) is not None for number in range(5)]
    assert remembered == [False, False, True, True, True]
