"""A version in MLflow: a run with its metrics, parameters and files, and a registered version, whose alias `champion`
is kept in step with the registry's champion.

The run is found again by the digest of the version's manifest, so that a second call creates no second run.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tabular_model.lineage.facts import Lineage, trace
from tabular_model.lineage.served import time
from tabular_model.lineage.tracking import Settings, Tracking
from tabular_model.registry import Registry

ALIAS = "champion"
MANIFEST = "loan.manifest"
DIGEST = 36  # characters of a data set's digest, of which MLflow keeps no more
PICKLED = ".joblib"  # is not uploaded: whoever can write to MLflow's store could have others run code


class Logged(NamedTuple):
    """Where a version is in MLflow, by their numbers; `champion` is the registry's, None while there is none."""

    run: str
    number: str
    champion: str | None


def log(registry: Registry, lineage: Lineage, settings: Settings) -> Logged:
    """Logs the version and, if that is another, the champion; TrackingError where the server does not accept it."""
    tracking = Tracking(settings)
    run, number = _logged(registry, lineage, tracking, settings)
    champion = registry.champion()
    marked = tracking.alias(lineage.model, ALIAS)
    if champion is None:
        if marked:
            tracking.delete_alias(lineage.model, ALIAS)
        return Logged(run, number, champion)
    if champion != lineage.version:
        _, of_champion = _logged(registry, trace(registry, champion), tracking, settings)
    else:
        of_champion = number
    if marked != of_champion:
        tracking.set_alias(lineage.model, ALIAS, of_champion)
    return Logged(run, number, champion)


def _logged(registry: Registry, lineage: Lineage, tracking: Tracking, settings: Settings) -> tuple[str, str]:
    """The ids of the run and of the registered version; what an earlier call left unfinished is finished."""
    at = int(lineage.training.published.timestamp() * 1000)
    experiment = tracking.experiment(settings.experiment_name or lineage.model)
    tags = dict(_tags(lineage))
    found = tracking.run(experiment, MANIFEST, lineage.manifest)
    info = (found or tracking.start(experiment, lineage.name, at, tags))["info"]
    run = str(info["run_id"])
    if found:
        tracking.tag(run, tags)
    if info["status"] != "FINISHED":
        files = registry.export(lineage.version).files
        tracking.log(run, dict(_metrics(files["metrics.json"])), dict(_parameters(lineage)), at)
        data = lineage.data
        tracking.log_data(run, data.source, data.sha256[:DIGEST], data.source, "training")
        safe = {name: content for name, content in files.items() if not name.endswith(PICKLED)}
        tracking.upload(str(info["artifact_uri"]), safe)
        tracking.finish(run, at)
    number = tracking.registered(lineage.model, run)
    if number is None:
        known = {name: tags[name] for name in ("loan.version", "loan.registry", MANIFEST, "loan.gate")}
        number = tracking.register(lineage.model, run, str(info["artifact_uri"]), known)
    return run, number


def _metrics(content: bytes) -> Iterator[tuple[str, float]]:
    """The holdout's, each with the ends of its 95 % interval; one that the rows cannot tell is left out."""
    measured: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any]).get("holdout", {})
    for name, value in measured.items():
        parts = {"": value} if not isinstance(value, dict) else {"": value.get("value"), **_ends(value)}
        for end, figure in parts.items():
            if isinstance(figure, int | float):
                yield f"{name}{end}", float(figure)


def _ends(value: Mapping[str, Any]) -> dict[str, Any]:
    return {f".{end}": value.get(end) for end in ("low", "high")}


def _parameters(lineage: Lineage) -> Iterator[tuple[str, str]]:
    yield "algorithm", lineage.algorithm
    yield "seed", str(lineage.seed)
    yield "threshold", f"{lineage.threshold:g}"
    yield "features", ", ".join(lineage.features)
    yield "holdout", f"{lineage.data.holdout:g}"
    for name, value in lineage.parameters.items():
        yield f"{lineage.algorithm}.{name}", str(value)


def _tags(lineage: Lineage) -> Iterator[tuple[str, str]]:
    """What is not known has no tag; a later call that knows it adds it."""
    code, training = lineage.code, lineage.training
    known = {
        "loan.version": lineage.version,
        "loan.registry": lineage.registry,
        MANIFEST: lineage.manifest,
        "loan.signer": lineage.signer,
        "loan.data.sha256": lineage.data.sha256,
        "loan.parent": lineage.parent,
        "loan.run": training.run,
        "loan.job": training.job,
        "loan.release": code.release,
        "loan.gate": "passed" if lineage.gate.passed else "failed",
        "loan.approved": "; ".join(f"{time(each.at)} by {each.by}: {each.reason}" for each in lineage.approvals),
        "loan.served": "; ".join(
            f"{each.release} from {time(each.since)} to {time(each.until)}" for each in lineage.served
        ),
        "mlflow.source.type": "JOB",
        "mlflow.source.name": "loan train",
        "mlflow.source.git.commit": code.commit,
        "mlflow.user": training.by,
    }
    yield from ((name, value) for name, value in known.items() if value)
