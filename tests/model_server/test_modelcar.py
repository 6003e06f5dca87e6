"""A version that a container beside the server's holds: behind /proc/PID/root, and there a moment later."""

import os
import shutil
import subprocess
import sys
import time
from threading import Timer

import httpx
import pytest

from model_server.modelcar import MODE, wait_for_model
from tabular_model.errors import RegistryNotFound
from tabular_model.registry import Registry
from tests.model_server.serving import APPLICANT, serving

HOLD = "import os, sys, time; os.chroot(sys.argv[1]); print(flush=True); time.sleep(600)"


@pytest.fixture
def modelcar(tmp_path, trained_registry):
    """The version's folder as a process with a root of its own has it; links made to it are made as KServe does."""
    if os.getuid():
        pytest.skip("only root gives a process another root")
    shutil.copytree(trained_registry / "v2", tmp_path / "image/models")
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "image"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield f"/proc/{process.pid}/root/models"
        process.kill()


def test_a_version_behind_another_processes_root_is_read(modelcar, tmp_path, trained_registry):
    (tmp_path / "link").symlink_to(modelcar)
    for root in (modelcar, tmp_path / "link"):
        registry = Registry.open(root, create=True)
        assert registry.versions() == ["v2"]
        assert registry.load("v2") == Registry.open(trained_registry).load("v2")


def test_the_server_waits_for_the_link(modelcar, tmp_path, monkeypatch):
    monkeypatch.setenv(MODE, "async")
    link = tmp_path / "models"
    Timer(1, link.symlink_to, [modelcar]).start()
    with serving(link, version="v2") as server:
        assert httpx.post(f"{server.url}/predict", json=APPLICANT).json()["model_version"] == "v2"


def test_a_link_that_never_comes_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv(MODE, "async")
    with pytest.raises(RegistryNotFound, match="modelcar"):
        wait_for_model(str(tmp_path / "models"), seconds=0.2)


def test_nobody_waits_where_the_model_comes_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv(MODE, raising=False)
    started = time.monotonic()
    wait_for_model(str(tmp_path / "models"))
    assert time.monotonic() - started < 1
