"""MLServer's custom runtime around the model as ONNX, as its documentation shows one."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from scorer import scorer


class OnnxModel(MLModel):
    async def load(self) -> bool:
        self.probabilities = scorer(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        matrix = NumpyCodec.decode_input(payload.inputs[0]).astype(float)
        output = NumpyCodec.encode_output("probability", self.probabilities(matrix))
        return InferenceResponse(model_name=self.name, outputs=[output])
