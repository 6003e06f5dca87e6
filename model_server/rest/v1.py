"""KServe's V1 protocol, which many of its users still send."""

from model_server.dataplane import DataPlane
from model_server.predictions import Predictions
from model_server.rest.applications import INSTANCES
from model_server.rest.http import Answer, Response, json_response
from model_server.rest.routing import Call


class V1Endpoints:
    """`predict` and what there is to ask; `predictions` are decisions, with their probabilities beside them."""

    def __init__(self, dataplane: DataPlane, predictions: Predictions) -> None:
        self._dataplane = dataplane
        self._predictions = predictions

    def predict(self, call: Call) -> Answer:
        """By the version in the path or the query, else the default one."""
        self._dataplane.check_name(call.names["model"])
        version = call.names.get("version") or call.parameter("version")
        return self._predictions.answer(call, version, INSTANCES)

    def models(self, _: Call) -> Response:
        """The names of the models."""
        return json_response({"models": [self._dataplane.repository.name]})

    def model_ready(self, call: Call) -> Response:
        """V1 writes truths as text."""
        name = call.names["model"]
        ready = self._dataplane.model_ready(name, None)
        return json_response({"name": name, "ready": str(ready)}, 200 if ready else 503)
