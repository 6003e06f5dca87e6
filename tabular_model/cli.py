"""The commands that show versions and choose the champion."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tabular_model.audit import audited, operator
from tabular_model.candidate import check_candidate
from tabular_model.errors import IntegrityError, ModelError
from tabular_model.registry import Registry
from tabular_model.verdict import Verdict

app = typer.Typer(no_args_is_help=True, help="List, show and promote versions.")
keys = typer.Typer(no_args_is_help=True, help="Create the keys that sign versions.")

Root = Annotated[
    str,
    typer.Option(
        "--registry",
        envvar="LOAN_REGISTRY",
        help="Folder, or URL of a bucket or oci:// repository, that holds the versions.",
        show_default=True,
    ),
]
Result = Annotated[
    Path | None,
    typer.Option(envvar="LOAN_RESULT", help="File to write the result to, as one line of JSON."),
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--verify-key", envvar="LOAN_VERIFY_KEY", help="PEM file of public keys; accept only versions they signed."
    ),
]
Name = Annotated[str, typer.Argument(help="A version, such as v2.", metavar="VERSION")]
DEFAULT_ROOT = "files/model_version"


class Format(StrEnum):
    """Output of `loan versions list`: a table for people, or JSON for programs."""

    table = "table"
    json = "json"


class ExtraInputs(StrEnum):
    """What the servers do with inputs that a version does not have: reject the request, or ignore the inputs."""

    refused = "refused"
    ignore = "ignore"


As = Annotated[Format, typer.Option("--output", "-o", help="Format of the output.")]


@app.command("list")
def list_versions(registry: Root = DEFAULT_ROOT, verify_key: Key = None, output: As = Format.table) -> None:
    """List the versions, oldest first."""
    opened = Registry.open(registry, verify_key=verify_key)
    champion = opened.champion()
    rows = [_row(opened, version, champion) for version in opened.versions()]
    if output is Format.json:
        _print_json(rows)
        return
    if not rows:
        typer.echo(f"No versions in {registry} yet; `loan train` publishes one.", err=True)
        return
    table = Table(*(name.upper() for name in rows[0]), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console().print(table)


@app.command()
def show(version: Name, registry: Root = DEFAULT_ROOT, verify_key: Key = None) -> None:
    """Show a version's manifest, metrics and verdict as JSON."""
    opened = Registry.open(registry, verify_key=verify_key)
    _print_json(
        {
            "manifest": msgspec.to_builtins(opened.manifest(version)),
            "metrics": msgspec.json.decode(opened.read(version, "metrics.json")),
            "promotions": [msgspec.to_builtins(each) for each in opened.promotions() if each.version == version],
        }
    )


@app.command()
def check(
    version: Annotated[str, typer.Argument(help="A version, such as v2, or latest.", metavar="VERSION")],
    against: Annotated[str, typer.Option(help="The version that it is to replace.", metavar="VERSION")],
    registry: Root = DEFAULT_ROOT,
    verify_key: Key = None,
    extra_inputs: Annotated[
        ExtraInputs,
        typer.Option(envvar="LOAN_EXTRA_INPUTS", help="What the servers do with inputs that a version does not have."),
    ] = ExtraInputs.refused,
    result: Result = None,
) -> None:
    """Check that a version is complete, accepts the requests of another, and passed the gate."""
    opened = Registry.open(registry, verify_key=verify_key)
    candidate = check_candidate(opened, version, against, extra_inputs is ExtraInputs.ignore)
    _leave(result, candidate)
    for each in candidate.differences:
        typer.echo(f"  {each.column} {each.what}: {each.holds.value}.")
    typer.echo(f"{candidate.version} can replace {against}.")


