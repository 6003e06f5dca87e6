"""`loan judge`: figures and a verdict on two versions, by exit code, as a table, as JSON, or over HTTP."""

import re
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from rollout.cli import Context, Namespace
from rollout.errors import Refused
from tabular_model.errors import ModelError

if TYPE_CHECKING:
    from rollout.judgement import Judged
    from rollout.window import Report

CODES = {"fine": 0, "worse": 1, "unsure": 2}
NOT_JUDGED = 3
POLL_SECONDS = 10.0

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

T = TypeVar("T")


class JudgeCommand(TyperCommand):
    """Ends with 3 whenever there is no verdict, so that neither an outage nor a wrong option is taken for one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command, but for the exit code of a wrong option."""
        return _or_3(lambda: super(JudgeCommand, self).parse_args(ctx, args))

    def invoke(self, ctx: Any) -> Any:
        """As any command, but for the exit code of an error."""
        return _or_3(lambda: super(JudgeCommand, self).invoke(ctx))


def judge(
    stable: Annotated[str, typer.Option(help="The version compared with.", metavar="VERSION")] = "",
    canary: Annotated[str, typer.Option(help="The version judged.", metavar="VERSION")] = "",
    since: Annotated[
        str,
        typer.Option(
            help="The window looked back over, such as 90s or 1h30m. Pods remember nothing: without Prometheus, they "
            "are watched for so long.",
            metavar="DURATION",
        ),
    ] = "5m",
    wait: Annotated[
        str, typer.Option(help="How long to wait for more requests where they are too few.", metavar="DURATION")
    ] = "0s",
    prometheus: Annotated[str, typer.Option(help="Prometheus, which scrapes each pod.", metavar="URL")] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(help="Label of this model's series in Prometheus; repeatable.", metavar="NAME=VALUE"),
    ] = None,
    selector: Annotated[str, typer.Option(help="Labels of the pods, such as app=loans.", metavar="LABELS")] = "",
    release: Annotated[str, typer.Option(help="The Helm release, for its pods and its thresholds.")] = "",
    namespace: Namespace = "",
    context: Context = "",
    values: Annotated[
        Path | None, typer.Option(help="Helm values file whose rollout.judgement has thresholds.", metavar="FILE")
    ] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option("--set", help="A threshold, such as minRequests=100; repeatable.", metavar="NAME=VALUE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    serve: Annotated[
        str,
        typer.Option(
            help="Judge whenever it is asked by POST /fine or /worse, as Flagger does, the versions in the body's "
            "metadata.",
            metavar="[HOST]:PORT",
        ),
    ] = "",
) -> None:
    """Judge a canary against stable, without moving traffic.

    Exit codes: 0 no worse, 1 worse, 2 too little traffic to tell, 3 not judged because of a wrong option or an outage.
    """
    from rollout import webhook
    from rollout.evidence import find
    from rollout.outages import cluster_errors
    from rollout.thresholds import pairs, thresholds
    from rollout.window import Versions, Window

    if serve and (stable or canary):
        raise Refused("--serve reads the versions from each request; omit --stable and --canary.")
    versions = None if serve else Versions.of(stable, canary)
    with cluster_errors():
        evidence = find(
            prometheus=prometheus,
            labels=pairs(label or [], "--label"),
            selector=selector,
            release=release,
            namespace=namespace,
            context=context,
        )
        window = Window(
            evidence,
            thresholds(evidence.limits, values, chosen or []),
            since=_seconds(since, "--since"),
            patience=_seconds(wait, "--wait"),
            pause=POLL_SECONDS,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # the first process of a container has no default
        if versions is None:
            webhook.serve(serve, window)
            return
        report = window.judge(versions, _watch(canary))
    _show(report, as_json)
    raise typer.Exit(CODES[report.verdict])


def _show(report: "Report", as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(report).decode())
        return
    from rollout import view

    console = view.console()
    console.print(f"[bold]{report.canary}[/] against {report.stable}, {report.window.seconds:.0f} s", end="\n\n")
    console.print(view.checks(report.judged))
    for check, why in report.not_judged.items():
        console.print(f"{check}: not judged, because {why}", style="dim")
    console.print()
    console.print(view.verdict(report.judged))


def _watch(canary: str) -> "Callable[[Judged, float], None]":
    from rollout import view

    show = view.progress_line()

    def watch(judged: "Judged", seconds: float) -> None:
        show(f"{seconds:.0f} s, {judged.canary_requests} requests of {canary}: {judged.outcome}")

    return watch


def _seconds(text: str, option: str) -> float:
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise Refused(f"{option} must be a duration such as 90s or 1h30m, not {text!r}.")
    return sum(int(number or 0) * unit for number, unit in zip(found.groups(), (3600, 60, 1), strict=True))


def _or_3(act: Callable[[], T]) -> T:
    """Does it, and turns whatever goes wrong into the exit code 3: a sentence, or the traceback of a bug."""
    try:
        return act()
    except typer.Exit:
        raise
    except Exception as error:
        message = getattr(error, "format_message", error.__str__)()
        if isinstance(error, ModuleNotFoundError):
            message = f"{error.name} is not installed: pip install 'loan-model[rollout]'."
        elif not (isinstance(error, ModelError) or hasattr(error, "format_message")):
            traceback.print_exc()
        typer.secho(f"error: {message}", fg="red", err=True)
        raise typer.Exit(NOT_JUDGED) from error
