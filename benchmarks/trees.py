"""Rows a second of the trees alone, by each way to score them, on one core and on two."""

import json
import subprocess
from pathlib import Path

from benchmarks import load, servers
from benchmarks.servers import SCORERS, Server

PROGRAM = Path(__file__).parent / "peers/trees.py"
TREES = Server("trees", ("treelite==4.8.1", "tl2cgen==1.0.0", "onnxruntime==1.32.0", "msgspec", *SCORERS), "")


def table(registry: Path) -> str:
    servers.install(TREES)
    lines = ["| trees | cores | 1 row, rows/s | 1 000 rows, rows/s | 100 000 rows, rows/s |", "|---|---|---|---|---|"]
    for cores in ("0", "0,1"):
        program = [TREES.home / "bin/python", PROGRAM, registry / "v1", str(len(cores.split(",")))]
        command = [*load.on(cores), *program]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for name, rates in json.loads(said.splitlines()[-1]).items():
            lines.append(f"| {name} | {len(cores.split(','))} | {' | '.join(f'{rate:,.0f}' for rate in rates)} |")
    return "\n".join(lines)
