"""The predictor in KServe's own hands: any KServe data plane can hold it."""

import asyncio

import numpy as np
import pytest
from kserve import InferInput, InferRequest, ModelRepository
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane as KServeDataPlane

from loan_model.synthetic import LOAN
from model_server.dataplane import DataPlane
from model_server.metrics import Metrics
from model_server.predictor import LoanPredictor
from model_server.repository import ModelRepository as Versions
from model_server.settings import ServerSettings
from tabular_model.registry import Registry


@pytest.fixture
def kserve_plane(trained_registry):
    metrics = Metrics()
    versions = Versions(Registry.open(trained_registry), ServerSettings(), metrics)
    versions.refresh()
    models = ModelRepository()
    models.update(LoanPredictor(DataPlane(versions, metrics)))
    return KServeDataPlane(models)


def request(matrix, **extra):
    item = InferInput("x", list(matrix.shape), "FP64")
    item.set_data_from_numpy(matrix)
    return InferRequest(model_name="loan", infer_inputs=[item], **extra)


def test_kserves_data_plane_gives_the_same_probabilities(kserve_plane, model, matrix):
    asked = request(matrix, parameters={"explain": True}, model_version="v1")
    answer, _ = asyncio.run(kserve_plane.infer("loan", asked))
    assert answer.model_version == "v1"
    assert answer.outputs[0].data == model.score(matrix).probability.tolist()
    assert answer.outputs[2].shape == [20, 4]


def test_metadata_and_health(kserve_plane):
    metadata = asyncio.run(kserve_plane.model_metadata("loan"))
    assert [item["name"] for item in metadata["inputs"]] == list(LOAN.schema.names)
    assert asyncio.run(kserve_plane.model_ready("loan"))


def test_wrong_input_is_kserves_invalid_input(kserve_plane):
    with pytest.raises(InvalidInput, match="no rows"):
        asyncio.run(kserve_plane.infer("loan", request(np.zeros((0, 7)))))
