"""What is known of a version's lineage, and what is not, with the reason."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from tabular_model.audit import Entry
from tabular_model.lineage.served import Period, periods
from tabular_model.manifest import PIPELINE, Data, Manifest
from tabular_model.registry import Promotion, Registry
from tabular_model.rollouts import Decision
from tabular_model.schema import Column, Target
from tabular_model.verdict import Verdict

RELEASE = "loan-model"  # this project among a manifest's libraries


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """`release` is this project's, `commit` that of its source; `pipeline` is the sha256 of custom code."""

    release: str | None
    commit: str | None
    pipeline: str | None
    libraries: dict[str, str]


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """`run` is the training's id, `job` its Kubernetes Job; who started it and when is in audit lines alone."""

    run: str
    job: str | None
    by: str | None
    started: datetime | None
    published: datetime


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion to champion; `forced` over a gate that the version failed.

    `until` is when `followed_by` took its place; None while it has not.
    """

    at: datetime
    by: str
    reason: str
    forced: bool
    until: datetime | None
    followed_by: str | None


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """A version's lineage; `unknown` maps what is not known, by its name here, to the reason.

    `manifest` is the digest of the manifest, `signer` the fingerprint of its key. `parent` is the version that was
    champion, or else the latest, when the training began; None for a registry's first. `audit` are the lines on it.
    """

    model: str
    version: str
    registry: str
    manifest: str
    signer: str | None
    data: Data
    columns: tuple[Column, ...]
    target: Target
    features: tuple[str, ...]
    code: Code
    algorithm: str
    parameters: dict[str, object]
    seed: int
    threshold: float
    parent: str | None
    training: Training
    gate: Verdict
    approvals: tuple[Approval, ...]
    champion: bool
    served: tuple[Period, ...]
    audit: tuple[Entry, ...]
    unknown: dict[str, str]

    @property
    def name(self) -> str:
        """The model and the version."""
        return f"{self.model} {self.version}"

    def encode(self) -> bytes:
        """UTF-8 JSON, indented by two spaces."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def trace(
    registry: Registry, version: str, audit: Sequence[Entry] | None = None, decisions: Sequence[Decision] | None = None
) -> Lineage:
    """The lineage of a version of the registry; `audit` and `decisions` are None where no logs were given.

    VersionNotFound if absent; IntegrityError if it was changed.
    """
    manifest = registry.manifest(version)
    promotions = registry.promotions()
    about = tuple(each for each in audit or () if _is_about(each, manifest))
    lineage = Lineage(
        model=manifest.model,
        version=version,
        registry=registry.url,
        manifest=manifest.digest,
        signer=_known(manifest.signer),
        data=manifest.data,
        columns=manifest.schema,
        target=manifest.target,
        features=manifest.features,
        code=Code(
            release=manifest.libraries.get(RELEASE),
            commit=_known(manifest.commit),
            pipeline=manifest.files.get(PIPELINE),
            libraries=manifest.libraries,
        ),
        algorithm=manifest.algorithm,
        parameters=manifest.parameters,
        seed=manifest.seed,
        threshold=manifest.threshold,
        parent=manifest.parent,
        training=_training(manifest, about),
        gate=registry.verdict(version),
        approvals=tuple(_approvals(promotions, version)),
        champion=bool(promotions) and promotions[-1].version == version,
        served=periods(decisions or (), version),
        audit=about,
        unknown={},
    )
    unknown = dict(_unknown(lineage, registry.keeps_promotions, audit is not None, decisions is not None))
    return msgspec.structs.replace(lineage, unknown=unknown)


def _known(value: str | UnsetType) -> str | None:
    return None if value is UNSET else value


def _is_about(entry: Entry, manifest: Manifest) -> bool:
    """Whether a line names the version as a word, or its training."""
    words = f"{entry.what} {entry.why}".replace(",", " ").replace(":", " ").split()
    # A server calls the training by its Job, where there is one.
    return manifest.version in words or (entry.audit == "train" and bool({manifest.run, manifest.job} & {*words}))


def _training(manifest: Manifest, audit: Sequence[Entry]) -> Training:
    """A server's line names who asked for the training; the training's own, within its Job, a user of the system."""
    lines = [each for each in audit if each.audit == "train"]
    began = next((each for each in lines if each.result == "started"), None)
    ended = next((each for each in lines if each.result == "done" and each.what == manifest.version), None)
    told = began or ended
    return Training(
        run=manifest.run,
        job=_known(manifest.job),
        by=told.who if told else None,
        started=began.when if began else None,
        published=manifest.created,
    )


def _approvals(promotions: Sequence[Promotion], version: str) -> Iterator[Approval]:
    for each, after in zip(promotions, (*promotions[1:], None), strict=False):
        if each.version == version:
            yield Approval(
                at=each.at,
                by=each.by,
                reason=each.reason,
                forced=each.forced,
                until=after.at if after else None,
                followed_by=after.version if after else None,
            )


def _unknown(lineage: Lineage, keeps_promotions: bool, logs: bool, decisions: bool) -> Iterator[tuple[str, str]]:
    code, training = lineage.code, lineage.training
    if code.release is None:
        yield "code.release", "the manifest does not name the release that trained it, as of the first releases"
    if code.commit is None:
        yield "code.commit", "nobody told the training (LOAN_COMMIT), as the images of a release do"
    if training.job is None:
        yield "training.job", f"the manifest names no Kubernetes Job (LOAN_JOB), only the run {training.run}"
    why = "no audit line given says so" if logs else "it is in audit lines alone, and no log was given (--audit)"
    if training.by is None:
        yield "training.by", why
    if training.started is None:
        yield "training.started", why
    if not keeps_promotions:
        yield "approvals", f"{lineage.registry} is the folder of one version, and promotions are beside such folders"
    if not decisions:
        yield "served", "no record of a rollout was given (--judgements, what `loan rollout` printed)"
    elif not lineage.served:
        yield (
            "served",
            "no decision given has it with traffic; what was not a rollout, such as Helm's, left no decision",
        )
