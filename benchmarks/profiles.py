"""Where the time goes on the path of one row and of 1 000: pyinstrument samples the server while wrk asks it."""

from pathlib import Path

from benchmarks import load, payloads, servers
from benchmarks.load import CACHE
from benchmarks.servers import OURS

SECONDS, SHOWN = 5.0, 25
# Sampled, it is slow enough to refuse what waits too long; here it is to answer all.
_SETTINGS = (
    "LOAN_QUEUE_SECONDS=60 LOAN_HOST=127.0.0.1 LOAN_REGISTRY={registry} LOAN_HTTP_PORT={http} LOAN_GRPC_PORT={grpc}"
)


def text(registry: Path) -> str:
    return "\n\n".join(_profile(registry, rows, at_once) for rows, at_once in ((1, 16), (1000, 4)))


def _profile(registry: Path, rows: int, at_once: int) -> str:
    out = CACHE / f"profile-{rows}.txt"
    command = f"{{bin}}/python {{peers}}/sampled.py {out}"
    server = OURS._replace(name="loan sampled", command=command, environment=_SETTINGS)
    with servers.running(server, registry, 9520) as running:
        load.http(running.url(), payloads.v2(rows), at_once, SECONDS)
    lines = [line.strip() for line in out.read_text().splitlines() if line.strip()[:1].isdigit()]
    return (
        f"{rows:,} rows, seconds by function; those of the event loop itself are of waiting:\n\n```\n"
        + "\n".join(lines[:SHOWN])
        + "\n```"
    )
