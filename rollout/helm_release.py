"""A Helm release: the only record of what should run, read from where Helm keeps it and changed by `helm upgrade`."""

import base64
import gzip
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from rollout.errors import ClusterError, Refused
from rollout.helm import helm
from rollout.release import Revision
from tabular_model.rollouts import Split

CHART = "loan-model"
PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
ABANDONED_SECONDS = 30  # an upgrade that a rollout began takes two or three; longer, and its helm is dead


class HelmRevision(Revision, frozen=True):
    """`config` holds the values that were chosen, `chart` the whole chart."""

    status: str
    config: dict[str, Any]
    chart: dict[str, Any]


class HelmRelease:
    """A release of this project's chart in one namespace.

    Helm needs the chart again for every upgrade. It is taken from the release itself, so that a rollout changes
    weights and versions and never the chart.
    """

    def __init__(self, name: str, namespace: str, context: str | None, core: Any) -> None:
        self.name = name
        self.namespace = namespace
        self._context = context
        self._core = core

    def revisions(self) -> list[HelmRevision]:
        """Oldest first; Refused unless there is one of this chart that serves a version."""
        selector = f"owner=helm,name={self.name}"
        secrets = self._core.list_namespaced_secret(self.namespace, label_selector=selector).items
        found = sorted((_decoded(secret) for secret in secrets), key=lambda each: each["version"])
        if not found or found[-1]["chart"]["metadata"]["name"] != CHART:
            raise Refused(f"The namespace {self.namespace} has no release {self.name} of the chart {CHART}.")
        return [_revision(each) for each in found]

    def current(self) -> HelmRevision:
        """What was last deployed, whatever came after it."""
        deployed = [each for each in self.revisions() if each.status == "deployed"]
        if not deployed:
            raise ClusterError(
                f"The release {self.name} was never deployed completely; see `helm history {self.name}`."
            )
        return deployed[-1]

    def upgrade(self, split: Split, why: str) -> None:
        """Sets the values of `split` and nothing else; `why` is the description in `helm history`."""
        current = self.current()
        values: dict[str, str | int] = {"canary.version": split.canary, "canary.weight": split.weight}
        if split.stable != current.values.split.stable:
            values["stable.version"] = split.stable
        with tempfile.TemporaryDirectory() as folder:
            _unpack(current.chart, Path(folder))
            pairs = ",".join(f"{name}={value}" for name, value in values.items())
            self._helm("upgrade", self.name, folder, "--reuse-values", "--set", pairs, "--description", why)

    def recover(self) -> None:
        """Clears an upgrade that a rollout began and did not live to end, which Helm itself would wait for forever."""
        while (last := self.revisions()[-1]).status in PENDING:
            before = self.current()
            age = (datetime.now(UTC) - last.updated).total_seconds()
            if _without_split(last.config) != _without_split(before.config):
                raise Refused(
                    f"Helm is changing the release {self.name} (revision {last.number}, {last.status} for {age:.0f} s);"
                    f" retry when it is done. If no command is running: `helm rollback {self.name} {before.number}`."
                )
            if age > ABANDONED_SECONDS:
                self._helm("rollback", self.name, str(before.number))
            else:
                time.sleep(1)

    def _helm(self, *words: str) -> None:
        helm(*words, "--namespace", self.namespace, *(["--kube-context", self._context] if self._context else []))


def _decoded(secret: Any) -> dict[str, Any]:
    """Helm's own document: JSON, gzipped, in base64 for Helm and again for the Secret."""
    content = base64.b64decode(base64.b64decode(secret.data["release"]))
    document: dict[str, Any] = msgspec.json.decode(gzip.decompress(content))
    return document


def _revision(document: dict[str, Any]) -> HelmRevision:
    info, config = document["info"], document.get("config") or {}
    return HelmRevision(
        number=document["version"],
        updated=datetime.fromisoformat(info["last_deployed"]),
        description=info.get("description", ""),
        all_values=_merged(document["chart"]["values"], config),
        service=_service(document["manifest"]),
        status=info["status"],
        config=config,
        chart=document["chart"],
    )


def _service(manifest: str) -> str:
    for each in yaml.safe_load_all(manifest):
        if each and each["kind"] == "InferenceService":
            return str(each["metadata"]["name"])
    return ""


def _merged(defaults: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Values as Helm computes them: maps merge, all else replaces, null removes."""
    result = dict(defaults)
    for name, value in chosen.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = _merged(result[name], value)
        else:
            result[name] = value
    return result


def _without_split(config: dict[str, Any]) -> dict[str, Any]:
    """The values but for those that a rollout sets; `--reuse-values` writes defaults down, so they count as none."""
    others = {name: value for name, value in config.items() if name not in ("stable", "canary")}
    mirror = (config.get("canary") or {}).get("mirror") or 0
    return {**others, "mirror": mirror}


def _unpack(chart: dict[str, Any], folder: Path) -> None:
    (folder / "Chart.yaml").write_bytes(msgspec.json.encode(chart["metadata"]))
    (folder / "values.yaml").write_bytes(msgspec.json.encode(chart["values"]))
    if schema := chart.get("schema"):
        (folder / "values.schema.json").write_bytes(base64.b64decode(schema))
    for part in (*chart["templates"], *(chart.get("files") or [])):
        path = folder / part["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(part["data"]))
