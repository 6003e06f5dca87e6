"""MLflow's tracking server, by its REST API (https://mlflow.org/docs/latest/rest-api.html).

MLflow's own client is forty packages of 140 MB; what is asked here are a dozen calls.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tabular_model.errors import ModelError, first_line
from tabular_model.storage import SCHEMES, open_storage, without_secrets

LONGEST = 5000  # characters of a tag, which servers of all releases accept
_PROXIED = "mlflow-artifacts:"


class TrackingError(ModelError):
    """The tracking server cannot be reached or used."""


class Settings(BaseSettings):
    """The environment variables of MLflow's own clients: who asks, how the server is trusted, and which experiment."""

    model_config = SettingsConfigDict(env_prefix="MLFLOW_")

    tracking_uri: str = ""
    tracking_token: str = ""
    tracking_username: str = ""
    tracking_password: str = ""
    tracking_insecure_tls: bool = False
    tracking_server_cert_path: Path | None = None
    experiment_name: str = ""

    @classmethod
    def read(cls, uri: str) -> "Settings":
        """Of the environment, for the server at `uri`; TrackingError for a value that is not what it has to be."""
        try:
            return cls(tracking_uri=uri)
        except ValidationError as error:
            first = error.errors()[0]
            name = f"MLFLOW_{str(first['loc'][0]).upper()}"
            raise TrackingError(f"The variable {name} cannot be used: {first['msg']}.") from None


