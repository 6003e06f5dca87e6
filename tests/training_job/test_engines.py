from collections.abc import Callable
from pathlib import Path

import pytest

from loan_model.synthetic import generate
from tabular_model.data import open_rows
from tabular_model.registry import Registry
from training_job import container, engines
from training_job.engines import Automatic, needed_bytes
from training_job.learned import Learned
from training_job.progress import Progress
from training_job.training import Training

Choose = Callable[..., str]


class Chosen(Exception):
    """Raised in place of a training."""


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Choose:
    """Which engine is chosen for a file, with that much memory."""

    def raising(name: str) -> Callable[..., Learned]:
        def learn(*_: object) -> Learned:
            raise Chosen(name)

        return learn

    monkeypatch.setattr(engines.InMemory, "learn_from", raising("memory"))
    monkeypatch.setattr(engines.OutOfCore, "learn_from", raising("stream"))

    class Beyond:
        learn = staticmethod(raising("spark"))

    def choose(file: Path, there: int, beyond: bool = False) -> str:
        monkeypatch.setattr(container, "memory", lambda: there)
        registry = Registry.open(tmp_path / "registry", create=True)
        with pytest.raises(Chosen) as found:
            Automatic(Beyond() if beyond else None).learn(Training(data=str(file)), registry, Progress())
        return str(found.value)

    return choose


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_rows_are_kept_in_memory_where_they_fit(
    chosen: Choose, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = tmp_path / f"rows.{ending}"
    rows = generate(5000, 0)
    rows.to_parquet(path, index=False) if ending == "parquet" else rows.to_csv(path, index=False)
    with open_rows(str(path)) as opened:
        needed = needed_bytes(opened, Training(data="").declaration)
    assert needed == pytest.approx(5000 * 7 * engines.BYTES, rel=0.3)
    assert chosen(path, 2 * needed) == "memory"
    assert not capsys.readouterr().err
    assert chosen(path, needed) == "stream"
    assert "In memory the rows would take about" in capsys.readouterr().err
    assert chosen(path, needed, beyond=True) == "spark"
