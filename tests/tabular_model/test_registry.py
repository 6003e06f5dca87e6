"""The registry's promises, on a folder and on a bucket alike."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import obstore
import pytest
from obstore.store import LocalStore, from_url

from tabular_model.errors import (
    GateFailed,
    IntegrityError,
    PromotionRefused,
    RegistryEmpty,
    RegistryError,
    RegistryNotFound,
    VersionNotFound,
)
from tabular_model.registry import Registry
from tests.tabular_model.versions import FILES, publish


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return str(tmp_path / "registry") if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def registry(root):
    return Registry.open(root, create=True)


@pytest.fixture
def lossy_bucket(bucket, s3_server, monkeypatch):
    """The bucket over a line that loses the answer to the first attempt at writing each file of a version."""
    lost = set()

    class Line(BaseHTTPRequestHandler):
        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = httpx.request(self.command, s3_server + self.path, headers=dict(self.headers), content=body)
            if self.command == "PUT" and "claims" not in self.path and self.path not in lost:
                lost.add(self.path)
                return
            self.send_response(answer.status_code)
            for name in ("Content-Type", "ETag", "Last-Modified"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", answer.headers.get("Content-Length", str(len(answer.content))))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *arguments): ...

    for method in ("GET", "HEAD", "PUT"):
        setattr(Line, f"do_{method}", Line.forward)

    line = ThreadingHTTPServer(("127.0.0.1", 0), Line)
    threading.Thread(target=line.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.server_port}")
    yield bucket
    assert lost
    line.shutdown()
    line.server_close()


@pytest.fixture
def store(root):
    """The same place, to be changed behind the registry's back."""
    return from_url(root, client_options={"allow_http": True}) if "://" in root else LocalStore(root)


def test_an_empty_registry_has_no_version(registry):
    assert registry.versions() == []
    assert registry.latest() is registry.champion() is None
    with pytest.raises(RegistryEmpty, match=r"has no version yet\.$"):
        registry.default()


def test_a_published_version_is_read_back_whole(registry):
    manifest = publish(registry, run="a")
    assert manifest.version == "v1"
    assert registry.versions() == ["v1"]
    artifact = registry.load("v1")
    assert artifact.manifest == manifest
    assert artifact.files == FILES
    assert registry.read("v1", "metrics.json") == FILES["metrics.json"]


def test_numbers_only_go_up_and_are_sorted_as_numbers(registry):
    for _ in range(11):
        publish(registry)
    assert registry.versions() == [f"v{number}" for number in range(1, 12)]
    assert registry.latest() == "v11"


def test_an_unknown_version_names_those_there_are(registry):
    publish(registry)
    for unknown in ("v2", "v0", "../v1", "latest"):
        with pytest.raises(VersionNotFound, match=r"it has v1\."):
            registry.manifest(unknown)


def test_a_claimed_number_is_never_reused(registry, store):
    publish(registry)
    obstore.put(store, "claims/v2.json", b"{}")
    obstore.put(store, "v4/model.onnx", b"half written")
    assert publish(registry).version == "v5"
    assert registry.versions() == ["v1", "v5"]


