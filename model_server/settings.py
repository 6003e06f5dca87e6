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
        raise ValueError(f"it takes {NAMED}")
    return value


Rights = Annotated[frozenset[Right], NoDecode, BeforeValidator(_words)]


class _Group(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOAN_")


class ModelSettings(_Group):
    """Which versions are served, and which inputs they accept."""

    registry: str = Field("files/model_version", description="Folder or bucket URL that holds the versions.")
    version: str = Field(
        "",
        description="Serve this version, or end with an error; empty: the champion, else the latest that passed its "
        "gate, else the latest.",
    )
    verify_key: Path | None = Field(
        None, description="PEM file of public keys; only versions that one of them signed are served."
    )
    model_name: Annotated[str, AfterValidator(_name)] = Field(
        "", description="Name of the model in V2 paths; empty: the one that the version declares."
    )
    refresh_seconds: float = Field(
        10,
        gt=0,
        description="Seconds between two looks at the registry: so long after a promotion by another server or the "
        "command line this server still answers by the former champion.",
    )
    max_loaded_versions: int = Field(
        4,
        ge=1,
        description="Versions kept in memory. For one more, the least recently used is dropped, and loaded again when "
        "a request names it.",
    )
    model_threads: int = Field(
        1, ge=1, description="Threads that score one request. More answer a large request sooner, and others later."
    )
    refuse_out_of_range: bool = Field(
        False,
        description="Refuse values outside the schema's range with 400; otherwise they are scored and counted in "
        "`loan_out_of_range_values_total`.",
    )
    extra_inputs: Literal["refused", "ignore"] = Field(
        "refused",
        description="What happens to inputs that a version does not have. `refused` finds misspelt names; `ignore` is "
        "for callers who send the columns of two versions during a rollout.",
    )


class ListeningSettings(_Group):
    """Where the server listens, with how many processes, and how it stops."""

    host: str = Field("", description="Address that both servers listen on; empty: all, IPv4 and IPv6.")
    http_port: int = Field(8080, description="Port of V2 REST, the plain JSON API, metrics and docs.")
    grpc_port: int = Field(8081, description="Port of V2 gRPC.")
    workers: int = Field(1, ge=1, description="Processes that serve at these ports; the limits hold for each.")
    cors_origins: Annotated[frozenset[str], NoDecode, BeforeValidator(_words)] = Field(
        frozenset(),
        description="Origins whose web pages may call, such as https://bank.example, or *. None by default, so that "
        "browsers keep answers from other sites' pages.",
    )
    grace_seconds: float = Field(
        25,
        ge=0,
        description="Seconds that requests in flight have after SIGTERM. 25 leave 5 of the 30 that Kubernetes gives a "
        "pod to end by default; the chart sets what its own values leave.",
    )


class LimitSettings(_Group):
    """What one request, one connection, and all of them together may take; each worker process counts its own."""

    max_rows: int = Field(
        100_000, ge=1, description="Rows in one request; more get 400. `loan predict` scores files of any size."
    )
    max_body_bytes: int = Field(
        32 * 2**20,
        ge=1024,
        description="Bytes of one request's body, unpacked; more get 413. 100 000 applications of the loan model are "
        "about 17 MB of JSON.",
    )
    max_held_bytes: int = Field(
        256 * 2**20,
        ge=1024,
        description="Bytes of all REST bodies in memory at once; above it requests get 503. By default eight of the "
        "largest bodies, half the memory that the chart gives a pod.",
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        description="HTTP connections at once. For one more, the tenth of them that has been idle longest is closed; "
        "when none is idle, the new one gets 503.",
    )
    head_seconds: float = Field(
        10,
        gt=0,
        description="Seconds in which a request's head, or a gRPC call's message, must arrive. Later ones get 408 or "
        "CANCELLED, so that slow senders do not hold connections and threads.",
    )
    body_seconds: float = Field(
        60,
        gt=0,
        description="Seconds in which a whole request must arrive, for the same reason. A body of 32 MiB then needs "
        "0.6 MB a second.",
    )
    idle_seconds: float = Field(
        65,
        gt=0,
        description="Seconds that a connection may be silent between requests. 65 is longer than the 60 after which "
        "common load balancers close it, so that they never send a request into a connection which is being closed.",
    )


class OverloadSettings(_Group):
    """What happens when more is asked than the server can answer."""

    queue_seconds: float = Field(
        2,
        gt=0,
        description="Seconds that a request may wait for its turn, and that many may wait at once; then some are "
        "refused with 503 or RESOURCE_EXHAUSTED. A new pod needs up to 2 for its first requests.",
    )
    grpc_threads: int = Field(
        8, ge=1, description="gRPC calls answered at once; the others wait for their turn, as `queue_seconds` says."
    )


class AccessSettings(_Group):
    """Who may do what."""

    anyone_may: Rights = Field(
        frozenset({Right.predict}),
        description="Rights that need no token, of predict, train, load and promote. By default nobody without a "
        "token can change which model decides.",
    )
    access: Literal["tokens", "kubernetes"] = Field(
        "tokens", description="What decides on tokens: a file, or the cluster's TokenReview and SubjectAccessReview."
    )
    tokens: Path = Field(
        Path("files/tokens.json"), description="File of the tokens' sha256 and rights; `loan tokens` writes it."
    )
    access_service: str = Field(
        "", description="InferenceService on which a caller's rights are verbs; needed where the cluster decides."
    )
    access_namespace: str = Field("default", description="Namespace of that InferenceService.")
    access_audience: str = Field(
        "loan-model", description="Audience that a token must be made for, so that no other service's token is taken."
    )
    access_seconds: float = Field(
        10,
        ge=0,
        description="Seconds that the cluster's decision is remembered: so long a right that was taken away still "
        "holds. 0 asks the cluster for every request.",
    )


class TlsSettings(_Group):
    """TLS for both ports; without it they take plain HTTP and gRPC."""

    tls_certificate: Path | None = Field(None, description="PEM file of the certificate chain; needs `tls_key` too.")
    tls_key: Path | None = Field(
        None, description="PEM file of its key. Both files are read again when they change, without a restart."
    )


class PredictionLogSettings(_Group):
    """The log of predictions; none by default, as it holds applicants' data."""

    log_predictions: str = Field("", description="File or HTTP URL that predictions are sent to as CloudEvents.")
    log_share: float = Field(1, ge=0, le=1, description="Share of the applications that is logged, chosen at random.")
    log_protected: bool = Field(False, description="Log the protected columns too; they are left out by default.")


class TrainingSettings(_Group):
    """What `POST /train` trains on, where, and how long it waits."""

    train_data: Path = Field(Path("files/dataset.csv"), description="Data file that it trains on.")
    train_sources: dict[str, str] = Field(
        {},
        description="JSON: the path or URL of other data by the name that a caller gives. Callers give no paths "
        "themselves, so that they cannot have files or URLs of their choice read.",
    )
    train_wait_seconds: float = Field(
        120,
        gt=0,
        description="Seconds that it waits for a training before it answers 202 with the URL to ask at. 120 is less "
        "than the 180 that the chart's Gateway gives a request.",
    )
    train_cronjob: str = Field(
        "", description="CronJob whose template it makes a Job from; empty: train in a child process of the server."
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
    TrainingSettings,
):
    """All settings of the server."""

    @classmethod
    def read(cls, **chosen: Any) -> "ServerSettings":
        """From the environment, but for what is `chosen`; ModelError with a sentence for the first that is wrong."""
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
    "Training": TrainingSettings,
}
