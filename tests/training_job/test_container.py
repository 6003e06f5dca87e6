from pathlib import Path

import pytest

from training_job import container


def test_limits_of_the_container_count_where_there_are_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(container, "CGROUP", tmp_path)
    memory, cores = container.memory(), container.cores()  # of the machine
    assert memory > 2**28
    assert cores >= 1
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert (container.memory(), container.cores()) == (1_000_000, 1)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert (container.memory(), container.cores()) == (memory, cores)


def test_limits_of_the_older_kind_count_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(container, "CGROUP", tmp_path)
    monkeypatch.setattr(container.os, "sched_getaffinity", lambda _: set(range(8)))
    for name, limit in {"memory/memory.limit_in_bytes": "5000", "cpu/cpu.cfs_quota_us": "150000"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(limit)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert (container.memory(), container.cores()) == (5000, 2)
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1")  # none
    assert container.cores() == 8
