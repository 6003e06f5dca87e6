"""A release whose values say only which version is wanted: what runs is kept in a ConfigMap beside them."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml
from kubernetes import client
from msgspec.structs import replace

from rollout.errors import ClusterError, Refused
from rollout.helm import helm
from rollout.objects import INSTANCE, KINDS, MANAGED_BY, MANAGER, SERVER_SIDE_APPLY, Objects
from rollout.release import Revision
from rollout.workload import KnativeWorkload, Workload
from tabular_model.rollouts import Split

COMPONENT = "app.kubernetes.io/component=rollout"
KEY = "state"
NOTHING = Split("", "", 0)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller has deployed; `rejected` is the version that it rolled back."""

    split: Split
    number: int = 0
    updated: datetime = datetime.fromtimestamp(0, UTC)
    why: str = ""
    rejected: str = ""


class Declaration(msgspec.Struct, frozen=True):
    """What the chart's ConfigMap says is wanted."""

    name: str
    uid: str
    service: str
    chart: str
    values: dict[str, Any]

    @property
    def version(self) -> str:
        """The version that is wanted; empty for none yet."""
        return str(self.values.get("version", ""))


class DeclaredRelease:
    """Renders the chart's own templates with the values of its ConfigMap and the split of the moment, and applies them.

    `chart` is a folder with the same version of the chart as the ConfigMap names, else an upgrade is Refused.
    """

    def __init__(self, name: str, namespace: str, api: client.ApiClient, chart: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.chart = chart
        self._core: Any = client.CoreV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)
        self._objects = Objects(name, namespace, self._custom)
        self._rendered: tuple[dict[str, Any], list[dict[str, Any]]] = ({}, [])

    def declaration(self) -> Declaration | None:
        """None where the release has no controller."""
        selector = f"{COMPONENT},{INSTANCE}={self.name}"
        found = self._core.list_namespaced_config_map(self.namespace, label_selector=selector).items
        if not found:
            return None
        data, metadata = found[0].data, found[0].metadata
        values = msgspec.json.decode(data["values"])
        return Declaration(metadata.name, metadata.uid, data["service"], data["chart"], values)

    def state(self) -> State:
        """What was deployed last. An InferenceService without a state, as Helm left it, is stable's."""
        return self._state(self._declared())

    def _state(self, declared: Declaration) -> State:
        try:
            kept = self._core.read_namespaced_config_map(_state_name(declared), self.namespace)
        except client.ApiException as error:
            if error.status != 404:
                raise
            workload = Workload(declared.service, self.namespace, self._core, self._custom)
            service = workload.service(workload.stable)
            return State(split=Split(_version(service), "", 0) if service else NOTHING)
        return msgspec.json.decode(kept.data[KEY], type=State)

    def current(self) -> Revision:
        """What is deployed, with all values."""
        declared = self._declared()
        state = self._state(declared)
        values = _with(declared.values, state.split)
        return Revision(state.number, state.updated, state.why, values, declared.service)

    def upgrade(self, split: Split, why: str) -> None:
        """Deploys `split`. Returns at once, but where Knative first needs a revision of stable to go back to."""
        declared = self._declared()
        before = self._state(declared)
        after = replace(before, number=before.number + 1, updated=datetime.now(UTC), why=why)
        if declared.values["mode"] == "Knative" and before.split.canary not in ("", split.stable, split.canary):
            # The newest revision gets the traffic of one that is taken away, so it has to be of the right version.
            self._deploy(declared, replace(after, split=Split(split.stable, split.stable, 0)))
            self._wait_for_revision(declared, split.stable)
        self._deploy(declared, replace(after, split=split))

    def recover(self) -> None:
        """Deploys the split that is recorded again, so that what others changed or a crash left undone is put right."""
        declared = self._declared()
        state = self._state(declared)
        if not state.split.stable:
            return
        if state.split.canary == state.split.stable and not state.split.weight:
            self._wait_for_revision(declared, state.split.stable)
            state = replace(state, split=Split(state.split.stable, "", 0))
        self._deploy(declared, state)

    def reject(self, version: str) -> None:
        """Remembers that `version` was rolled back; an empty one forgets."""
        declared = self._declared()
        state = self._state(declared)
        if state.rejected != version:
            self._deploy(declared, replace(state, rejected=version))

    def _declared(self) -> Declaration:
        declared = self.declaration()
        if declared is None:
            raise Refused(f"The namespace {self.namespace} has no release {self.name} with rollout.controller.enabled.")
        return declared

    def _wait_for_revision(self, declared: Declaration, version: str) -> None:
        workload = KnativeWorkload(declared.service, self.namespace, self._core, self._custom)
        deadline = time.monotonic() + declared.values["rollout"]["readySeconds"]
        while not (health := workload.health(workload.stable, version)).ready:
            if time.monotonic() > deadline:
                raise ClusterError(f"The new revision of {version} is not ready: {health.reason or 'no reason given'}.")
            time.sleep(1)

    def _deploy(self, declared: Declaration, state: State) -> None:
        objects = self._render(declared, state.split)
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": declared.name, "uid": declared.uid}
        self._keep(_state_name(declared), state, owner)
        self._objects.apply(objects, owner)

    def _keep(self, name: str, state: State, owner: dict[str, Any]) -> None:
        """Not as an annotation of what is deployed: KServe copies those to pods, which then start anew."""
        metadata = {"name": name, "labels": {MANAGED_BY: MANAGER, INSTANCE: self.name}, "ownerReferences": [owner]}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        body["data"] = {KEY: msgspec.json.encode(state).decode()}
        self._core.patch_namespaced_config_map(
            name, self.namespace, body, field_manager=MANAGER, force=True, _content_type=SERVER_SIDE_APPLY
        )

    def _render(self, declared: Declaration, split: Split) -> list[dict[str, Any]]:
        self._check_chart(declared)
        values = _with(declared.values, split)
        values = values | {"version": "", "rollout": values["rollout"] | {"controller": {"enabled": False}}}
        if values != self._rendered[0]:
            self._rendered = (values, self._template(values))
        return self._rendered[1]

    def _template(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(msgspec.json.encode(values))
            file.flush()
            where = ["--namespace", self.namespace, "--values", file.name, "--no-hooks"]
            text = helm("template", self.name, str(self.chart), *where)
        return [each for each in yaml.load_all(text, _Loader) if each and each["kind"] in KINDS]

    def _check_chart(self, declared: Declaration) -> None:
        try:
            own = yaml.safe_load((self.chart / "Chart.yaml").read_text())["version"]
        except FileNotFoundError as error:
            raise Refused(f"No chart was found in {self.chart}: set --chart or LOAN_CHART to its folder.") from error
        if own != declared.chart:
            raise Refused(
                f"The release is of the chart {declared.chart}, but the controller has the templates of {own}: "
                "set image.rollout.tag to the image of the chart's version."
            )


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _state_name(declared: Declaration) -> str:
    return f"{declared.name}-state"


def _version(service: dict[str, Any]) -> str:
    env = service["spec"]["predictor"]["model"].get("env", [])
    return next((str(each["value"]) for each in env if each["name"] == "LOAN_VERSION"), "")


def _with(values: dict[str, Any], split: Split) -> dict[str, Any]:
    canary = values["canary"] | {"version": split.canary, "weight": split.weight}
    return values | {"stable": {"version": split.stable}, "canary": canary}
