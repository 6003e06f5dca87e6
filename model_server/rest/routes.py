"""Every endpoint over HTTP: what it answers to, who may ask, where it is counted, and what OpenAPI says of it.

Requests are dispatched by this table, and the description is made from it. Of two paths that match, the first counts.
"""

from collections.abc import Callable

from model_server.access import Right
from model_server.controlplane import Control
from model_server.dataplane import DataPlane
from model_server.overload.threads import ThreadPools
from model_server.predictions import Predictions
from model_server.rest.docs import Docs
from model_server.rest.monitoring import Monitoring
from model_server.rest.page import Page
from model_server.rest.plain import PlainEndpoints
from model_server.rest.routing import Route
from model_server.rest.v1 import V1Endpoints
from model_server.rest.v2 import V2Endpoints
from model_server.settings import ServerSettings

GET, POST = "GET", "POST"
PREDICT, TRAIN, LOAD, PROMOTE = Right.predict, Right.train, Right.load, Right.promote
MODEL, VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
APPLICATION, BATCH, INSTANCES, INFERENCE = "Application", "Batch", "Instances", "Inference"
TRAINING, PROMOTION, INDEX, TO_LOAD = "TrainingParameters", "PromotionRequest", "Index", "VersionToLoad"
CHOICES = ("version", "explain")
STARTED = ("200", "202", "400", "401", "403", "409", "413", "415", "500")
STATUS = ("200", "202", "401", "403", "404", "500")
PROMOTED = ("200", "400", "401", "403", "404", "409", "413", "415")
CONTRIBUTIONS = "Predict one application, with each column's contribution"

ROUTES = (
    # V2, the Open Inference Protocol
    Route(POST, f"{MODEL}/infer", V2Endpoints.infer, "Predict", PREDICT, "rest", INFERENCE),
    Route(POST, f"{VERSION}/infer", V2Endpoints.infer, "Predict with a version", PREDICT, "rest", INFERENCE),
    Route(GET, "/v2", V2Endpoints.server_metadata, "Server metadata"),
    Route(GET, "/v2/health/live", V2Endpoints.live, "Liveness of the server"),
    Route(GET, "/v2/health/ready", V2Endpoints.ready, "Readiness of the server"),
    Route(GET, "/v2/models", V2Endpoints.models, "List the models", PREDICT),
    Route(GET, MODEL, V2Endpoints.model_metadata, "Model metadata", PREDICT),
    Route(GET, f"{MODEL}/ready", V2Endpoints.model_ready, "Readiness of the model"),
    Route(GET, VERSION, V2Endpoints.model_metadata, "Metadata of a version", PREDICT),
    Route(GET, f"{VERSION}/ready", V2Endpoints.model_ready, "Readiness of a version", PREDICT),
    # its model repository extension
    Route(POST, "/v2/repository/index", V2Endpoints.index, "List the versions and their states", PREDICT, body=INDEX),
    Route(POST, "/v2/repository/models/{model}/load", V2Endpoints.load, "Load as the default", LOAD, body=TO_LOAD),
    Route(POST, "/v2/repository/models/{model}/unload", V2Endpoints.unload, "Unload one, or all", LOAD, body=TO_LOAD),
    # plain JSON
    Route(POST, "/predict", PlainEndpoints.predict, "Predict one application", PREDICT, "json", APPLICATION, CHOICES),
    Route(POST, "/predict_batch", PlainEndpoints.predict_batch, "Predict a batch", PREDICT, "json", BATCH, CHOICES),
    Route(POST, "/explain", Page.explain, CONTRIBUTIONS, PREDICT, "json", APPLICATION, ("version",)),
    Route(GET, "/versions", Page.versions, "List the versions and their verdicts", PREDICT),
    Route(GET, "/versions/{version}/report", Page.report, "Report of a version, as HTML", PREDICT),
    Route(POST, "/train", PlainEndpoints.train, "Train a new version", TRAIN, body=TRAINING, answers=STARTED),
    Route(GET, "/train/{name}", PlainEndpoints.training, "Status of a training", TRAIN, answers=STATUS),
    Route(POST, "/promote", PlainEndpoints.promote, "Set the champion", PROMOTE, body=PROMOTION, answers=PROMOTED),
    # V1, KServe's older protocol
    Route(GET, "/v1/models", V1Endpoints.models, "List the models", PREDICT),
    Route(POST, "/v1/models/{model}:predict", V1Endpoints.predict, "Predict", PREDICT, "v1", INSTANCES),
    Route(GET, "/v1/models/{model}", V1Endpoints.model_ready, "Readiness of the model"),
    Route(
        POST,
        "/v1/models/{model}/versions/{version}:predict",
        V1Endpoints.predict,
        "Predict with a version",
        PREDICT,
        "v1",
        INSTANCES,
    ),
    # for people and for Prometheus; not described
    Route(GET, "/", Page.index),
    Route(GET, "/ui/{file}", Page.asset),
    Route(GET, "/docs", Docs.page),
    Route(GET, "/docs/{file}", Docs.asset),
    Route(GET, "/openapi.json", Docs.openapi),
    Route(GET, "/metrics", Monitoring.metrics),
)


def endpoints(
    plane: DataPlane,
    control: Control,
    settings: ServerSettings,
    pools: ThreadPools,
    predictions: Predictions,
    exposition: Callable[[bool], bytes],
) -> list[object]:
    """The objects whose methods the routes name; `exposition` gives the metrics."""
    return [
        V2Endpoints(plane, predictions, control, pools),
        PlainEndpoints(predictions, control, pools, settings.train_wait_seconds),
        V1Endpoints(plane, predictions),
        Page(plane.repository, predictions, pools),
        Docs(ROUTES, plane.repository, pools),
        Monitoring(exposition),
    ]
