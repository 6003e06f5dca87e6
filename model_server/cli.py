"""The commands that answer questions: serve and predict."""

from pathlib import Path
from typing import Annotated, Any

import typer

from model_server.settings import ServerSettings

_FIELDS = ServerSettings.model_fields


def _option(field: str, *flags: str) -> Any:
    """An option that stands for a field of the settings, with its help; its default is the environment's."""
    return typer.Option(*flags, help=_FIELDS[field].description, show_default=str(_FIELDS[field].default))


def serve(
    registry: Annotated[str | None, _option("registry", "--registry")] = None,
    http_port: Annotated[int | None, _option("http_port", "--http-port")] = None,
    grpc_port: Annotated[int | None, _option("grpc_port", "--grpc-port")] = None,
    model_name: Annotated[str | None, _option("model_name", "--model-name")] = None,
) -> None:
    """Serve the model over V2 REST, V2 gRPC and the plain JSON API.

    Every setting is also an environment variable, such as LOAN_MAX_ROWS; the README lists them.
    """
    from model_server import logs
    from model_server.server import LoanModelServer

    logs.configure()

    LoanModelServer(_settings(registry=registry, http_port=http_port, grpc_port=grpc_port, model_name=model_name)).run()


def predict(
    source: Annotated[Path, typer.Option("--input", help="CSV or Parquet file of applications.")],
    target: Annotated[Path, typer.Option("--output", help="CSV or Parquet file to write.")],
    version: Annotated[str | None, typer.Option(help="Version to ask; the champion, else the latest.")] = None,
    registry: Annotated[str | None, _option("registry", "--registry")] = None,
) -> None:
    """Score a file of applications."""
    from rich.console import Console
    from rich.progress import Progress

    from loan_model.registry import Registry
    from model_server import batch, logs
    from model_server.dataplane import DataPlane
    from model_server.metrics import Metrics
    from model_server.repository import ModelRepository

    logs.configure()
    settings = _settings(registry=registry, max_rows=batch.ROWS_AT_ONCE * 16)
    metrics = Metrics()
    opened = Registry.open(settings.registry, verify_key=settings.verify_key)
    repository = ModelRepository(opened, settings, metrics)
    repository.refresh()
    rows = 0
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Scoring", total=batch.count_rows(source))
        for done in batch.predict(DataPlane(repository, metrics), version, source, target):
            rows += done
            progress.advance(task, done)
    typer.echo(f"Scored {rows} applications into {target}.")


def _settings(**chosen: Any) -> ServerSettings:
    return ServerSettings(**{name: value for name, value in chosen.items() if value is not None})
