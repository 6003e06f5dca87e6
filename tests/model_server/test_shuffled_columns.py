"""The same application has the same reasons through every endpoint, in whatever order its columns come."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import msgspec
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from typer.testing import CliRunner

from loan_cli.app import app
from loan_model.synthetic import LOAN, generate
from tabular_model.registry import Registry
from tests.model_server.serving import Server, outputs, serving
from tests.tabular_model.card.changed import republished

ROWS = generate(12, 3).drop(columns=LOAN.target.name)
ORDERS = [np.random.default_rng(seed).permutation(LOAN.schema.names).tolist() for seed in range(3)]
Reasons = list[list[str]]


@pytest.fixture(scope="module")
def root(trained_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1, whose declaration says that the loan's duration is a proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    schema = Registry.open(trained_registry).manifest("v1").schema
    proxied = tuple(msgspec.structs.replace(each, proxy=each.name == "Loan_Duration_Years") for each in schema)
    republished(trained_registry, folder, schema=proxied)
    return folder


@pytest.fixture(scope="module")
def proxied(root: Path) -> Iterator[Server]:
    with serving(root) as running:
        yield running


def records(order: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ROWS[order].to_json(orient="records"))
    return found


def by_plain_json(server: Server, order: list[str]) -> Reasons:
    answers = [httpx.post(f"{server.url}/predict?explain=true", json=each).json() for each in records(order)]
    return [answer["reason_codes"] for answer in answers]


def by_a_plain_batch(server: Server, order: list[str]) -> Reasons:
    answer = httpx.post(f"{server.url}/predict_batch?explain=true", json=records(order)).json()
    found: Reasons = answer["reason_codes"]
    return found


def by_v2(server: Server, order: list[str]) -> Reasons:
    values = {name: [None if np.isnan(each) else each for each in ROWS[name].tolist()] for name in order}
    inputs = [{"name": name, "datatype": "FP64", "shape": [len(ROWS)], "data": values[name]} for name in order]
    body = {"inputs": inputs, "outputs": [{"name": "reason_codes"}]}
    answer = httpx.post(f"{server.url}/v2/models/loan/infer", json=body).json()
    return _rows(outputs(answer)["reason_codes"])


def by_grpc(server: Server, order: list[str]) -> Reasons:
    request = pb.ModelInferRequest(model_name="loan")
    for name in order:
        item = request.inputs.add(name=name, datatype="FP64", shape=[len(ROWS)])
        item.contents.fp64_contents.extend(ROWS[name].astype(float))
    request.outputs.add(name="reason_codes")
    with grpc.insecure_channel(server.grpc_target) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=30)
    return _rows([code.decode() for code in answer.outputs[0].contents.bytes_contents])


def _rows(codes: list[str]) -> Reasons:
    return [[code for code in codes[start : start + 4] if code] for start in range(0, len(codes), 4)]


@pytest.fixture(scope="module")
def expected(proxied: Server) -> Reasons:
    return by_plain_json(proxied, list(LOAN.schema.names))


def test_the_declarations_proxy_is_no_reason(proxied: Server, expected: Reasons) -> None:
    codes = {code for row in expected for code in row}
    assert len(codes) > 3
    assert not any(code.startswith(("LOAN_DURATION", "AGE")) for code in codes)
    parts = httpx.post(f"{proxied.url}/explain", json=records(ORDERS[0])[0]).json()["parts"]
    assert {each["column"] for each in parts} == set(LOAN.schema.names)


@pytest.mark.parametrize("order", ORDERS, ids=["first", "second", "third"])
@pytest.mark.parametrize("ask", [by_plain_json, by_a_plain_batch, by_v2, by_grpc])
def test_an_endpoint_gives_the_same_reasons(proxied: Server, expected: Reasons, ask: Any, order: list[str]) -> None:
    assert ask(proxied, order) == expected


@pytest.mark.parametrize("order", ORDERS, ids=["first", "second", "third"])
def test_a_file_gives_the_same_reasons(root: Path, tmp_path: Path, expected: Reasons, order: list[str]) -> None:
    ROWS[order].to_csv(tmp_path / "rows.csv", index=False)
    files = ("--input", tmp_path / "rows.csv", "--output", tmp_path / "out.csv")
    done = CliRunner().invoke(app, ["predict", "--registry", str(root), "--explain", *map(str, files)])
    assert done.exit_code == 0, done.output
    rows = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
    assert [row["reason_codes"].split("|") for row in rows] == expected
