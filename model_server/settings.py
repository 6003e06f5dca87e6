"""The server's configuration: each field is an environment variable with the prefix `LOAN_`."""

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


class ServerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOAN_")

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

    registry: str = Field("files/model_version", description="Folder or bucket URL that holds the versions.")
    version: str = Field(
        "", description="Serve this version, or end with an error; empty: the champion, else the latest."
    )
    verify_key: Path | None = Field(
        None, description="PEM file of public keys; only versions that one of them signed are served."
    )
    model_name: Annotated[str, AfterValidator(_name)] = Field(
        "", description="Name of the model in V2 paths; empty: the one that the version declares."
    )
    host: str = Field("", description="Address that both servers listen on; empty: all, IPv4 and IPv6.")
    http_port: int = Field(8080, description="Port of V2 REST, the plain JSON API, metrics and docs.")
    grpc_port: int = Field(8081, description="Port of V2 gRPC.")
    workers: int = Field(1, ge=1, description="Processes that serve at these ports; limits hold for each.")
    grpc_threads: int = Field(8, ge=1, description="gRPC calls handled at once.")
    model_threads: int = Field(1, ge=1, description="Threads that score one request.")
    max_loaded_versions: int = Field(4, ge=1, description="Versions kept in memory; the least used goes first.")
    max_rows: int = Field(100_000, ge=1, description="Rows that one request may have.")
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="Size that one request may have.")
    queue_seconds: float = Field(2, gt=0, description="How long a request may wait, and many may wait, for their turn.")
    max_held_bytes: int = Field(256 * 2**20, ge=1024, description="Size that all requests may have together.")
    max_connections: int = Field(10_000, ge=1, description="HTTP connections at once; the idlest go first.")
    idle_seconds: float = Field(65, gt=0, description="How long a connection may be silent between requests.")
    head_seconds: float = Field(10, gt=0, description="Time in which a request's head must come.")
    body_seconds: float = Field(60, gt=0, description="Time in which a request must come whole.")
    refuse_out_of_range: bool = Field(
        False, description="Refuse values outside the schema's range instead of counting them."
    )
    cors_origins: Annotated[frozenset[str], NoDecode, BeforeValidator(_words)] = Field(
        frozenset(), description="Origins whose pages may ask, such as https://bank.example, or *; none unless given."
    )
    extra_inputs: Literal["refused", "ignore"] = Field(
        "refused", description="What becomes of inputs that a version does not have: ignored while versions differ."
    )
    refresh_seconds: float = Field(10, gt=0, description="How often the registry is asked for the champion.")
    grace_seconds: float = Field(25, ge=0, description="How long SIGTERM waits for requests in flight.")
    anyone_may: Rights = Field(
        frozenset({Right.predict}), description="Rights that need no token, of predict, train, load and promote."
    )
    access: Literal["tokens", "kubernetes"] = Field("tokens", description="Who judges tokens: a file, or the cluster.")
    tokens: Path = Field(Path("files/tokens.json"), description="That file; `loan tokens` writes it.")
    access_service: str = Field("", description="InferenceService that a token's rights are verbs on.")
    access_namespace: str = Field("default", description="Namespace of that InferenceService.")
    access_audience: str = Field("loan-model", description="Audience that a token must be made for.")
    access_seconds: float = Field(10, ge=0, description="How long the cluster's judgement is remembered.")
    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate chain; both ports then use TLS."
    )
    tls_key: Path | None = Field(None, description="PEM file of its key; both are read again when they change.")
    log_predictions: str = Field("", description="File or HTTP sink that predictions are logged to as CloudEvents.")
    log_share: float = Field(1, ge=0, le=1, description="Share of the applications that are logged, by chance.")
    log_protected: bool = Field(False, description="Log protected columns too, which are left out otherwise.")
    train_data: Path = Field(Path("files/dataset.csv"), description="What `POST /train` trains on.")
    train_sources: dict[str, str] = Field(
        {}, description="JSON: what else it may train on, a path or URL by the name that a caller gives."
    )
    train_wait_seconds: float = Field(120, gt=0, description="How long `POST /train` waits before it says 202.")
    train_cronjob: str = Field(
        "", description="CronJob whose template `POST /train` makes a Job from; empty: train here."
    )
    train_namespace: str = Field("default", description="Namespace of that CronJob.")
