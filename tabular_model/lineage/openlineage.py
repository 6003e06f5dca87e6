"""The lineage as events of OpenLineage (https://openlineage.io/spec/2-0-2/OpenLineage.json), by its own client.

The training, each promotion, and each time in which a release served the version is a run of a job. Ids of runs follow
from the manifest, so that the same lineage gives the same events. A run has a START only where it is known when.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    RunFacet,
    dataset_version_dataset,
    execution_parameters_run,
    input_statistics_input_dataset,
    job_type_job,
    processing_engine_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.serde import Serde

from tabular_model.lineage.facts import RELEASE, Lineage

PRODUCER = "urn:loan-model:lineage"


def events(lineage: Lineage) -> bytes:
    """One event to a line, of JSON in UTF-8."""
    made = (*_training(lineage), *_approvals(lineage), *_served(lineage))
    return b"".join(Serde.to_json(event).encode() + b"\n" for event in made)


def _training(lineage: Lineage) -> Iterator[RunEvent]:
    code, training = lineage.code, lineage.training
    facets: dict[str, RunFacet] = {
        "executionParameters": execution_parameters_run.ExecutionParametersRunFacet(
            parameters=[
                execution_parameters_run.ExecutionParameter(key=key, value=str(value))
                for key, value in {**lineage.parameters, "seed": lineage.seed, "threshold": lineage.threshold}.items()
            ]
        ),
        "tags": _tags(
            {
                "algorithm": lineage.algorithm,
                "run": training.run,
                "kubernetes.job": training.job,
                "by": training.by,
                "commit": code.commit,
                "pipeline.sha256": code.pipeline,
                "parent": lineage.parent,
                "gate": "passed" if lineage.gate.passed else "failed",
                **{f"library.{name}": version for name, version in code.libraries.items()},
                **{f"unknown.{name}": why for name, why in lineage.unknown.items()},
            }
        ),
    }
    if code.release:
        facets["processing_engine"] = processing_engine_run.ProcessingEngineRunFacet(version=code.release, name=RELEASE)
    run, job = _run(lineage, "train", facets), _job(f"{lineage.model}.train", "TRAINING")
    if training.started:
        yield _event(RunState.START, training.started, run, job)
    yield _event(RunState.COMPLETE, training.published, run, job, [_data(lineage)], [_version(lineage)])


def _approvals(lineage: Lineage) -> Iterator[RunEvent]:
    job = _job(f"{lineage.model}.promote", "APPROVAL")
    for each in lineage.approvals:
        tags = _tags({"by": each.by, "reason": each.reason, "gate": "overridden" if each.forced else "passed"})
        run = _run(lineage, f"promote {each.at.isoformat()}", {"tags": tags})
        champion = OutputDataset(*_place(f"{lineage.registry}/champion"), facets=_facets(lineage))
        yield _event(RunState.COMPLETE, each.at, run, job, [_input(lineage)], [champion])


def _served(lineage: Lineage) -> Iterator[RunEvent]:
    for number, each in enumerate(lineage.served):
        tags = _tags({"shares": ", ".join(map(str, each.shares)), "began": each.began, "ended": each.ended})
        run = _run(lineage, f"serve {each.release} {each.since or number}", {"tags": tags})
        job = _job(f"{each.release}.serve", "SERVING", "SERVICE")
        if each.since:
            yield _event(RunState.START, each.since, run, job, [_input(lineage)])
        if each.until:
            yield _event(RunState.COMPLETE, each.until, run, job, [_input(lineage)])


def _event(
    state: RunState,
    at: datetime,
    run: Run,
    job: Job,
    inputs: list[InputDataset] | None = None,
    outputs: list[OutputDataset] | None = None,
) -> RunEvent:
    return RunEvent(
        eventType=state,
        eventTime=at.isoformat(),
        run=run,
        job=job,
        inputs=inputs or [],
        outputs=outputs or [],
        producer=PRODUCER,
    )


def _run(lineage: Lineage, what: str, facets: dict[str, RunFacet]) -> Run:
    return Run(runId=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{lineage.manifest} {what}")), facets=facets)


def _job(name: str, kind: str, processing: str = "BATCH") -> Job:
    facets: dict[str, JobFacet] = {
        "jobType": job_type_job.JobTypeJobFacet(processingType=processing, integration="LOAN_MODEL", jobType=kind)
    }
    return Job(namespace=RELEASE, name=name, facets=facets)


def _tags(values: Mapping[str, str | None]) -> tags_run.TagsRunFacet:
    known = {key: value for key, value in values.items() if value}
    return tags_run.TagsRunFacet(
        tags=[tags_run.TagsRunFacetFields(key=key, value=value, source="LOAN_MODEL") for key, value in known.items()]
    )


def _data(lineage: Lineage) -> InputDataset:
    """The data set, whose fingerprint is its version."""
    fields = [(each.name, each.type, each.expected()) for each in lineage.columns]
    fields.append((lineage.target.name, "category", f"{lineage.target.approved} or {lineage.target.rejected}"))
    facets: dict[str, DatasetFacet] = {
        "schema": schema_dataset.SchemaDatasetFacet(
            fields=[
                schema_dataset.SchemaDatasetFacetFields(name=name, type=kind, description=said)
                for name, kind, said in fields
            ]
        ),
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=f"sha256:{lineage.data.sha256}"),
    }
    rows = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=lineage.data.rows)
    return InputDataset(*_place(lineage.data.source), facets=facets, inputFacets={"inputStatistics": rows})


def _version(lineage: Lineage) -> OutputDataset:
    return OutputDataset(*_place(f"{lineage.registry}/{lineage.version}"), facets=_facets(lineage))


def _input(lineage: Lineage) -> InputDataset:
    return InputDataset(*_place(f"{lineage.registry}/{lineage.version}"), facets=_facets(lineage))


def _facets(lineage: Lineage) -> dict[str, DatasetFacet]:
    """The version's place is named by its number, and its content by the manifest's digest."""
    digest = f"sha256:{lineage.manifest}"
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=digest)}


def _place(url: str) -> tuple[str, str]:
    """Namespace and name as https://openlineage.io/docs/spec/naming asks: scheme and host, and the path."""
    parts = urlsplit(url)
    if parts.scheme and parts.netloc:
        return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or "/"
    return "file", url
