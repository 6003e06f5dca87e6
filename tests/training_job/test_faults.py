"""Trainings that end at once, and trainings that are killed, on a folder and on a bucket."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from loan_model.synthetic import generate
from tabular_model.registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

AT_ONCE = 16
KILLS = 20  # on each of the two kinds of store

# Everything that a training needs is imported before it is let go, so that sixteen of them end at the same time and
# a kill falls into the training and not into the start of Python.
TRAIN = """
import sys
from tabular_model.registry import Registry
from training_job.progress import Progress
from training_job.run import Training, run_training
data, root = sys.argv[1:]
training = Training(data=data, algorithm="logistic")
print("ready", flush=True)
sys.stdin.readline()
print(run_training(training, Registry.open(root, create=True), Progress()).version)
"""


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return str(tmp_path / "registry") if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "data.csv"
    generate(400, 0).to_csv(path, index=False)
    return str(path)


class Trainer:
    """A training in a process of its own, loaded and waiting."""

    def __init__(self, data: str, root: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAIN, data, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def version(self) -> str:
        assert self.process.wait(110) == 0
        return self.process.stdout.read().strip()


def test_sixteen_trainings_that_end_at_once_give_sixteen_versions(root, small_data):
    trainers = [Trainer(small_data, root) for _ in range(AT_ONCE)]
    for trainer in trainers:
        trainer.wait_until_ready()
    for trainer in trainers:
        trainer.go()
    versions = [trainer.version() for trainer in trainers]
    registry = Registry.open(root)
    assert sorted(versions) == sorted(registry.versions()) == sorted(f"v{n}" for n in range(1, AT_ONCE + 1))
    for version in versions:
        assert registry.load(version).manifest.version == version


def test_a_killed_training_leaves_nothing_that_a_reader_sees(root, small_data):
    """Killed with SIGKILL at random points between its start and its end."""
    trainer = Trainer(small_data, root)
    trainer.wait_until_ready()
    started = time.monotonic()
    trainer.go()
    trainer.version()
    length = time.monotonic() - started
    registry = Registry.open(root)
    chance = random.Random(0)
    for kill in range(KILLS):
        trainer = Trainer(small_data, root)
        trainer.wait_until_ready()
        trainer.go()
        # Half of them in the last tenth, which is where files are written.
        time.sleep(length * (chance.uniform(0, 1) if kill % 2 else chance.uniform(0.9, 1.05)))
        trainer.process.send_signal(signal.SIGKILL)
        trainer.process.wait()
        for version in registry.versions():
            registry.load(version)
    before = registry.versions()
    trainer = Trainer(small_data, root)
    trainer.wait_until_ready()
    trainer.go()
    assert trainer.version() == registry.latest()
    assert registry.versions() == [*before, registry.latest()]
