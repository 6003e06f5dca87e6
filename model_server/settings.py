"""The server's configuration: each field is an environment variable with the prefix `LOAN_`.

Each group is a class, so that a component asks only for the settings that it uses; `ServerSettings` is all of them.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from model_server.access import Right
from tabular_model.errors import ModelError
from tabular_model.schema import MODEL_NAME, NAMED


def _words(value: Any) -> Any:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _name(value: str) -> str:
    if value and not MODEL_NAME.fullmatch(value):
        raise ValueError(f"it must be {NAMED}")
    return value


Rights = Annotated[frozenset[Right], NoDecode, BeforeValidator(_words)]


class _Group(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOAN_")


class ModelSettings(_Group):
    """Which versions are served, and which inputs they accept."""

    registry: str = Field(
        "files/model_version", description="Folder or bucket URL of the registry, which holds the versions."
    )
    version: str = Field(
        "",
        description="Version to serve; the server ends with an error if it cannot be loaded. Empty: the champion, else "
        "the latest version that passed its gate, else the latest.",
    )
    verify_key: Path | None = Field(
        None, description="PEM file of public keys; only versions signed by one of them are served."
    )
    model_name: Annotated[str, AfterValidator(_name)] = Field(
        "", description="Name of the model in V2 paths; empty: the name that the version declares."
    )
    refresh_seconds: float = Field(
        10,
        gt=0,
        description="Seconds between two checks of the registry. A promotion by another server or by the command line "
        "takes effect on this server within that time.",
    )
    max_loaded_versions: int = Field(
        4,
        ge=1,
        description="Versions kept in memory. Loading one more unloads the least recently used one, which is loaded "
        "again when a request names it.",
    )
    model_threads: int = Field(
        1, ge=1, description="Threads that score one request. More threads speed up large requests and delay others."
    )
    refuse_out_of_range: bool = Field(
        False,
        description="Reject values outside the schema's range with 400; otherwise they are scored and counted in "
        "`loan_out_of_range_values_total`.",
    )
    extra_inputs: Literal["refused", "ignore"] = Field(
        "refused",
        description="What to do with inputs that a version does not have. `refused` rejects the request, so that "
        "misspelt names are found; `ignore` is for callers who send the columns of two versions during a rollout.",
    )


class ListeningSettings(_Group):
    """Where the server listens, with how many processes, and how it stops."""

    host: str = Field("", description="Address that both ports listen on; empty: all addresses, IPv4 and IPv6.")
    http_port: int = Field(8080, description="Port of V2 REST, the plain JSON API, metrics and docs.")
    grpc_port: int = Field(8081, description="Port of V2 gRPC.")
    workers: int = Field(1, ge=1, description="Processes that share these ports; the limits apply to each.")
    cors_origins: Annotated[frozenset[str], NoDecode, BeforeValidator(_words)] = Field(
        frozenset(),
        description="Origins whose web pages may call the server, such as `https://bank.example`, or `*`. By default "
        "browsers let no other site's page read a response.",
    )
    grace_seconds: float = Field(
        25,
        ge=0,
        description="Seconds that requests in flight have after SIGTERM. Kubernetes kills a pod after 30 by default; "
        "the chart computes this setting from its own values.",
    )


class LimitSettings(_Group):
    """Limits of one request, of one connection, and of all together; each worker process counts its own."""

    max_rows: int = Field(
        100_000, ge=1, description="Rows in one request; more get 400. `loan predict` scores files of any length."
    )
    max_body_bytes: int = Field(
        32 * 2**20,
        ge=1024,
        description="Bytes of one request's body after decompression; more get 413. The default is 32 MiB; 100 000 "
        "applications of the loan model are about 17 MB of JSON.",
    )
    max_held_bytes: int = Field(
        256 * 2**20,
        ge=1024,
        description="Bytes of all requests in memory at once; above it they get 503 or RESOURCE_EXHAUSTED. The default "
        "is 256 MiB: eight of the largest bodies, half the memory that the chart gives a pod.",
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        description="Connections at once, of each port. At the limit, the tenth of them that has been idle longest is "
        "closed; when none is idle, a new connection gets 503 or ENHANCE_YOUR_CALM.",
    )
    head_seconds: float = Field(
        10,
        gt=0,
        description="Seconds in which a request's head, or the first byte of a gRPC call's message, must arrive; "
        "otherwise it gets 408 or CANCELLED, so that slow senders do not hold connections.",
    )
    body_seconds: float = Field(
        60,
        gt=0,
        description="Seconds in which a whole request must arrive, for the same reason. At the default, a body of "
        "32 MiB needs 0.6 MB a second.",
    )
    idle_seconds: float = Field(
        65,
        gt=0,
        description="Seconds that an HTTP connection may be idle between requests; a gRPC connection is then asked by "
        "a PING whether its client is still there. 65 is longer than the idle timeout of common load balancers, 60, so "
        "that they never send a request on a connection that the server is closing.",
    )


class OverloadSettings(_Group):
    """What happens when more requests arrive than the server can answer."""

    queue_seconds: float = Field(
        2,
        gt=0,
        description="Seconds that a request may wait in the queue, and that the queue may stay long; after that, "
        "requests are rejected with 503 or RESOURCE_EXHAUSTED. A new pod needs up to 2 for its first requests.",
    )


class AccessSettings(_Group):
    """Who may do what."""

    anyone_may: Rights = Field(
        frozenset({Right.predict}),
        description="Rights that need no token: any of `predict`, `train`, `load` and `promote`, or none. By default "
        "nobody without a token can change which model decides.",
    )
    access: Literal["tokens", "kubernetes"] = Field(
        "tokens",
        description="What tokens are checked against: the file `LOAN_TOKENS`, or Kubernetes' TokenReview and "
        "SubjectAccessReview.",
    )
    tokens: Path = Field(
        Path("files/tokens.json"), description="File with each token's sha256 and rights; `loan tokens` writes it."
    )
    access_service: str = Field(
        "",
        description="InferenceService on which a caller's rights are verbs; required when `LOAN_ACCESS` is "
        "`kubernetes`.",
    )
    access_namespace: str = Field("default", description="Namespace of that InferenceService.")
    access_audience: str = Field(
        "loan-model",
        description="Audience that a token must be issued for, so that another service's token is not accepted.",
    )
    access_seconds: float = Field(
        10,
        ge=0,
        description="Seconds that Kubernetes' decision is cached, and so the longest time that a revoked right still "
        "works. 0 asks Kubernetes for every request.",
    )


class TlsSettings(_Group):
    """TLS for both ports; without it they accept plain HTTP and gRPC."""

    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate chain; requires `LOAN_TLS_KEY`."
    )
    tls_key: Path | None = Field(
        None, description="PEM file of its private key. Both files are read again when they change, without a restart."
    )


class PredictionLogSettings(_Group):
    """The log of predictions; off by default, because it contains applicants' data."""

    log_predictions: str = Field("", description="File or HTTP URL to which predictions are written as CloudEvents.")
    log_share: float = Field(1, ge=0, le=1, description="Share of the applications that is logged, chosen at random.")
    log_protected: bool = Field(False, description="Log the protected columns too; by default they are left out.")
    log_refused: bool = Field(
        False,
        description="Log, and record, also requests that a version rejected as invalid or failed on: the sentence that "
        "the caller got, without any that names a protected column.",
    )


