"""`python -m benchmarks quick` prints the ratios; `tracing` and `records` what those cost; `monitoring` what is found;
`full` writes results.md, `gateway`, `overload`, `scale` and `beyond-memory` their files."""

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import beyond_memory, gateway, monitoring, overload, records, scale, tracing
from benchmarks.compare import Results, compare
from benchmarks.load import CACHE
from loan_model.synthetic import generate
from tabular_model.registry import Registry
from training_job.progress import Progress
from training_job.run import Training, run_training


def main() -> None:
    CACHE.mkdir(exist_ok=True)
    registry = trained()
    if sys.argv[1:] == ["full"]:
        from benchmarks import results  # noqa: PLC0415 - matplotlib only where it draws

        results.write(registry)
    elif sys.argv[1:] == ["gateway"]:
        gateway.write(Path(__file__).with_name("gateway.md"))
    elif sys.argv[1:] == ["overload"]:
        overload.write(registry, Path(__file__).with_name("overload.md"))
    elif sys.argv[1:] == ["scale"]:
        scale.write(registry, Path(__file__).with_name("scale.md"))
    elif sys.argv[1:] == ["beyond-memory"]:
        beyond_memory.write(Path(__file__).with_name("beyond_memory.md"))
    elif sys.argv[1:] == ["tracing"]:
        print(tracing.table(registry))
    elif sys.argv[1:] == ["records"]:
        print(records.table(registry))
    elif sys.argv[1:] == ["monitoring"]:
        print(monitoring.table(registry, trained("registry-of-few", monitoring.TRAINED[1])))
    else:
        show(compare(registry, rounds=1, seconds=1))


def trained(name: str = "registry", rows: int = 10_000) -> Path:
    """A registry with one version, gradient boosting on so many synthetic rows."""
    root = CACHE / name
    if not (root / "v1/manifest.json").exists():
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "dataset.csv"
            generate(rows, seed=0).to_csv(data, index=False)
            training = Training(data=str(data), algorithm="gradient_boosting")
            run_training(training, Registry.open(root, create=True), Progress())
    return root


def show(results: Results) -> None:
    table = Table("scenario", "peer", "peer, requests/s", "loan, requests/s", "ratio", "wanted")
    for scenario, measured in results:
        for peer, wanted in scenario.wanted.items():
            if peer not in measured:
                continue
            ratio = measured[scenario.ours].rate / measured[peer].rate
            cells = [f"{measured[peer].rate:.0f}", f"{measured[scenario.ours].rate:.0f}", f"{ratio:.2f}"]
            table.add_row(scenario.title, peer.title, *cells, f"{wanted:g}" if wanted else "")
    Console().print(table)


if __name__ == "__main__":
    main()
