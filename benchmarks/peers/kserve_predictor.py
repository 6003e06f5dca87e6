"""KServe's custom predictor as its documentation shows it, around the model."""

import sys
import uuid

import kserve
from scorer import scorer


class Predictor(kserve.Model):
    def __init__(self, path: str) -> None:
        super().__init__("loan")
        self.probabilities = scorer(path)
        self.ready = True

    def predict(self, payload: kserve.InferRequest, *_: object) -> kserve.InferResponse:
        probability = self.probabilities(payload.inputs[0].as_numpy())
        output = kserve.InferOutput("probability", list(probability.shape), "FP64")
        output.set_data_from_numpy(probability, binary_data=payload.use_binary_outputs)
        return kserve.InferResponse(payload.id or str(uuid.uuid4()), self.name, [output])


if __name__ == "__main__":
    model, http_port, grpc_port, workers = sys.argv[1:]
    ports = {"http_port": int(http_port), "grpc_port": int(grpc_port)}
    server = kserve.ModelServer(**ports, workers=int(workers), access_log_format=None)
    server.start([Predictor(model)])
