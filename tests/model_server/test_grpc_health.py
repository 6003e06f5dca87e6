"""Health and reflection over gRPC, as Kubernetes' probes, Envoy and grpcurl ask."""

import threading
import time

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from model_server.grpc.described import HealthListResponse
from tests.model_server.serving import serving

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = ("", "inference.GRPCInferenceService")


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.grpc_target) as opened:
        yield opened


def check(channel, service=""):
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status


@pytest.mark.parametrize("service", NAMES)
def test_a_server_with_a_version_serves(channel, service):
    assert check(channel, service) == SERVING


def test_a_service_that_is_not_there(channel):
    with pytest.raises(grpc.RpcError) as refused:
        check(channel, "bank.Loans")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_all_are_listed(channel):
    call = channel.unary_unary(
        "/grpc.health.v1.Health/List",
        request_serializer=lambda _: b"",
        response_deserializer=HealthListResponse.FromString,
    )
    assert {name: each.status for name, each in call(None, timeout=10).statuses.items()} == dict.fromkeys(NAMES, 1)


def test_it_serves_exactly_while_a_version_is_loaded(tmp_path, trained_registry):
    empty = tmp_path / "empty"
    empty.mkdir()
    with serving(empty, anyone_may="") as server, grpc.insecure_channel(server.grpc_target) as channel:
        assert check(channel) == NOT_SERVING  # and no token is asked for
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert next(watched).status == NOT_SERVING
        watched.cancel()


def test_who_watches_is_told_and_a_stop_does_not_wait_for_them(trained_registry):
    with serving(trained_registry) as server, grpc.insecure_channel(server.grpc_target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watched).status == SERVING
        reflection = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        open_stream = reflection(iter(lambda: time.sleep(60), None), timeout=60)
        began = time.monotonic()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert next(watched).status == NOT_SERVING
        stopping.join()
        assert time.monotonic() - began < 10
        open_stream.cancel()


def test_callers_who_send_nothing_keep_nobody_from_asking(server):
    with grpc.insecure_channel(server.grpc_target) as silent, grpc.insecure_channel(server.grpc_target) as channel:
        call = silent.stream_unary("/grpc.health.v1.Health/Check")
        gate = threading.Event()

        def nothing():
            gate.wait(30)
            yield from ()

        waiting = [call.future(nothing(), timeout=30) for _ in range(200)]
        try:
            time.sleep(0.5)
            for _ in range(5):
                assert check(channel) == SERVING
        finally:
            gate.set()
            for each in waiting:
                each.cancel()


def services(channel, version):
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10)
    return {each.name for each in answer.list_services_response.service}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_services_are_listed(channel, version):
    assert services(channel, version) == {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_a_client_that_knows_nothing_can_describe_and_call_every_method(channel):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service = pool.FindServiceByName("inference.GRPCInferenceService")
    assert {"ModelInfer", "ServerReady", "RepositoryIndex"} <= set(service.methods_by_name)
    assert service.methods_by_name["ModelInfer"].input_type.fields_by_name["inputs"]
    assert "List" in pool.FindServiceByName("grpc.health.v1.Health").methods_by_name
    reflection = pool.FindServiceByName("grpc.reflection.v1.ServerReflection")
    assert reflection.methods_by_name["ServerReflectionInfo"].input_type.full_name.startswith("grpc.reflection.v1.")
