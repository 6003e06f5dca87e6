"""results.md and its plot: every figure with the machine and the versions that it is of."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks import batch, machine, profiles, starts, trees, wide, workers
from benchmarks.compare import Results, compare
from benchmarks.servers import ALL

HERE = Path(__file__).parent
ROUNDS, SECONDS = 5, 3.0
WORKERS = (
    "All servers and the load generator share two cores. MLServer's parallel workers are processes beside the one that "
    "answers HTTP."
)
PROFILE = (
    "Microseconds of the processor for a request of V2 JSON over REST, at full load on one core, shared out by how "
    "often py-spy found the server in each layer. Waiting is no part of it and has its own row."
)


def write(registry: Path) -> None:
    """Measures all and writes the page as it goes; half an hour on an idle machine."""
    page = ""
    for part in _parts(registry):
        page += f"{part}\n\n"
        (HERE / "results.md").write_text(page.rstrip("\n") + "\n")


def _parts(registry: Path) -> Iterator[str]:
    yield "# Results"
    yield (
        f"Made by `make bench` on {machine.described()}. A server has one core, the load generator the other. "
        f"{ROUNDS} rounds of {SECONDS:g} s in an order shuffled anew, after a warm-up: median, ± half of the range. "
        "Nothing of ours is off: versions, metrics, validation, limits and ids are on. Peers have the settings named, "
        "at which they are fastest, no access log, and one thread for their numeric libraries."
    )
    measured = compare(registry, ROUNDS, SECONDS)
    draw(measured, HERE / "results.svg")
    yield "![Requests a second as a multiple of each peer's](results.svg)"
    yield from _scenarios(measured)
    yield f"## From process start to first answer, and memory\n\n{starts.table(registry)}"
    yield f"## A second worker\n\n{WORKERS}\n\n{workers.table(registry)}"
    yield f"## Reasons\n\n{wide.reasons(registry)}"
    yield f"## Trees alone\n\n{trees.table(registry)}"
    yield f"## Where the time goes\n\n{PROFILE}\n\n{profiles.table(registry)}"
    yield f"## A file of applications\n\n{batch.table(registry)}"
    yield f"## Versions\n\n{_versions()}"


def draw(results: Results, path: Path) -> None:
    """How many times as many requests as each peer, on a logarithmic axis."""
    bars = [
        (f"{scenario.title}: {peer.title}", measured[scenario.ours].rate / measured[peer].rate)
        for scenario, measured in results
        for peer in scenario.wanted
        if peer in measured
    ]
    names, ratios = zip(*reversed(bars), strict=True)
    figure, axes = plt.subplots(figsize=(9, 0.32 * len(bars) + 1), layout="constrained")
    drawn = axes.barh(names, ratios, color=["tab:blue" if ratio >= 1 else "tab:gray" for ratio in ratios])
    axes.bar_label(drawn, fmt="%.2g×", padding=3)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("requests a second, as a multiple of the peer's")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _scenarios(results: Results) -> Iterator[str]:
    head = ["server", "settings", "requests/s", "spread", "p99, ms", "loan's multiple", "wanted"]
    for scenario, measured in results:
        if not measured:  # gRPC, where there is no ghz
            continue
        ours = measured[scenario.ours]
        rows = []
        for server, each in measured.items():
            wanted = scenario.wanted.get(server)
            ratio = "" if server is scenario.ours else f"{ours.rate / each.rate:.2f}"
            cells = [server.name, server.settings, f"{each.rate:.0f}", f"± {each.spread:.0%}", f"{each.p99:.2f}", ratio]
            rows.append([*cells, f"{wanted:g}" if wanted else ""])
        yield f"## {scenario.title}\n\n{_markdown(head, rows)}"


def _versions() -> str:
    ours = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "msgspec", "uvicorn", "uvloop", "hpack")
    )
    packages = {server.name: " ".join(server.packages) for server in ALL if server.packages}
    peers = "; ".join(f"{name}: {installed}" for name, installed in packages.items())
    return f"loan: {ours}. Peers: {peers}."
