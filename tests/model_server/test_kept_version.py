"""A request keeps the version that it was given, whatever becomes of it meanwhile."""

import json

import pytest

from model_server.codecs import plain, v2_rest
from model_server.dataplane import DataPlane
from model_server.metrics import Metrics
from model_server.overload.connections import ConnectionLimits
from model_server.overload.threads import ThreadPools
from model_server.predictions import Predictions
from model_server.repository import ModelRepository
from model_server.rest.applications import decoding
from model_server.rest.http import Request, Response
from model_server.rest.routing import Call
from model_server.rest.v2 import V2Endpoints
from model_server.settings import ServerSettings
from tabular_model.registry import Registry
from tests.model_server.serving import APPLICANT


@pytest.fixture
def plane(trained_registry):
    metrics = Metrics()
    repository = ModelRepository(Registry.open(trained_registry), ServerSettings(), metrics)
    repository.open()
    return DataPlane(repository, metrics)


def call(body, **names):
    request = Request(ConnectionLimits(ServerSettings()))
    request.method = "POST"
    request.body.take(json.dumps(body).encode())
    return Call(request, names, "", "anyone")


def tensors():
    return {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [1], "data": [value]} for name, value in APPLICANT.items()
        ]
    }


def between(monkeypatch, module, name, act):
    """Something happens after the version was found and before the request is decoded."""
    original = getattr(module, name)

    def decode(*args, **named):
        act()
        return original(*args, **named)

    monkeypatch.setattr(module, name, decode)
    return decode


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("protocol", ["plain", "v2"])
def test_an_unload_in_between_does_not_fail_a_request(plane, monkeypatch, protocol, version):
    plane.repository.get("v1")

    def unload():
        plane.repository.unload(None)

    answer = answered(plane, monkeypatch, protocol, version, unload)
    assert isinstance(answer, Response)  # at once, and not from a thread that loads
    assert answer.status == 200
    assert not plane.repository.ready


@pytest.mark.parametrize("protocol", ["plain", "v2"])
def test_an_eviction_in_between_loads_nothing(plane, monkeypatch, protocol):
    plane.repository.get("v1")
    loads = []

    def evict():
        plane.repository._loaded.pop("v1")
        monkeypatch.setattr(plane.repository, "_load", loads.append)

    assert answered(plane, monkeypatch, protocol, "v1", evict).status == 200
    assert not loads


def answered(plane, monkeypatch, protocol, version, act):
    pools = ThreadPools(2)
    predictions = Predictions(plane, pools)
    if protocol == "plain":
        decode = between(monkeypatch, plain, "decode_one", act)
        return predictions.answer(call(APPLICANT), version, decoding(decode, plain.encode_one))
    between(monkeypatch, v2_rest, "decode", act)
    names = {"model": "loan"} | ({"version": version} if version else {})
    return V2Endpoints(plane, predictions, None, pools).infer(call(tensors(), **names))
