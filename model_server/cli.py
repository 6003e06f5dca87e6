"""The commands that answer questions: serve and predict."""

from pathlib import Path
from typing import Annotated, Any

import typer

from model_server.access import Right
from model_server.settings import ServerSettings

tokens = typer.Typer(no_args_is_help=True, help="Give and take the rights to predict, train, load and promote.")

_FIELDS = ServerSettings.model_fields


def _option(field: str, *flags: str) -> Any:
    """An option that stands for a field of the settings, with its help; its default is the environment's."""
    return typer.Option(*flags, help=_FIELDS[field].description, show_default=str(_FIELDS[field].default))


TokensPath = Annotated[
    Path, typer.Option("--tokens", envvar="LOAN_TOKENS", help="File of the tokens' sha256 and rights.")
]
TOKENS: Path = _FIELDS["tokens"].default


def serve(
    registry: Annotated[str | None, _option("registry", "--registry")] = None,
    http_port: Annotated[int | None, _option("http_port", "--http-port")] = None,
    grpc_port: Annotated[int | None, _option("grpc_port", "--grpc-port")] = None,
    model_name: Annotated[str | None, _option("model_name", "--model-name")] = None,
    workers: Annotated[int | None, _option("workers", "--workers")] = None,
) -> None:
    """Serve the model over V2 REST, V2 gRPC and the plain JSON API.

    Every setting is also an environment variable, such as LOAN_MAX_ROWS; the README lists them.
    """
    from model_server import logs

    logs.configure()
    settings = _settings(
        registry=registry, http_port=http_port, grpc_port=grpc_port, model_name=model_name, workers=workers
    )
    if settings.workers == 1:
        from model_server.server import LoanModelServer

        LoanModelServer(settings).run()
    else:
        from model_server.workers.group import WorkerGroup

        WorkerGroup(settings).run()


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


@tokens.command("add")
def add_token(
    name: Annotated[str, typer.Argument(help="Whose token it is; audit lines say so.")],
    may: Annotated[list[Right], typer.Option(help="A right; repeatable.")],
    file: TokensPath = TOKENS,
) -> None:
    """Print a new token, which is kept nowhere, and let it have these rights."""
    from model_server.access import tokens as book

    typer.echo(book.add(file, name, tuple(may)))


@tokens.command("remove")
def remove_token(name: Annotated[str, typer.Argument(help="Whose token it is.")], file: TokensPath = TOKENS) -> None:
    """Take a token away; a server that runs refuses it from the next request on."""
    from model_server.access import tokens as book

    book.remove(file, name)
    typer.echo(f"{name} has no token any more.")


@tokens.command("list")
def list_tokens(file: TokensPath = TOKENS) -> None:
    """List who has a token, and what each may."""
    from model_server.access import tokens as book

    for token in book.read(file).tokens:
        typer.echo(f"{token.name}: {', '.join(token.may)}")


def _settings(**chosen: Any) -> ServerSettings:
    return ServerSettings(**{name: value for name, value in chosen.items() if value is not None})