class RecordSettings(_Group):
    """The record of every decision ([records.md](records.md)); off by default, because it contains applicants' data."""

    records: str = Field("", description="Folder or bucket URL in which every decision is recorded, as Parquet.")
    records_protected: str = Field(
        "",
        description="Folder or bucket URL for the protected columns, in files of their own, so that access to them can "
        "be restricted; by default they are not recorded.",
    )
    records_seconds: float = Field(
        60,
        gt=0,
        description="Seconds after which decisions are written, if there are not 50 000 before. A process that is "
        "killed loses the decisions since; one that is stopped writes them.",
    )
    records_signing_key: Path | None = Field(
        None,
        description="PEM file of the Ed25519 key that signs each day when it is closed; a key of its own, not the one "
        "that signs versions.",
    )


class MonitorSettings(_Group):
    """What `loan monitor` found ([monitoring.md](monitoring.md)), for `/metrics`."""

    monitor_history: str = Field(
        "",
        description="Folder or bucket URL of the monitor's `--history`, from which the gauges of the newest window are "
        "read every minute and exposed beside the server's own.",
    )


class TrainingSettings(_Group):
    """What `POST /train` trains on, where, and how long it waits."""

    train_data: Path = Field(Path("files/dataset.csv"), description="Data file that it trains on by default.")
    train_sources: dict[str, str] = Field(
        {},
        description="Other data that it may train on: a path or URL for each name, such as "
        '`{"q3": "s3://bank/q3.csv"}` for `{"data": "q3"}` in a request. A request contains no path, so that callers '
        "cannot make the server read files or URLs of their choice.",
    )
    train_wait_seconds: float = Field(
        120,
        gt=0,
        description="Seconds that it waits for a training before it answers 202 with the URL of the training's status. "
        "120 is less than the chart's Gateway allows for a request, 180.",
    )
    train_cronjob: str = Field(
        "", description="CronJob from whose template it makes a Job; empty: train in a child process of the server."
    )
    train_namespace: str = Field("default", description="Namespace of that CronJob.")


class ServerSettings(
    ModelSettings,
    ListeningSettings,
    LimitSettings,
    OverloadSettings,
    AccessSettings,
    TlsSettings,
    PredictionLogSettings,
    RecordSettings,
    MonitorSettings,
    TrainingSettings,
):
    """All settings of the server."""

    @classmethod
    def read(cls, **chosen: Any) -> "ServerSettings":
        """From the environment and `chosen`, which overrides it; ModelError for the first wrong value."""
        try:
            return cls(**chosen)
        except ValidationError as error:
            first = error.errors()[0]
            variable = f"LOAN_{str(first['loc'][0]).upper()}"
            why = first["msg"].removeprefix("Value error, ")
            raise ModelError(f"{variable} is {first['input']!r}: {why[0].lower()}{why[1:]}.") from None
        except SettingsError as error:
            raise ModelError(f"The settings cannot be read: {error}.") from None


GROUPS: dict[str, type[BaseSettings]] = {
    "Model": ModelSettings,
    "Listening": ListeningSettings,
    "Limits": LimitSettings,
    "Overload": OverloadSettings,
    "Access": AccessSettings,
    "TLS": TlsSettings,
    "Prediction log": PredictionLogSettings,
    "Record of decisions": RecordSettings,
    "Monitor": MonitorSettings,
    "Training": TrainingSettings,
}
