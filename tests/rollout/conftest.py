"""A cluster that the command line finds, and a helm on the PATH that moves its release."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from kubernetes import config
from typer.testing import CliRunner

from loan_cli.app import app
from tests.rollout.cluster import Cluster, answering
from tests.rollout.prometheus import Prometheus

# Sends its words to the cluster, and ends as that says; with what Python starts quickest with.
HELM = r"""#!{python} -SE
import json, socket, sys
words = json.dumps(sys.argv[1:]).encode()
with socket.create_connection(("127.0.0.1", {port})) as line:
    line.sendall(b"POST /helm HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(words), words))
    answer = json.loads(line.makefile("rb").read().partition(b"\r\n\r\n")[2])
printed, wrong = answer if isinstance(answer, list) else ("", answer)
print(printed)
sys.exit("Error: " + wrong if wrong else None)
"""


@pytest.fixture
def new_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Cluster]]:
    """Makes a cluster, once for a test, that kubectl and helm point at."""
    stopping = []

    def make(mode: str = "Standard", kind: Callable[[str], Cluster] = Cluster) -> Cluster:
        cluster = kind(mode)

        def handle(*request):
            if cluster.is_away():
                return None
            with cluster.lock:
                return cluster.handle(*request)

        server = answering(handle)
        cluster.url = server.__enter__()
        stopping.append(server)
        contexts = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "bank"}}],
            "clusters": [{"name": "here", "cluster": {"server": cluster.url}}],
            "users": [{"name": "me", "user": {}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(contexts))
        monkeypatch.setattr(config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
        helm = tmp_path / "bin" / "helm"
        helm.parent.mkdir()
        helm.write_text(HELM.format(python=sys.executable, port=cluster.url.rpartition(":")[2]))
        helm.chmod(0o755)
        monkeypatch.setenv("PATH", f"{helm.parent}:{os.environ['PATH']}")
        return cluster

    yield make
    for server in stopping:
        server.__exit__(None, None, None)


@pytest.fixture
def cluster(new_cluster: Callable[..., Cluster]) -> Cluster:
    return new_cluster()


@pytest.fixture
def rollout() -> Iterator[Callable[..., Result]]:
    """`loan rollout` with these words."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda *words: CliRunner().invoke(app, ["rollout", *words])
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    """Without any figures yet."""
    made = Prometheus()
    with answering(made) as made.url:
        yield made
