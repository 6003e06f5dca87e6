"""The command that writes the card of a version, and the archive of its evidence."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tabular_model.audit import audited, operator
from tabular_model.cli import DEFAULT_ROOT, Key, Name, Root, write_whole
from tabular_model.errors import ModelError

if TYPE_CHECKING:
    from tabular_model.card.subject import Subject

ENDING = ".tar.gz"


def card(
    version: Name,
    registry: Root = DEFAULT_ROOT,
    verify_key: Key = None,
    data: Annotated[
        str,
        typer.Option(
            help="The data that the version was trained on, to train its algorithm without some of the columns and "
            "compare how groups are approved."
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write: .html or .md; by default Markdown is printed."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Archive of the version's evidence to write, with the card in it: .tar.gz.", metavar="FILE"),
    ] = None,
    audit: Annotated[
        list[Path] | None,
        typer.Option(help="Log whose audit lines on the version go into the archive; repeatable.", metavar="FILE"),
    ] = None,
    judgements: Annotated[
        list[Path] | None,
        typer.Option(
            help="What `loan rollout` or `loan judge --json` printed, for the archive; repeatable.", metavar="FILE"
        ),
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(envvar="LOAN_SIGNING_KEY", help="PEM file of the Ed25519 key to sign the archive with."),
    ] = None,
) -> None:
    """Write a version's model card for a committee or an examiner, and its evidence as one archive."""
    if output and output.suffix not in (".html", ".md"):
        raise ModelError(f"The output must be a file that ends in .html or .md, not {output}.")
    if bundle and not bundle.name.endswith(ENDING):
        raise ModelError(f"The bundle must be a file that ends in {ENDING}, not {bundle}.")
    if not bundle and (audit or judgements):
        raise ModelError(f"{'--audit' if audit else '--judgements'} is for the archive: add --bundle FILE.")
    subject = _read(registry, version, verify_key)
    if data:
        subject = _with_alternatives(subject, data)
    if bundle:
        _write_bundle(subject, bundle, audit or [], judgements or [], signing_key)
    if output:
        write_whole(output, _written(subject, output.suffix).encode())
        typer.echo(f"Wrote {output}: the card of {subject.name}.", err=True)
    elif not bundle:
        typer.echo(_written(subject, ".md"), nl=False)


def _read(registry: str, version: str, verify_key: Path | None) -> "Subject":
    try:
        from tabular_model.card.subject import Subject
    except ModuleNotFoundError as error:
        lacking = (error.name or "").partition(".")[0]
        raise ModelError(f"A card needs {lacking}: pip install 'loan-model[training]'.") from None
    return Subject.read(registry, version, verify_key)


def _with_alternatives(subject: "Subject", data: str) -> "Subject":
    from dataclasses import replace

    from training_job.alternatives import alternatives
    from training_job.progress import Progress

    return replace(subject, alternatives=alternatives(subject.manifest, subject.files, data, Progress()))


def _write_bundle(
    subject: "Subject", bundle: Path, audit: list[Path], judgements: list[Path], signing_key: Path | None
) -> None:
    from tabular_model import log_lines
    from tabular_model.card import evidence
    from tabular_model.signing import Signer

    lines = log_lines.audit_lines(audit, subject.manifest.version)
    judged = log_lines.judgements(judgements, subject.manifest.version)
    if not signing_key:
        content, signed = evidence.archive(subject, _cards(subject), lines, judged), "not signed"
    else:
        with audited("sign", who=operator(), what=f"evidence of {subject.name}", why=f"with {signing_key.name}"):
            signer = Signer.read(signing_key)
            content = evidence.archive(subject, _cards(subject), lines, judged, signer)
        signed = f"signed by {signer.fingerprint}"
    write_whole(bundle, content)
    typer.echo(
        f"Wrote {bundle}: the evidence of {subject.name}, with {len(lines.kept)} audit lines and "
        f"{len(judged.kept)} judgements, {signed}.",
        err=True,
    )


def _cards(subject: "Subject") -> dict[str, str]:
    return {f"card{ending}": _written(subject, ending) for ending in (".html", ".md")}


def _written(subject: "Subject", ending: str) -> str:
    from tabular_model.card.card import card as written
    from tabular_model.card.html import html
    from tabular_model.card.markdown import markdown

    document = written(subject)
    return html(document) if ending == ".html" else markdown(document)
