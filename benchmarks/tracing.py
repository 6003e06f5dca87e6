"""What tracing costs: one row of V2 JSON by servers that trace nothing, 1 % and all of their requests."""

from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import load, payloads
from benchmarks.servers import OURS, running
from tests.model_server.collector import collecting

ROUNDS, SECONDS, AT_ONCE = 7, 2.0, 16
SHARES = {"off": None, "on, no request is sampled": 0, "on at 1 %": 0.01, "on at 100 %": 1}


def table(registry: Path) -> str:
    """Requests a second, and their ratio to those without tracing, as Markdown; the servers are asked by turns."""
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        asked = {}
        for number, (name, share) in enumerate(SHARES.items()):
            environment = {} if share is None else collector.environment | _sampler(share)
            pairs = [OURS.environment, *(f"{key}={value}" for key, value in environment.items())]
            server = OURS._replace(environment=" ".join(pairs))
            asked[name] = stack.enter_context(running(server, registry, 9600 + 10 * number)).url()
        body = payloads.v2(1)
        rounds = [
            {name: load.http(url, body, AT_ONCE, SECONDS).rate for name, url in asked.items()}
            for _ in range(ROUNDS + 1)
        ][1:]
    lines = ["| tracing | requests/s | of those without |", "| --- | --- | --- |"]
    for name in asked:
        ratio = median(each[name] / each["off"] for each in rounds)
        lines.append(f"| {name} | {median(each[name] for each in rounds):.0f} | {ratio:.2f} |")
    return "\n".join(lines)


def _sampler(share: float) -> dict[str, str]:
    return {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(share),
        "OTEL_BSP_SCHEDULE_DELAY": "5000",  # the SDK's default
    }
