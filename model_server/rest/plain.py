"""The plain JSON API: predict, predict in batches, train."""

from functools import partial

import msgspec

from model_server.admission import Pool
from model_server.codecs import json, plain
from model_server.dataplane import DataPlane
from model_server.errors import Conflict, NotFound, TrainingFailed
from model_server.rest.http import JSON, Answer, Request, Response, json_response
from model_server.rest.v2 import INLINE_BYTES, version_header
from model_server.settings import ServerSettings
from training_job.launch import AlreadyRunning, Launcher, LaunchFailed, Outcome, TrainingParameters

_parameters = msgspec.json.Decoder(TrainingParameters)


class PlainDoor:
    def __init__(self, dataplane: DataPlane, pool: Pool, launcher: Launcher, settings: ServerSettings) -> None:
        self._dataplane = dataplane
        self._pool = pool
        self._launcher = launcher
        self._wait_seconds = settings.train_wait_seconds

    def predict(self, request: Request) -> Answer:
        return self._predict(request, plain.decode_one, plain.encode_one)

    def predict_batch(self, request: Request) -> Answer:
        return self._predict(request, plain.decode_batch, plain.encode_batch)

    def _predict(self, request: Request, decode: plain.Decode, encode: plain.Encode) -> Answer:
        body = request.content()
        version = request.query("version")
        explain = request.query("explain") == "true"
        work = partial(self._answer, request, body, version, explain, decode, encode)
        if not self._dataplane.repository.is_loaded(version):
            return self._pool.load(work)
        if explain or len(body) > INLINE_BYTES:
            return self._pool.run(work)
        return work()

    def _answer(
        self,
        request: Request,
        body: bytes,
        version: str | None,
        explain: bool,
        decode: plain.Decode,
        encode: plain.Encode,
    ) -> Response:
        repository = self._dataplane.repository
        served = repository.get(version)
        call = decode(body, served.model.columns, explain)
        response = self._dataplane.infer(repository.name, served.model.version, call)
        request.version = response.model_version
        return Response(200, encode(response), JSON, version_header(response.model_version))

    async def train(self, request: Request) -> Response:
        body = request.content()
        parameters = json.decode(_parameters, body, "The parameters") if body else TrainingParameters()
        try:
            name = await self._launcher.start(parameters)
            return self._trained(await self._launcher.wait(name, self._wait_seconds))
        except AlreadyRunning as error:
            raise Conflict(str(error)) from None
        except LaunchFailed as error:
            raise TrainingFailed(str(error)) from error

    async def training(self, _: Request, name: str) -> Response:
        """Where a training that was not waited for has got to."""
        try:
            return self._trained(await self._launcher.wait(name, 0))
        except KeyError:
            raise NotFound(f"There is no training {name}.") from None
        except LaunchFailed as error:
            raise TrainingFailed(str(error)) from error

    def _trained(self, outcome: Outcome) -> Response:
        if outcome.state == "running":
            where = f"/train/{outcome.name}"
            answer = {"message": "Training is running.", "job": outcome.name, "status_url": where}
            return json_response(answer, 202, ((b"location", where.encode()),))
        if outcome.state == "failed":
            raise TrainingFailed(f"Training failed: {outcome.error}")
        self._dataplane.repository.refresh()
        return json_response(
            {
                "message": "Training completed successfully.",
                "new_model_version": outcome.version,
                "passed_gate": outcome.passed,
                "reasons": outcome.reasons,
            }
        )