@app.command()
def promote(
    version: Name,
    reason: Annotated[str, typer.Option(help="Reason; it is recorded with the promotion.")],
    registry: Root = DEFAULT_ROOT,
    verify_key: Key = None,
    force: Annotated[bool, typer.Option("--force", help="Promote a version that failed the gate.")] = False,
    by: Annotated[str, typer.Option(help="Who promotes it; by default the current user.")] = "",
    result: Result = None,
) -> None:
    """Make a version the champion, which servers use by default."""
    from tabular_model.lineage.cli import follow

    who = by or operator()
    opened = Registry.open(registry, verify_key=verify_key)
    if opened.champion() == version:
        typer.echo(f"{version} is already the champion.")
        return
    with audited("promote", who=who, what=version, why=reason):
        promotion = opened.promote(version, by=who, reason=reason, force=force)
    _leave(result, promotion)
    follow(opened, version)
    typer.echo(f"{promotion.version} is now the champion{' (forced)' if promotion.forced else ''}.")


@app.command()
def push(
    version: Name,
    target: Annotated[str, typer.Argument(help="oci://HOST/REPOSITORY, with the version as its tag or with none.")],
    registry: Root = DEFAULT_ROOT,
    verify_key: Key = None,
    base: Annotated[
        str, typer.Option(help="oci://HOST/REPOSITORY:TAG of an image with a shell, as KServe's modelcars need.")
    ] = "",
    platform: Annotated[str, typer.Option(help="Of which nodes the image is for.")] = "linux/amd64",
) -> None:
    """Push a version to a container registry, as an image that clusters mount and ORAS pulls."""
    from tabular_model.oci.push import push as put
    from tabular_model.oci.reference import Reference

    to = Reference.parse(target)
    manifest, files = Registry.open(registry, verify_key=verify_key).export(version)
    with audited("push", who=operator(), what=version, why=f"to {to}"):
        digest = put(files, manifest, to, Reference.parse(base) if base else None, platform)
    typer.echo(f"{to._replace(tag=version)} is {digest}")


@app.command()
def sign(
    version: Name,
    key: Annotated[Path, typer.Option(help="PEM file of a private key on the curve P-256, P-384 or P-521.")],
    registry: Root = DEFAULT_ROOT,
    verify_key: Key = None,
) -> None:
    """Sign a version for other tools: writes model.sig, an OpenSSF Model Signing bundle."""
    from tabular_model.bundle import Bundler

    opened = Registry.open(registry, verify_key=verify_key)
    with audited("sign", who=operator(), what=version, why=f"with {key.name}"):
        opened.add_bundle(version, Bundler.read(key).sign(opened.export(version).files, version))
    typer.echo(f"{version} is signed: model.sig")


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all, so that nobody reads half; ModelError if it cannot be written."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise ModelError(f"The file {path} cannot be written: {error.strerror or error}.") from None


def _leave(result: Path | None, value: msgspec.Struct) -> None:
    if result:
        result.write_bytes(msgspec.json.encode(value))


@keys.callback()
def keys_commands() -> None:
    """Keeps `make` a subcommand if this app runs by itself: without a callback Typer drops an only command's name."""


@keys.command()
def make(folder: Annotated[Path, typer.Argument(help="Where to write signing.key and signing.pub.")]) -> None:
    """Create a pair of Ed25519 keys: the private key signs versions, the public key verifies them."""
    from tabular_model import signing

    signer = signing.make(folder)
    typer.echo(f"Wrote {folder}/signing.key (keep it secret) and {folder}/signing.pub: {signer.fingerprint}")


def _row(registry: Registry, version: str, champion: str | None) -> dict[str, Any]:
    try:
        manifest = registry.manifest(version)
        verdict = Verdict.from_metrics(registry.read(version, "metrics.json"))
    except IntegrityError as error:
        typer.echo(f"{version} is rejected: {error}", err=True)
        row: dict[str, Any] = dict.fromkeys(("created", "algorithm", "rows"))
        return {"version": version, **row, "gate": "refused", "champion": "yes" if version == champion else None}
    return {
        "version": version,
        "created": manifest.created.strftime("%Y-%m-%d %H:%M:%S"),
        "algorithm": manifest.algorithm,
        "rows": manifest.data.rows,
        "gate": "passed" if verdict.passed else "failed",
        "champion": "yes" if version == champion else None,
    }


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console() -> Console:
    """Wide enough in a pipe that no table is cut."""
    return Console(width=None if sys.stdout.isatty() else 200)
