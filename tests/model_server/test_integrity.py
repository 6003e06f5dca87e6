"""A server serves only what it can trust, and never unpickles."""

import re
import shutil

import httpx
import msgspec
import pytest

from tabular_model import signing
from tabular_model.manifest import Manifest
from tabular_model.registry import Registry
from tests.model_server.serving import APPLICANT, in_process, serving

WATCH = """
import os, sys

def watch(event, arguments):
    if event == "pickle.find_class":
        with open(os.environ["WATCH_REPORT"], "a") as report:
            report.write(f"{arguments}\\n")

sys.addaudithook(watch)
"""


def signed_by(folder, registry, version):
    """Signs an unsigned version where it is."""
    signer = signing.make(folder)
    path = registry / version / "manifest.json"
    manifest = Manifest.decode(path.read_bytes(), version)
    path.write_bytes(msgspec.structs.replace(manifest, signer=signer.fingerprint).encode())
    (registry / version / "manifest.sig").write_bytes(signer.sign(path.read_bytes()))
    return folder / "signing.pub"


@pytest.fixture
def registry(trained_registry, tmp_path):
    return shutil.copytree(trained_registry, tmp_path / "registry")


def test_a_server_with_a_key_serves_what_it_signed_and_says_why_not_the_rest(registry, tmp_path):
    ours = signed_by(tmp_path / "ours", registry, "v2")
    with in_process(registry, verify_key=ours) as http:
        assert http.post("/predict", json=APPLICANT).json()["model_version"] == "v2"
        refused = http.post("/predict?version=v1", json=APPLICANT)
        assert refused.status_code == 503
        assert re.search(r"v1 is not signed, but only versions signed by \S+ are accepted\.$", refused.json()["error"])
        signed_by(tmp_path / "other", registry, "v1")
        assert "v1 is signed by another key" in http.post("/predict?version=v1", json=APPLICANT).json()["error"]
    manifest = registry / "v2/manifest.json"
    changed = msgspec.structs.replace(Manifest.decode(manifest.read_bytes(), "v2"), threshold=0.0)
    manifest.write_bytes(changed.encode())
    with in_process(registry, verify_key=ours) as http:
        assert http.get("/v2/health/ready").status_code == 503
        assert "v2 was changed after it was signed" in http.post("/predict?version=v2", json=APPLICANT).json()["error"]
    with in_process(registry) as http:
        assert http.post("/predict", json=APPLICANT).json()["prediction"] == 1, "without a key nobody can tell"


def test_promoting_what_is_not_signed_is_refused(registry, tmp_path):
    ours = signed_by(tmp_path / "ours", registry, "v2")
    with pytest.raises(Exception, match="v1 is not signed"):
        Registry.open(registry, verify_key=ours).promote("v1", by="ada", reason="x", force=True)


def test_a_server_unpickles_nothing(trained_registry, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    report = tmp_path / "report"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("WATCH_REPORT", str(report))
    with serving(trained_registry) as server, httpx.Client(base_url=server.url) as http:
        for version in ("v1", "v2"):
            assert http.post(f"/predict?version={version}&explain=true", json=APPLICANT).status_code == 200
        server.stop()
    assert not report.exists(), report.read_text()
