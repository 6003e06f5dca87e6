"""What the cluster's KServe does with `spec.canary`, which is why the chart shares the traffic by its own route."""

import json
import time
from collections import Counter

import httpx
import pytest

from tests.e2e.cluster import GATEWAY, forwarded, wait_for

REQUESTS = 200
SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Version(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["VERSION"].encode())


ThreadingHTTPServer(("", 8080), Version).serve_forever()
"""
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "registry"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}


def runtime(image: str) -> dict:
    container = {
        "name": "kserve-container",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SERVER],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    formats = [{"name": "version", "version": "1"}]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": "version"},
        "spec": {"supportedModelFormats": formats, "containers": [container]},
    }


def service(name: str, **spec: object) -> dict:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
        "spec": {"predictor": {"minReplicas": 1, "model": model("v1")}} | spec,
    }


def model(version: str) -> dict:
    return {
        "modelFormat": {"name": "version", "version": "1"},
        "runtime": "version",
        "storageUri": f"pvc://registry/{version}",
        "env": [{"name": "VERSION", "value": version}],
    }


@pytest.fixture(scope="module")
def apply(release):
    return lambda manifest: release.kubectl("apply", "--filename", "-", input=json.dumps(manifest))


@pytest.fixture(scope="module")
def versions(release, images, apply):
    """Counts the versions that answer through KServe's route, where v2 is a canary with half of the traffic."""
    apply(CLAIM)
    apply(runtime(images.server))
    apply(service(release.service))
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    host = httpx.URL(release.get(f"inferenceservice/{release.service}")["status"]["url"]).host

    def ask(count: int) -> Counter[str]:
        with httpx.Client(base_url=f"http://{GATEWAY}", headers={"host": host}, timeout=30) as http:
            answers = [http.get("/") for _ in range(count)]
        return Counter(answer.text if answer.status_code == 200 else str(answer.status_code) for answer in answers)

    wait_for(lambda: set(ask(5)) == {"v1"}, 60, "stable's answers")
    apply(service(release.service, canary=[{"trafficPercent": 50, "predictor": {"name": "v2", "model": model("v2")}}]))
    return ask


def test_kserve_reports_a_canary_with_half_of_the_traffic_and_sends_it_none(release, versions, figure):
    def status():
        return release.get(f"inferenceservice/{release.service}")["status"]

    wait_for(lambda: any(each["ready"] for each in status().get("canaryStatuses", [])), 120, "the canary")
    (canary,) = status()["canaryStatuses"]
    ready = {condition["type"]: condition["status"] for condition in status()["conditions"]}["Ready"]
    assert (canary["trafficPercent"], ready) == (50, "True")
    with forwarded(release.namespace, f"service/{release.service}-v2-predictor", 80) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "v2", "the canary's pods answer"
    # A split, if there is one, reaches the proxy in this time.
    time.sleep(5)
    answered = versions(REQUESTS)
    figure("KServe's own canary at 50 %", f"{answered['v2']} of {REQUESTS} answers were the canary's")
    assert not answered["v2"], (
        "This KServe splits the traffic by spec.canary: build `traffic: kserve` in the chart, and change the section "
        "about KServe's own canary in docs/rollouts.md."
    )
    assert answered == {"v1": REQUESTS}