class Tracking:
    """A server; every failure is a TrackingError of one sentence."""

    def __init__(self, settings: Settings) -> None:
        self.url = without_secrets(settings.tracking_uri)
        if urlsplit(settings.tracking_uri).scheme not in ("http", "https"):
            raise TrackingError(f"MLFLOW_TRACKING_URI must be the http:// or https:// URL of a server, not {self.url}.")
        basic = (settings.tracking_username, settings.tracking_password) if settings.tracking_username else None
        bearer = {"Authorization": f"Bearer {settings.tracking_token}"} if settings.tracking_token else {}
        with self._reaching():
            self._http = httpx2.Client(
                base_url=f"{settings.tracking_uri.rstrip('/')}/api/2.0/",
                auth=basic,
                headers=bearer,
                verify=_trusted(settings),
                timeout=httpx2.Timeout(30, connect=5),
            )

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is created where it is missing."""
        found = self._ask("GET", "experiments/get-by-name", missing=True, params={"experiment_name": name})
        if found:
            return str(found["experiment"]["experiment_id"])
        return str(self._ask("POST", "experiments/create", json={"name": name})["experiment_id"])

    def run(self, experiment: str, tag: str, value: str) -> dict[str, Any] | None:
        """The run of an experiment with that tag; None if there is none."""
        asked = {"experiment_ids": [experiment], "filter": f"tags.`{tag}` = '{value}'", "max_results": 1}
        return next(iter(self._ask("POST", "runs/search", json=asked).get("runs", [])), None)

    def start(self, experiment: str, name: str, at: int, tags: Mapping[str, str]) -> dict[str, Any]:
        """A new run, begun `at` milliseconds since 1970."""
        asked = {"experiment_id": experiment, "run_name": name, "start_time": at, "tags": _pairs(tags)}
        return dict(self._ask("POST", "runs/create", json=asked)["run"])

    def log(self, run: str, metrics: Mapping[str, float], parameters: Mapping[str, str], at: int) -> None:
        """Metrics and parameters of a run; the same once more changes nothing."""
        measured = [{"key": key, "value": value, "timestamp": at, "step": 0} for key, value in metrics.items()]
        asked = {"run_id": run, "metrics": measured, "params": _pairs(parameters)}
        self._ask("POST", "runs/log-batch", json=asked)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Sets tags of a run."""
        self._ask("POST", "runs/log-batch", json={"run_id": run, "tags": _pairs(tags)})

    def log_data(self, run: str, name: str, digest: str, source: str, context: str) -> None:
        """The data set that a run read."""
        dataset = {"name": name, "digest": digest, "source_type": "external", "source": source}
        tags = [{"key": "mlflow.data.context", "value": context}]
        self._ask("POST", "runs/log-inputs", json={"run_id": run, "datasets": [{"tags": tags, "dataset": dataset}]})

    def upload(self, place: str, files: Mapping[str, bytes]) -> None:
        """Artifacts under the URI of a run's artifacts, by the server or, where it keeps them in one, to the bucket."""
        if place.startswith(_PROXIED):
            folder = quote(urlsplit(place).path.strip("/"))
            for name, content in files.items():
                self._put(f"mlflow-artifacts/artifacts/{folder}/{quote(name)}", content)
        elif place.startswith(SCHEMES):
            bucket = open_storage(place, create=True)
            for name, content in files.items():
                bucket.create(name, content)
        else:
            raise TrackingError(
                f"The MLflow server {self.url} keeps artifacts in {place}, which only it can write to; start it with "
                "--serve-artifacts and an experiment that is created after that."
            )

    def finish(self, run: str, at: int) -> None:
        """Ends a run."""
        self._ask("POST", "runs/update", json={"run_id": run, "status": "FINISHED", "end_time": at})

    def registered(self, name: str, run: str) -> str | None:
        """The version of a registered model that a run made; None if it made none."""
        asked = {"filter": f"name = '{name}' and run_id = '{run}'", "max_results": 1}
        found = self._ask("GET", "model-versions/search", params=asked).get("model_versions", [])
        return str(found[0]["version"]) if found else None

    def register(self, name: str, run: str, source: str, tags: Mapping[str, str]) -> str:
        """A new version of a model, which is created where it is missing."""
        if self._ask("GET", "registered-models/get", missing=True, params={"name": name}) is None:
            self._ask("POST", "registered-models/create", json={"name": name})
        asked = {"name": name, "run_id": run, "source": source, "tags": _pairs(tags)}
        return str(self._ask("POST", "model-versions/create", json=asked)["model_version"]["version"])

    def alias(self, name: str, alias: str) -> str | None:
        """The version that has the alias; None if none has, or there is no such model."""
        # Asked for an alias that there is not, MLflow answers that a parameter is wrong.
        found = self._ask("GET", "registered-models/get", missing=True, params={"name": name})
        aliases = found["registered_model"].get("aliases", []) if found else []
        return next((str(each["version"]) for each in aliases if each["alias"] == alias), None)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Moves the alias to that version."""
        self._ask("POST", "registered-models/alias", json={"name": name, "alias": alias, "version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        """Takes the alias away."""
        self._ask("DELETE", "registered-models/alias", json={"name": name, "alias": alias})

    def _put(self, path: str, content: bytes) -> None:
        with self._reaching():
            self._check(self._http.put(path, content=content))

    def _ask(self, method: str, path: str, *, missing: bool = False, **more: Any) -> Any:
        """The answer; None where what is asked for is not there and may be `missing`."""
        with self._reaching():
            response = self._http.request(method, f"mlflow/{path}", **more)
            if missing and response.status_code == 404 and _error(response).get("error_code"):
                return None
            self._check(response)
            return response.json()

    def _check(self, response: httpx2.Response) -> None:
        if response.status_code >= 300:
            said = str(_error(response).get("message") or response.reason_phrase).splitlines()[0].rstrip(".")
            raise TrackingError(f"The MLflow server {self.url} cannot be used: {said} ({response.status_code}).")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise TrackingError(f"The MLflow server {self.url} cannot be used: {first_line(error)}.") from None
        except (ValueError, LookupError, TypeError):
            raise TrackingError(f"{self.url} answers, but not as an MLflow server does.") from None


def _trusted(settings: Settings) -> ssl.SSLContext | bool:
    if settings.tracking_insecure_tls:
        return False
    path = settings.tracking_server_cert_path
    return ssl.create_default_context(cafile=path) if path else True


def _pairs(values: Mapping[str, str]) -> Sequence[dict[str, str]]:
    return [{"key": key, "value": value[:LONGEST]} for key, value in values.items()]


def _error(response: httpx2.Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
