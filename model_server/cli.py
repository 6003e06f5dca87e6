"""The command serve, and those for tokens."""

from pathlib import Path
from typing import Annotated, Any

import typer

from model_server.access import Right
from model_server.settings import GROUPS, ServerSettings

tokens = typer.Typer(no_args_is_help=True, help="Grant and revoke the rights to predict, train, load and promote.")

_FIELDS = ServerSettings.model_fields
_PANELS = {field: title for title, group in GROUPS.items() for field in group.model_fields}


def option(field: str, panel: str | None = None) -> Any:
    """An option for a field of the settings, with its description; without the option the environment decides."""
    default = _FIELDS[field].default
    return typer.Option(help=_FIELDS[field].description, show_default=str(default) or False, rich_help_panel=panel)


def _setting(field: str) -> Any:
    """As `option`, below the title of the field's group."""
    return option(field, _PANELS[field])


TokensPath = Annotated[
    Path, typer.Option("--tokens", envvar="LOAN_TOKENS", help="File with each token's sha256 and rights.")
]
TOKENS: Path = _FIELDS["tokens"].default


def serve(
    registry: Annotated[str | None, _setting("registry")] = None,
    model_name: Annotated[str | None, _setting("model_name")] = None,
    http_port: Annotated[int | None, _setting("http_port")] = None,
    grpc_port: Annotated[int | None, _setting("grpc_port")] = None,
    workers: Annotated[int | None, _setting("workers")] = None,
) -> None:
    """Serve the model over V2 REST, V2 gRPC and the plain JSON API.

    Every setting is also an environment variable, such as LOAN_MAX_ROWS; docs/settings.md lists them.
    """
    from model_server import logs
    from model_server.modelcar import wait_for_model

    logs.configure()
    settings = server_settings(
        registry=registry, http_port=http_port, grpc_port=grpc_port, model_name=model_name, workers=workers
    )
    wait_for_model(settings.registry)
    if settings.workers == 1:
        from model_server.server import LoanModelServer

        LoanModelServer(settings).run()
    else:
        from model_server.workers.group import WorkerGroup

        WorkerGroup(settings).run()


@tokens.command("add")
def add_token(
    name: Annotated[str, typer.Argument(help="Owner of the token, as in audit lines.")],
    may: Annotated[list[Right], typer.Option(help="Right of the token; repeatable.")],
    file: TokensPath = TOKENS,
) -> None:
    """Print a new token with these rights; the token itself is stored nowhere."""
    from model_server.access import tokens as book

    typer.echo(book.add(file, name, tuple(may)))


@tokens.command("remove")
def remove_token(name: Annotated[str, typer.Argument(help="Owner of the token.")], file: TokensPath = TOKENS) -> None:
    """Remove a token; a running server rejects it from the next request on."""
    from model_server.access import tokens as book

    book.remove(file, name)
    typer.echo(f"The token of {name} was removed.")


@tokens.command("list")
def list_tokens(file: TokensPath = TOKENS) -> None:
    """List the owners of tokens and their rights."""
    from model_server.access import tokens as book

    for token in book.read(file).tokens:
        typer.echo(f"{token.name}: {', '.join(token.may)}")


def server_settings(**chosen: Any) -> ServerSettings:
    """The settings with what was chosen by options; the environment decides on the rest."""
    return ServerSettings.read(**{name: value for name, value in chosen.items() if value is not None})
