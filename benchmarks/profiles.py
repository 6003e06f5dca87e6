"""Where the processor's time goes for one row and for 1 000, by layer: py-spy looks at the server while wrk asks it.

It looks from outside, so that the server is hardly slower. pyinstrument, which counted calls inside it, summed what all
functions took by themselves in one row of its flat view, under the name of whichever file came last.
"""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks import load, payloads, servers
from benchmarks.load import CACHE
from benchmarks.servers import BIN, OURS

SECONDS, LOOKS_A_SECOND, FUNCTIONS = 10.0, 250, 30
# Paused for each look, it is slow enough to refuse what waits too long; here it is to answer all.
SERVER = OURS._replace(settings="looked at", environment=f"{OURS.environment} LOAN_QUEUE_SECONDS=60")
REST, CODEC = "model_server/rest/", "model_server/codecs/v2_rest.py "
# A look counts for the innermost function that is named here, by its file or its file and name; the first that fits.
LAYERS = {
    "writing to the socket": (f"{REST}protocol.py HttpProtocol._send",),
    "HTTP: parsing, heads, ids": (
        f"{REST}protocol.py",
        f"{REST}http.py",
        f"{REST}head.py",
        "model_server/request_ids.py",
    ),
    "routing, admission, rights": (
        f"{REST}app.py",
        f"{REST}routing.py",
        "model_server/access/",
        "model_server/overload/admission.py",
        "model_server/overload/connections.py",
        "model_server/overload/event_loop.py",
        "model_server/overload/policy.py",
        "model_server/overload/threads.py",
    ),
    "endpoint and data plane": (f"{REST}v2.py", "model_server/predictions.py", "model_server/dataplane.py"),
    "decoding": (f"{CODEC}decode",),
    "checks: tensors to a matrix": ("model_server/signature.py", "model_server/tensors.py"),
    "score": ("tabular_model/model.py", "tabular_model/scoring/"),
    "metrics": ("model_server/metrics.py", "model_server/counts.py", "model_server/prediction_log.py"),
    "encoding": (f"{CODEC}encode",),
    "event loop: polling, reading from sockets": ("asyncio/runners.py Runner.run",),
}
WAITING = "waiting, for requests or the processor"


class Profile(NamedTuple):
    """Seconds of the processor for a request, how they are shared by layer, and seconds beside them."""

    cpu: float
    shares: dict[str, float]
    waited: float
    functions: dict[str, float]


def table(registry: Path) -> str:
    """Microseconds a request by layer, as Markdown."""
    one, many = (_profile(registry, rows, at_once) for rows, at_once in ((1, 16), (1000, 4)))
    lines = ["| layer | 1 row, µs | share | 1 000 rows, µs | share |", "|---|---|---|---|---|"]
    lines += (
        f"| {layer} | {_cells(one, one.shares.get(layer, 0))} | {_cells(many, many.shares.get(layer, 0))} |"
        for layer in LAYERS
    )
    lines.append(f"| all | {_cells(one, 1)} | {_cells(many, 1)} |")
    lines.append(f"| {WAITING} | {one.waited * 1e6:.1f} | | {many.waited * 1e6:.1f} | |")
    lines += ["", f"One row, the {FUNCTIONS} functions with the most time of their own and of what they call in C:", ""]
    lines += ["| function | µs | share |", "|---|---|---|"]
    lines += (f"| `{name}` | {_cells(one, share)} |" for name, share in list(one.functions.items())[:FUNCTIONS])
    return "\n".join(lines)


def shares(folded: str) -> dict[str, float]:
    """The share of each layer in py-spy's looks, a line each: functions from the outermost in, and how many looks.

    Threads that pass through no layer, such as gRPC's and those of pools, wait and do not count.
    """
    looks: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        if layer := next(_layers(stack.split(";")), None):
            looks[layer] += int(count)
    return {layer: count / looks.total() for layer, count in looks.items()}


def functions(folded: str) -> dict[str, float]:
    """The share of each of this server's functions, the largest first: of its own time, and of what it calls outside.

    Threads count no more than in `shares`.
    """
    looks: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        if next(_layers(stack.split(";")), None):
            looks[next(_own(stack.split(";")), "the event loop")] += int(count)
    return {name: count / looks.total() for name, count in looks.most_common()}


def _own(stack: list[str]) -> Iterator[str]:
    """The functions of this server in a stack, from the innermost out, with their modules."""
    for frame in reversed(stack):
        function, _, place = frame.rstrip(")").rpartition(" (")
        file = place.rpartition(":")[0]
        if file.startswith(("model_server/", "tabular_model/")) and not file.endswith(("/server.py", "/cli.py")):
            yield f"{file.removesuffix('.py').replace('/', '.')}.{function}"


def _layers(stack: list[str]) -> Iterator[str]:
    """The layers that a stack is in, from the innermost out; a frame is `Class.function (file.py:1)`."""
    for frame in reversed(stack):
        function, _, place = frame.rstrip(")").rpartition(" (")
        code = f"{place.rpartition(':')[0]} {function}"
        yield from (layer for layer, named in LAYERS.items() if code.startswith(named))


def _profile(registry: Path, rows: int, at_once: int) -> Profile:
    out = CACHE / f"profile-{rows}.txt"
    with servers.running(SERVER, registry, 9520) as running:
        body = payloads.v2(rows)
        load.http(running.url(), body, at_once, 1)
        process = psutil.Process(running.process.pid)
        looking = ["record", "--pid", str(process.pid), "--function", "--format", "raw", "--output", str(out)]
        looking += [f"--duration={SECONDS:.0f}", f"--rate={LOOKS_A_SECOND}"]
        command = [*load.ON_LOAD_CORE, str(BIN / "py-spy"), *looking]
        spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        began, before = time.perf_counter(), process.cpu_times()
        answered = load.http(running.url(), body, at_once, SECONDS).answered
        after, wall = process.cpu_times(), time.perf_counter() - began
        _, said = spy.communicate()
    if spy.returncode:
        raise RuntimeError(f"py-spy cannot look into the server; it needs root or ptrace: {said.decode()}")
    cpu = after.user + after.system - before.user - before.system
    folded = out.read_text()
    return Profile(cpu / answered, shares(folded), max(wall - cpu, 0) / answered, functions(folded))


def _cells(profile: Profile, share: float) -> str:
    return f"{profile.cpu * share * 1e6:.1f} | {share:.0%}"
