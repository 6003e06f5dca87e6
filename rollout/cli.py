"""`loan rollout`: start or continue, show, abort; and the controller that does so automatically."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.errors import Stopped

if TYPE_CHECKING:
    from rollout.connection import Connection
    from rollout.controller import Watch
    from rollout.judgement import Judged
    from tabular_model.rollouts import Split

STOPPED = 3  # the exit code of a rollout that stands where it is; 1 is one that was rolled back or refused

app = typer.Typer(help="Roll out a version step by step, and roll back if it is worse.")

Name = Annotated[str, typer.Option("--release", envvar="LOAN_RELEASE", help="The Helm release.")]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", envvar="LOAN_NAMESPACE", help="Its namespace; by default kubectl's.")
]
Context = Annotated[str, typer.Option("--context", help="kubectl's context; by default the current one.")]
DEFAULT_RELEASE = "loans"
DEFAULT_CHART = Path("helm/loan-model")


@app.callback(invoke_without_command=True)
def rollout(
    context: typer.Context,
    to: Annotated[
        str, typer.Option("--to", help="Version to roll out, such as v2, or latest.", metavar="VERSION")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")] = False,
    release: Name = DEFAULT_RELEASE,
    namespace: Namespace = "",
    kube_context: Context = "",
) -> None:
    """Start a rollout, or continue one that was interrupted."""
    if context.invoked_subcommand:
        return
    if not to:
        typer.echo(context.get_help())
        return
    with _connected(release, namespace, kube_context) as connection:
        connection.check_owner()
        if dry_run:
            for step in connection.controller(_watch(), lambda: "").plan(to):
                typer.echo(step)
            return
        interrupted = _interruptions()
        with connection.lease() as lease:
            connection.controller(_watch(), lambda: interrupted() or lease.lost).run(to)


@app.command()
def status(release: Name = DEFAULT_RELEASE, namespace: Namespace = "", kube_context: Context = "") -> None:
    """Show versions, shares, pods and the current judgement."""
    from rollout import view

    with _connected(release, namespace, kube_context) as connection:
        view.console().print(connection.status())


@app.command()
def abort(release: Name = DEFAULT_RELEASE, namespace: Namespace = "", kube_context: Context = "") -> None:
    """Give all traffic to stable and remove the canary; a running rollout ends."""
    with _connected(release, namespace, kube_context) as connection:
        connection.check_owner()
        connection.controller(_watch(), lambda: "").abort()


@app.command()
def controller(
    release: Name = DEFAULT_RELEASE,
    namespace: Namespace = "",
    kube_context: Context = "",
    chart: Annotated[
        Path, typer.Option("--chart", envvar="LOAN_CHART", help="The folder of the chart's templates.")
    ] = DEFAULT_CHART,
) -> None:
    """Keep the release at the version that its value `version` names, until it is stopped.

    The chart runs this as a Deployment where rollout.controller.enabled is true.
    """
    interrupted = _interruptions()
    with _connected(release, namespace, kube_context, chart) as connection, connection.lease(wait=True) as lease:
        connection.reconciler(_watch(), lambda: interrupted() or lease.lost).run()


@contextmanager
def _connected(release: str, namespace: str, context: str, chart: Path = DEFAULT_CHART) -> Iterator["Connection"]:
    from rollout.connection import Connection
    from rollout.outages import cluster_errors

    try:
        with cluster_errors():
            yield Connection(release, namespace, context or None, chart)
    except Stopped as error:
        typer.secho(f"stopped: {error}", fg="yellow", err=True)
        raise typer.Exit(STOPPED) from error


def _watch() -> "Watch":
    from rollout import view

    show = view.progress_line()

    def watch(split: "Split", judged: "Judged", seconds: float) -> None:
        show(view.progress(split, judged, seconds))

    return watch


def _interruptions() -> Callable[[], str]:
    """Why to end, once Ctrl-C was typed or the pod is to go; the step at hand is ended first."""
    reasons: list[str] = []
    for number, why in ((signal.SIGINT, "Interrupted"), (signal.SIGTERM, "Terminated")):
        signal.signal(number, lambda *_, why=why: reasons.append(why))
    return lambda: reasons[0] if reasons else ""
