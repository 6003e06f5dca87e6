"""KServe's V1 protocol, which many of its users still send."""

from model_server.codecs import plain, v1
from model_server.dataplane import DataPlane
from model_server.rest.http import Answer, Request, Response, json_response
from model_server.rest.predictions import Predictions


class V1Endpoints:
    """`predict` and what there is to ask; `predictions` are decisions, with their probabilities beside them."""

    def __init__(self, dataplane: DataPlane, predictions: Predictions) -> None:
        self._dataplane = dataplane
        self._predictions = predictions

    def predict(self, request: Request, name: str, version: str | None) -> Answer:
        self._dataplane.check_name(name)
        return self._predictions.answer(request, version, v1.decode, plain.encode_batch)

    def models(self, _: Request) -> Response:
        return json_response({"models": [self._dataplane.repository.name]})

    def model_ready(self, name: str) -> Response:
        """V1 writes truths as text."""
        ready = self._dataplane.model_ready(name, None)
        return json_response({"name": name, "ready": str(ready)}, 200 if ready else 503)
