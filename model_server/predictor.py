"""KServe's view of the data plane: a `kserve.Model` for any KServe server, transformer or graph."""

import uuid
from typing import Any

import kserve

from model_server import dataplane as plane
from model_server.codecs.elements import elements
from model_server.dataplane import DataPlane
from model_server.errors import ServeError
from model_server.tensors import InferRequest, Output, Tensor, requested


class LoanPredictor(kserve.Model):
    """Receives KServe's `InferRequest`, returns its `InferResponse`; the data plane does the work."""

    def __init__(self, dataplane: DataPlane) -> None:
        super().__init__(dataplane.repository.name)
        self._dataplane = dataplane
        self.ready = dataplane.repository.ready

    async def healthy(self) -> bool:
        """Whether a default version is in memory."""
        return self._dataplane.repository.ready

    def load(self) -> bool:
        """Loads the registry's default version; NotReady when there is none, or it cannot be read."""
        self._dataplane.repository.load(None)
        self.ready = True
        return True

    async def get_input_types(self) -> list[dict[str, Any]]:
        """The V2 inputs of the default version: name, datatype and shape of each."""
        return plane.without_parameters(plane.inputs(self._dataplane.repository.get(None).model.columns))

    async def get_output_types(self) -> list[dict[str, Any]]:
        """The V2 outputs: name, datatype and shape of each."""
        return plane.outputs()

    async def predict(self, payload: kserve.InferRequest, *_: Any, **__: Any) -> kserve.InferResponse:
        """Scores a request; kserve's InvalidInput, with the same sentence, for each error that a caller receives."""
        tensors = [Tensor(i.name, i.datatype, i.shape, i.as_numpy().reshape(-1)) for i in payload.inputs]
        names = [output.name for output in payload.request_outputs or []]
        request = InferRequest(payload.id or "", tensors, requested(names, _explain(payload)))
        try:
            response = self._dataplane.infer(self._dataplane.served(self.name, payload.model_version), request)
        except ServeError as error:
            raise kserve.errors.InvalidInput(str(error)) from error
        return kserve.InferResponse(
            response_id=payload.id or str(uuid.uuid4()),  # without one KServe's server fails
            model_name=self.name,
            model_version=response.model_version,
            infer_outputs=[_output(output) for output in response.outputs],
        )


def _explain(payload: kserve.InferRequest) -> bool:
    parameter = (payload.parameters or {}).get("explain")
    return bool(getattr(parameter, "bool_param", parameter))


def _output(output: Output) -> kserve.InferOutput:
    return kserve.InferOutput(output.name, output.shape, output.datatype, elements(output))
