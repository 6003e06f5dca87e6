"""The plain JSON API: predict, predict in batches, train, promote."""

from functools import partial
from typing import Any

import msgspec

from model_server.admission import Pool
from model_server.codecs import json, plain
from model_server.controlplane import Control, PromotionRequest
from model_server.dataplane import DataPlane
from model_server.errors import InvalidInput, NotReady
from model_server.rest import openapi
from model_server.rest.http import Answer, Request, Response, json_response
from model_server.rest.predictions import Predictions
from model_server.settings import ServerSettings
from tabular_model.errors import ModelError
from training_job.launch import Outcome, TrainingParameters

_parameters = msgspec.json.Decoder(dict[str, Any])
_promotion = msgspec.json.Decoder(PromotionRequest)


class PlainEndpoints:
    def __init__(
        self, dataplane: DataPlane, predictions: Predictions, control: Control, pool: Pool, settings: ServerSettings
    ) -> None:
        self._dataplane = dataplane
        self._predictions = predictions
        self._control = control
        self._pool = pool
        self._wait_seconds = settings.train_wait_seconds

    async def openapi(self, request: Request) -> Response:
        """The description of the API for the version asked for, else for the one that answers by default."""
        return json_response(await self._pool.load(partial(self._describe, request.query("version"))))

    def _describe(self, version: str | None) -> dict[str, Any]:
        try:
            return openapi.document(self._dataplane.repository.get(version).model)
        except NotReady:
            return openapi.document(None)

    def predict(self, request: Request) -> Answer:
        return self._predictions.answer(request, request.query("version"), plain.decode_one, plain.encode_one)

    def predict_batch(self, request: Request) -> Answer:
        return self._predictions.answer(request, request.query("version"), plain.decode_batch, plain.encode_batch)

    async def train(self, request: Request) -> Response:
        body = request.content()
        parameters = _training(json.decode(_parameters, body, "The parameters")) if body else TrainingParameters()
        return _trained(await self._control.train(request.caller, parameters, self._wait_seconds))

    async def training(self, _: Request, name: str) -> Response:
        """Where a training that was not waited for has got to."""
        return _trained(await self._control.training(name))

    async def promote(self, request: Request) -> Response:
        asked = json.decode(_promotion, request.content(), "The promotion")
        promotion = await self._pool.load(partial(self._control.promote, request.caller, asked))
        return json_response(
            {"message": f"{promotion.version} is now the champion.", **msgspec.structs.asdict(promotion)}
        )


def _training(asked: dict[str, Any]) -> TrainingParameters:
    try:
        return TrainingParameters.of(asked)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"These parameters cannot be trained with: {json.sentence(str(error))}.") from None
    except ModelError as error:
        raise InvalidInput(f"These parameters cannot be trained with: {error}") from None


def _trained(outcome: Outcome) -> Response:
    if outcome.state == "running":
        where = f"/train/{outcome.name}"
        answer = {"message": "Training is running.", "job": outcome.name, "status_url": where}
        return json_response(answer, 202, ((b"location", where.encode()),))
    return json_response(
        {
            "message": "Training completed successfully.",
            "new_model_version": outcome.version,
            "passed_gate": outcome.passed,
            "reasons": outcome.reasons,
        }
    )
