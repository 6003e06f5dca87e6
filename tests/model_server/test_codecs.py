"""Each codec carries every number through, and no bytes break it."""

import json

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from loan_model.synthetic import LOAN
from model_server.codecs import plain, v2_grpc, v2_rest
from model_server.errors import ServeError
from model_server.signature import Signature
from tests.model_server.serving import v2_columns

SIGNATURE = Signature(LOAN.columns, 100, False)
EXPECTED = plain.Expected(LOAN.columns, words=False, ignores_extra=False)
matrices = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.just(7)),
    elements=st.floats(allow_infinity=False, allow_nan=True, width=64),
)


def same(request, matrix):
    assert np.array_equal(SIGNATURE.matrix(request.tensors), matrix, equal_nan=True)


@given(matrices)
def test_json_columns(matrix):
    same(v2_rest.decode(json.dumps(v2_columns(matrix)).encode(), None)[0], matrix)


@given(matrices)
def test_json_matrix_with_literal_nan(matrix):
    item = {"name": "x", "datatype": "FP64", "shape": matrix.shape, "data": matrix.tolist()}
    same(v2_rest.decode(json.dumps({"inputs": [item]}).encode(), None)[0], matrix)


@given(matrices)
def test_binary_matrix(matrix):
    content = matrix.tobytes()
    item = {
        "name": "x",
        "datatype": "FP64",
        "shape": matrix.shape,
        "parameters": {"binary_data_size": len(content)},
    }
    head = json.dumps({"inputs": [item]}).encode()
    same(v2_rest.decode(head + content, str(len(head)))[0], matrix)


@given(matrices, st.booleans())
def test_grpc(matrix, raw):
    message = pb.ModelInferRequest(model_name="loan")
    item = message.inputs.add(name="x", datatype="FP64", shape=matrix.shape)
    if raw:
        message.raw_input_contents.append(matrix.tobytes())
    else:
        item.contents.fp64_contents.extend(matrix.ravel())
    same(v2_grpc.decode(pb.ModelInferRequest.FromString(message.SerializeToString())), matrix)


@given(matrices)
def test_plain_rows_and_columns(matrix):
    values = [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]
    rows = [dict(zip(LOAN.schema.names, row, strict=True)) for row in values]
    columns = {name: [row[name] for row in rows] for name in LOAN.schema.names}
    for batch in (rows, columns):
        same(plain.decode_batch(json.dumps(batch).encode(), EXPECTED, False), matrix)


@given(st.binary(max_size=200), st.none() | st.text("0123456789x", max_size=4))
def test_any_bytes_are_decoded_or_refused(body, length):
    try:
        SIGNATURE.matrix(v2_rest.decode(body, length)[0].tensors)
    except ServeError as error:
        assert str(error).endswith(".")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*LOAN.schema.names, "x"]) | json_values,
        "datatype": st.sampled_from(["FP64", "INT8", "BYTES"]) | json_values,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | json_values,
        "data": st.lists(json_values, max_size=3) | json_values,
    }
)


@given(st.lists(tensors, max_size=8))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_scored_or_refused(inputs):
    body = json.dumps({"inputs": inputs}).encode()
    for decode in (
        lambda: v2_rest.decode(body, None)[0].tensors,
        lambda: plain.decode_batch(body, EXPECTED, False).tensors,
    ):
        try:
            matrix = SIGNATURE.matrix(decode())
            SIGNATURE.check(matrix)
        except ServeError as error:
            assert "\n" not in str(error)
