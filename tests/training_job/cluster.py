"""A stand-in for the cluster's API, with one release."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster as Address
from lightkube.config.models import User

CRONJOB = {
    "metadata": {"name": "loan-model-training", "namespace": "bank", "uid": "abc"},
    "spec": {
        "schedule": "0 0 1 1 *",
        "jobTemplate": {
            "metadata": {"labels": {"app.kubernetes.io/component": "training"}},
            "spec": {
                "template": {
                    "spec": {
                        "initContainers": [{"name": "data", "image": "i", "args": ["data"]}],
                        "containers": [{"name": "training", "image": "i", "args": ["train", "--seed=0"]}],
                    }
                }
            },
        },
    },
}


class Cluster:
    """Answers what is asked about trainings; the test says how Jobs and pods stand.

    `told` are the events that were written, `refuses` what it takes no call about.
    """

    def __init__(self):
        self.jobs, self.pods, self.events, self.told, self.refuses = {}, [], [], [], ""
        self.url = ""

    def client(self):
        return Client(KubeConfig.from_one(cluster=Address(server=self.url), user=User()), namespace="bank")

    def answer(self, method, path, body):
        if self.refuses and self.refuses in path:
            return 403, {"kind": "Status", "message": f"{self.refuses} is forbidden"}
        match path.split("?")[0].strip("/").split("/")[5:]:
            case ["cronjobs", "loan-model-training"]:
                answer = CRONJOB
            case ["inferenceservices", "loan-model"]:
                metadata = {"name": "loan-model", "uid": "def"}
                answer = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": metadata}
            case ["jobs", *name]:
                answer = self._job(body, *name)
            case ["events"] if method == "POST":
                self.told.append(answer := body)
            case ["events"]:
                answer = _list(self.events if "involvedObject.name=training-1" in unquote(path) else [])
            case _:
                answer = _list(self.pods)
        return (200, answer) if answer is not None else (404, {"message": "not found"})

    def _job(self, body, name=None):
        if name or not body:
            return self.jobs.get(name) if name else _list(self.jobs.values())
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{len(self.jobs)}"
        body["metadata"] |= {"name": name, "creationTimestamp": "2026-03-01T04:00:00Z"}
        body["status"] = {}
        self.jobs[name] = body
        return body

    def end(self, name, condition, *ends, message=""):
        """The Job's condition, and what each pod's containers left: (container, exit code, message)."""
        self.jobs[name]["status"] = {"conditions": [{"type": condition, "status": "True", "message": message}]}
        for second, (container, code, left) in enumerate(ends):
            terminated = {"exitCode": code, "message": left, "finishedAt": f"2026-01-01T00:00:{second:02}Z"}
            state = {"name": container, "state": {"terminated": terminated}}
            common = {"image": "i", "imageID": "i", "ready": False, "restartCount": 0}
            self.pods.append({"status": {"containerStatuses": [state | common]}})


def _list(items):
    return None if items is None else {"items": list(items)}


@contextmanager
def serving() -> Iterator[Cluster]:
    """The stand-in, at its `url`."""
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path if "/apis/" in self.path else f"/apis/core{self.path.removeprefix('/api')}"
            status, answer = cluster.answer(self.command, path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that the base class calls

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    yield cluster
    server.shutdown()
    server.server_close()
