"""V2 over gRPC, through KServe's own stubs."""

import socket
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from loan_model.synthetic import LOAN


@pytest.fixture
def stub(server) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.grpc_target) as channel:
        yield GRPCInferenceServiceStub(channel)


def typed(matrix, **extra):
    request = pb.ModelInferRequest(model_name="loan", **extra)
    for index, column in enumerate(LOAN.columns):
        item = request.inputs.add(name=column.name, datatype="FP64", shape=[len(matrix)])
        item.contents.fp64_contents.extend(matrix[:, index])
    return request


def raw(matrix, **extra):
    request = pb.ModelInferRequest(model_name="loan", **extra)
    request.inputs.add(name="x", datatype="FP64", shape=matrix.shape)
    request.raw_input_contents.append(np.ascontiguousarray(matrix).tobytes())
    return request


def test_health_metadata_and_readiness(stub):
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "loan-model"
    assert stub.ModelReady(pb.ModelReadyRequest(name="loan")).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="loan", version="v2")).ready
    metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="loan"))
    assert list(metadata.versions) == ["v1", "v2"]
    assert [item.name for item in metadata.inputs] == list(LOAN.schema.names)


def test_typed_and_raw_contents_give_the_models_own_probabilities(stub, model, matrix):
    probability, decision = model.score(matrix)
    answer = stub.ModelInfer(typed(matrix, model_version="v1", id="a-1"))
    assert (answer.id, answer.model_version) == ("a-1", "v1")
    assert list(answer.outputs[0].contents.fp64_contents) == probability.tolist()
    assert list(answer.outputs[1].contents.int64_contents) == decision.tolist()
    in_raw = stub.ModelInfer(raw(matrix, model_version="v1"))
    assert np.frombuffer(in_raw.raw_output_contents[0]).tolist() == probability.tolist()
    assert np.frombuffer(in_raw.raw_output_contents[1], np.int64).tolist() == decision.tolist()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_version_asked_for_answers_and_is_in_the_metadata(stub, matrix, version):
    answer, call = stub.ModelInfer.with_call(raw(matrix, model_version=version))
    assert answer.model_version == version
    assert ("x-loan-version", version) in call.trailing_metadata()


def test_reason_codes_typed_and_raw(stub, model, matrix):
    expected = [code.encode() for row in model.reason_codes(matrix) for code in row]
    request = typed(matrix, model_version="v1")
    request.parameters["explain"].bool_param = True
    assert list(stub.ModelInfer(request).outputs[2].contents.bytes_contents) == expected
    request = raw(matrix, model_version="v1")
    request.outputs.add(name="reason_codes")
    packed = stub.ModelInfer(request).raw_output_contents[0]
    assert packed[4 : 4 + int.from_bytes(packed[:4], "little")] == expected[0]


def refused(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code(), caught.value.details()


def test_wrong_requests_have_a_status_and_a_sentence(stub, matrix):
    status = grpc.StatusCode
    cases = []
    request = typed(matrix)
    request.inputs[0].name = "Height"
    cases.append((request, status.INVALID_ARGUMENT, "'Height'"))
    request = typed(matrix)
    request.inputs[0].datatype = "BYTES"
    cases.append((request, status.INVALID_ARGUMENT, "BYTES"))
    request = typed(matrix)
    request.inputs[0].datatype = "INT64"
    cases.append((request, status.INVALID_ARGUMENT, "fp64_contents"))
    request = typed(matrix)
    request.inputs[0].datatype = "FP16"
    cases.append((request, status.INVALID_ARGUMENT, "only as raw contents"))
    request = raw(matrix)
    request.raw_input_contents[0] = request.raw_input_contents[0][:-1]
    cases.append((request, status.INVALID_ARGUMENT, "truncated"))
    request = raw(matrix)
    request.raw_input_contents.append(b"")
    cases.append((request, status.INVALID_ARGUMENT, "1 inputs but 2"))
    request = raw(matrix)
    request.inputs[0].contents.fp64_contents.append(1)
    cases.append((request, status.INVALID_ARGUMENT, "both typed and raw"))
    request = raw(matrix[:0])
    cases.append((request, status.INVALID_ARGUMENT, "no rows"))
    request = raw(matrix)
    request.model_name = "house"
    cases.append((request, status.NOT_FOUND, "'house'"))
    cases.append((raw(matrix, model_version="v9"), status.NOT_FOUND, "v1, v2"))
    infinite = matrix.copy()
    infinite[3, 1] = -np.inf
    cases.append((raw(infinite), status.INVALID_ARGUMENT, "'Annual_Income', row 3"))
    for request, code, word in cases:
        came, details = refused(stub.ModelInfer, request)
        assert (came, word in details) == (code, True), details
    too_large = raw(np.zeros((700_000, 7)))
    assert refused(stub.ModelInfer, too_large)[0] is status.RESOURCE_EXHAUSTED
    assert stub.ModelInfer(raw(matrix)).outputs


def test_load_and_unload_by_kserves_messages(stub):
    loaded = stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="loan"))
    assert (loaded.model_name, loaded.isLoaded) == ("loan", True)
    code, _ = refused(stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="house"))
    assert code is grpc.StatusCode.NOT_FOUND


def frame(kind, flags, stream, content=b""):
    """A frame of HTTP/2."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


def header(name, value):
    """A header field as HPACK writes one that is in no table."""
    return b"".join([b"\0", *(bytes((len(each),)) + each for each in (name, value))])


@pytest.mark.parametrize(
    ("sent", "returned"), [("café".encode(), b"caf?"), (b"\xff\t1", b"??1"), (b"a\nb", b"a?b"), (b"a b", b"a b")]
)
def test_an_id_that_cannot_be_returned_fails_no_call(server, sent, returned):
    """Sent by hand: grpc's own client does not send it, its server takes it."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": b"/inference.GRPCInferenceService/ServerLive",
        b":authority": b"x",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        b"x-request-id": sent,
    }
    head = b"".join(header(name, value) for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        connection.sendall(frame(1, 4, 1, head) + frame(0, 1, 1, b"\0" * 5))
        came = b""
        while b"grpc-message" not in came and (part := connection.recv(2**16)):
            came += part
    assert b"Invalid metadata" not in came
    assert b"x-request-id" + bytes((len(returned),)) + returned in came
