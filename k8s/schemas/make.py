"""Makes the JSON schemas beside this file, by which kubeconform validates what the chart renders.

    python3 k8s/schemas/make.py CRDS.yaml...   # needs PyYAML, and kubectl with a cluster for the built-in kinds
    python3 k8s/schemas/make.py --spark        # needs kubeflow-spark-api, the Spark operator's API in pydantic

The schemas are strict (a field that the kind does not have is an error), have no descriptions, and keep a subtree
that occurs more than once only once, because KServe's repeat a whole container many times.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

BUILT_IN = {
    "apps/v1": ["Deployment"],
    "v1": ["ConfigMap", "PersistentVolumeClaim", "Pod", "Service", "ServiceAccount"],
    "batch/v1": ["CronJob", "Job"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
}
CUSTOM = [
    "AnalysisTemplate",
    "Application",
    "BackendTLSPolicy",
    "BackendTrafficPolicy",
    "Canary",
    "ClusterStorageContainer",
    "GitRepository",
    "HelmRelease",
    "HTTPRoute",
    "InferenceService",
    "PrometheusRule",
    "ReferenceGrant",
    "Rollout",
    "SecurityPolicy",
    "ServiceMonitor",
    "ServingRuntime",
]
KEPT = ("type", "required", "enum", "pattern", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength")
SMALL = 100  # characters that are not worth a reference

Schema = dict[str, Any]


def main() -> None:
    made = spark() if sys.argv[1:] == ["--spark"] else [*custom(sys.argv[1:]), *built_in()]
    for kind, group, version, schema in made:
        suffix = "-".join(part for part in (group.split(".")[0], version) if part)
        path = Path(__file__).with_name(f"{kind.lower()}-{suffix}.json")
        path.write_text(json.dumps(shared(schema), separators=(",", ":"), sort_keys=True) + "\n")


def custom(files: list[str]) -> Iterator[tuple[str, str, str, Schema]]:
    for file in files:
        for document in yaml.safe_load_all(Path(file).read_text()):
            if document and document["kind"] == "CustomResourceDefinition":
                spec = document["spec"]
                for version in spec["versions"]:
                    if spec["names"]["kind"] in CUSTOM and version["storage"]:
                        schema = strict(version["schema"]["openAPIV3Schema"], {})
                        yield spec["names"]["kind"], spec["group"], version["name"], schema


def spark() -> Iterator[tuple[str, str, str, Schema]]:
    from kubeflow_spark_api import models  # noqa: PLC0415 - only for these

    for kind in "SparkApplication", "ScheduledSparkApplication":
        schema = optional(getattr(models, f"SparkV1beta2{kind}").model_json_schema())
        definitions = schema.pop("$defs")
        for name in definitions:
            if name.endswith(("ResourceQuantity", "IntOrString")):
                definitions[name] = {"x-kubernetes-int-or-string": True}
        yield kind, "sparkoperator.k8s.io", "v1beta2", strict(schema, definitions)


def optional(node: Any) -> Any:
    """The same schema, with a field that may be null as the field alone."""
    if isinstance(node, list):
        return [optional(child) for child in node]
    if not isinstance(node, dict):
        return node
    choices = node.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        return optional(next(choice for choice in choices if choice != {"type": "null"}))
    return {key: optional(child) for key, child in node.items()}


def built_in() -> Iterator[tuple[str, str, str, Schema]]:
    for api, kinds in BUILT_IN.items():
        path = f"/openapi/v3/{'apis' if '/' in api else 'api'}/{api}"
        output = subprocess.run(["kubectl", "get", "--raw", path], check=True, capture_output=True).stdout
        definitions = json.loads(output)["components"]["schemas"]
        group, _, version = api.rpartition("/")
        for definition in definitions.values():
            for of in definition.get("x-kubernetes-group-version-kind", []):
                if of["kind"] in kinds and (of["group"], of["version"]) == (group, version):
                    yield of["kind"], group, version, strict(definition, definitions)


def strict(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema as JSON Schema, without references and with no other fields than it names."""
    if "allOf" in schema and len(schema["allOf"]) == 1 and "$ref" in schema["allOf"][0]:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name.endswith("resource.Quantity"):
            return {"type": ["string", "number"]}
        return strict(definitions[name], definitions)
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["string", "number"]}
    result = {key: schema[key] for key in KEPT if key in schema}
    if schema.get("nullable"):
        result["type"] = [schema["type"], "null"]
    if "items" in schema:
        result["items"] = strict(schema["items"], definitions)
    if "properties" in schema:
        result["properties"] = {name: strict(of, definitions) for name, of in schema["properties"].items()}
        result["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    elif isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"], definitions)
    return result


def is_schema(node: Schema) -> bool:
    """Whether it is a schema, and not a map of properties of which one is called `type`."""
    return isinstance(node.get("type"), str | list)


def shared(schema: Schema) -> Schema:
    """The same schema, each subtree that occurs more than once kept once under `$defs`."""
    counts: Counter[str] = Counter()

    def count(node: Any) -> None:
        if isinstance(node, dict):
            if is_schema(node):
                counts[json.dumps(node, sort_keys=True)] += 1
            for child in node.values():
                count(child)

    count(schema)
    names: dict[str, str] = {}
    definitions: Schema = {}

    def refer(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        text = json.dumps(node, sort_keys=True)
        if counts[text] < 2 or len(text) < SMALL or not is_schema(node):
            return {key: refer(child) for key, child in node.items()}
        if text not in names:
            names[text] = str(len(names))
            definitions[names[text]] = {key: refer(child) for key, child in node.items()}
        return {"$ref": f"#/$defs/{names[text]}"}

    return {**refer(schema), "$defs": definitions} if counts else schema


if __name__ == "__main__":
    main()