def test_threads_that_publish_at_once_get_different_versions(root, registry):
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(publish(Registry.open(root)).version)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 16
    assert registry.versions() == sorted(seen, key=lambda version: int(version[1:]))


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_changed_byte_in_any_file_is_refused_by_name(registry, store, name):
    publish(registry)
    content = bytearray(obstore.get(store, f"v1/{name}").bytes())
    content[len(content) // 2] ^= 1
    obstore.put(store, f"v1/{name}", bytes(content))
    with pytest.raises(IntegrityError, match=f"v1/{name}"):
        registry.load("v1")


def test_a_missing_file_is_refused_by_name(registry, store):
    publish(registry)
    obstore.delete(store, "v1/model.onnx")
    with pytest.raises(IntegrityError, match=r"v1/model\.onnx is missing"):
        registry.load("v1")


def test_a_manifest_of_another_version_is_refused(registry, store):
    publish(registry)
    publish(registry)
    obstore.put(store, "v2/manifest.json", bytes(obstore.get(store, "v1/manifest.json").bytes()))
    with pytest.raises(IntegrityError, match="manifest of v1, not of v2"):
        registry.load("v2")


def test_the_default_is_the_latest_that_passed_the_gate_while_there_is_no_champion(registry):
    publish(registry)
    publish(registry, passed=False)
    assert registry.default() == "v1"
    assert not registry.passed("v2")
    registry.promote("v2", by="ada", reason="known to be weak", force=True)
    assert registry.default() == "v2"


def test_where_no_version_passed_the_latest_is_the_default(registry):
    publish(registry, passed=False)
    publish(registry, passed=False)
    assert registry.default() == "v2"


def test_a_version_whose_verdict_was_changed_is_not_the_default(registry, store):
    publish(registry)
    publish(registry)
    obstore.put(store, "v2/metrics.json", b'{"verdict": {"passed": true}}')
    assert registry.default() == "v1"


def test_champion_is_the_last_promotion_and_says_who_and_why(registry):
    publish(registry)
    publish(registry)
    assert registry.default() == "v2"
    registry.promote("v2", by="ada", reason="first")
    promotion = registry.promote("v1", by="grace", reason="calmer")
    assert registry.champion() == registry.default() == "v1"
    assert (promotion.by, promotion.reason, promotion.forced) == ("grace", "calmer", False)
    assert registry.promotions()[-1] == promotion
    assert [each.version for each in registry.promotions()] == ["v2", "v1"]


def test_a_version_that_failed_the_gate_is_promoted_only_by_force(registry):
    publish(registry, passed=False)
    with pytest.raises(GateFailed, match=r"failed the gate: no better than chance\.$"):
        registry.promote("v1", by="ada", reason="hope")
    assert registry.champion() is None
    assert registry.promote("v1", by="ada", reason="ordered", force=True).forced


def test_a_promotion_that_cannot_be_read_is_named(registry, store):
    publish(registry)
    obstore.put(store, "promotions/000001.json", b"\xff")
    with pytest.raises(IntegrityError, match=r"promotions/000001\.json"):
        registry.champion()


def test_a_run_is_found_by_its_name(registry):
    publish(registry, run="a")
    publish(registry, run="b")
    assert registry.find_run("a").version == "v1"
    assert registry.find_run("c") is None


def test_a_damaged_version_keeps_nobody_from_training(registry, store):
    publish(registry, run="a")
    publish(registry, run="b")
    obstore.put(store, "v2/manifest.json", b"{}")
    assert registry.find_run("b") is None
    assert registry.find_run("a").version == "v1"
    assert publish(registry).version == "v3"


def test_a_promotion_needs_a_reason(registry):
    publish(registry)
    with pytest.raises(PromotionRefused, match="reason"):
        registry.promote("v1", by="ada", reason=" ")
    assert registry.promotions() == []


def test_a_lost_answer_to_a_write_does_not_fail_the_training(lossy_bucket):
    registry = Registry.open(lossy_bucket)
    assert publish(registry).version == "v1"
    assert registry.load("v1").files == FILES


def test_nothing_but_versions_is_entered(tmp_path):
    """As a disk's lost+found, which a server may not read; here one that nobody can walk, root included."""
    publish(Registry.open(tmp_path))
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found/loop").symlink_to(tmp_path / "lost+found")
    assert Registry.open(tmp_path).versions() == ["v1"]
    assert publish(Registry.open(tmp_path)).version == "v2"


def test_one_versions_folder_is_a_registry_of_that_version(root, registry):
    publish(registry)
    publish(registry)
    single = Registry.open(f"{root}/v2")
    assert single.versions() == ["v2"]
    assert single.default() == "v2"
    assert single.load("v2").files == FILES
    with pytest.raises(VersionNotFound, match=r"it has v2\."):
        single.load("v1")


def test_a_folder_is_watched_until_its_version_is_published(tmp_path):
    (tmp_path / "v1").mkdir()
    single = Registry.open(tmp_path / "v1")
    assert single.versions() == []
    publish(Registry.open(tmp_path))
    assert single.versions() == ["v1"]


def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(RegistryNotFound, match=r"No registry was found at \S+/absent\.$"):
        Registry.open(tmp_path / "absent")


def test_a_bucket_that_is_not_there_is_named_with_its_answer(bucket):
    with pytest.raises(RegistryError, match=r"^The registry s3://absent cannot be used: [^<]*\(NoSuchBucket\)\.$"):
        Registry.open("s3://absent").versions()


def test_no_message_tells_a_password(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testtest")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ada:hunter2@127.0.0.1:9")
    with pytest.raises(RegistryError) as caught:
        Registry.open("s3://ada:hunter2@models/registry")
    assert "s3://models/registry" in str(caught.value)
    assert "hunter2" not in str(caught.value)
