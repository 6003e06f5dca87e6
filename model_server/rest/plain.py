"""The plain JSON API: predict, predict in batches, train, promote."""

from functools import partial
from typing import Any

import msgspec

from model_server.codecs import json
from model_server.controlplane import Control, PromotionRequest
from model_server.errors import InvalidInput
from model_server.overload.threads import ThreadPools
from model_server.predictions import Predictions
from model_server.rest.applications import MANY, ONE
from model_server.rest.http import Answer, Response, json_response
from model_server.rest.routing import Call
from tabular_model.errors import ModelError
from training_job.launch import Outcome, TrainingParameters

_parameters = msgspec.json.Decoder(dict[str, Any])
_promotion = msgspec.json.Decoder(PromotionRequest)


class PlainEndpoints:
    """Endpoints that take and give JSON of their own."""

    def __init__(self, predictions: Predictions, control: Control, pools: ThreadPools, wait_seconds: float) -> None:
        """`wait_seconds` is how long `/train` waits for a training."""
        self._predictions = predictions
        self._control = control
        self._pools = pools
        self._wait_seconds = wait_seconds

    def predict(self, call: Call) -> Answer:
        """One application."""
        return self._predictions.answer(call, call.parameter("version"), ONE)

    def predict_batch(self, call: Call) -> Answer:
        """Many, as an array of objects or an object of arrays."""
        return self._predictions.answer(call, call.parameter("version"), MANY)

    async def train(self, call: Call) -> Response:
        """Starts a training; 202 and the URL of its status if it takes longer than `wait_seconds`."""
        body = call.request.content()
        parameters = _training(json.decode(_parameters, body, "The parameters")) if body else TrainingParameters()
        return _trained(await self._control.train(call.caller, parameters, self._wait_seconds))

    async def training(self, call: Call) -> Response:
        """The status of a training."""
        return _trained(await self._control.training(call.names["name"]))

    async def promote(self, call: Call) -> Response:
        """Makes a version the champion, with a reason that is recorded."""
        asked = json.decode(_promotion, call.request.content(), "The promotion")
        promotion = await self._pools.load(partial(self._control.promote, call.caller, asked))
        return json_response(
            {"message": f"{promotion.version} is now the champion.", **msgspec.structs.asdict(promotion)}
        )


def _training(asked: dict[str, Any]) -> TrainingParameters:
    try:
        return TrainingParameters.of(asked)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"Training cannot use these parameters: {json.sentence(str(error))}.") from None
    except ModelError as error:
        raise InvalidInput(f"Training cannot use these parameters: {error}") from None


def _trained(outcome: Outcome) -> Response:
    if outcome.state == "running":
        where = f"/train/{outcome.name}"
        message = f"Training has not started: {outcome.waits}" if outcome.waits else "Training is running."
        answer = {"message": message, "job": outcome.name, "status_url": where}
        return json_response(answer, 202, ((b"location", where.encode()),))
    return json_response(
        {
            "message": "Training completed successfully.",
            "new_model_version": outcome.version,
            "passed_gate": outcome.passed,
            "reasons": outcome.reasons,
        }
    )
