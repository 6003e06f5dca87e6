"""A server whose requests are traced: spans, logs, metrics and the prediction log tell of the same trace."""

import json
import signal
from itertools import pairwise

import grpc
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.model_server.collector import collecting
from tests.model_server.serving import APPLICANT, serving, v2_columns
from tests.model_server.test_limits import MODEL_INFER, ROWS
from tests.model_server.test_v2_grpc import raw

CALLER = "b7ad6b7169203331"
PHASES = ["queue", "decode", "score", "encode"]


def parent(number, sampled=True):
    """The trace of this number, and the header that a caller who is part of it sends."""
    trace = f"{number:032x}"
    return trace, {"traceparent": f"00-{trace}-{CALLER}-{'01' if sampled else '00'}", "x-request-id": f"ask-{number}"}


@pytest.fixture(scope="module")
def collector():
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "predictions.jsonl"


@pytest.fixture(scope="module")
def server(collector, events, trained_registry):
    """It samples what its callers do, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in collector.environment.items():
            patch.setenv(name, value)
        patch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        with serving(trained_registry, log_predictions=str(events)) as running:
            yield running


def spans(collector, trace, count):
    """The trace's spans in the order of their ends, once there are so many."""
    collector.wait(lambda at: len([each for each in at.spans if each.trace_id == trace]) >= count)
    return sorted((each for each in collector.spans if each.trace_id == trace), key=lambda each: (each.end, each.start))


@pytest.mark.parametrize(
    ("number", "path", "body", "rows"),
    [
        (1, "/v2/models/loan/infer", v2_columns(ROWS[:3]), 3),
        (2, "/predict?version=v1", APPLICANT, 1),
        (3, "/v1/models/loan:predict", {"instances": [APPLICANT] * 2}, 2),
        (4, "/predict_batch", [APPLICANT] * 600, 600),  # in a thread
    ],
)
def test_a_sampled_request_over_http(server, collector, number, path, body, rows):
    trace, headers = parent(number)
    answer = httpx.post(server.url + path, json=body, headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, f"ask-{number}")
    *phases, request = spans(collector, trace, 5)
    assert [span.name for span in phases] == PHASES
    assert {span.parent_id for span in phases} == {request.span_id}
    assert (request.parent_id, request.kind) == (CALLER, "SERVER")
    assert phases[0].start == request.start
    assert all(one.end == other.start for one, other in pairwise(phases))
    told = request.attributes
    route = request.name.removeprefix("POST ")
    assert (told["http.route"], told["url.path"], told["url.scheme"]) == (route, path.partition("?")[0], "http")
    assert (told["http.response.status_code"], told["model.name"], told["model.rows"]) == (200, "loan", rows)
    assert told["model.version"] == ("v1" if "version=v1" in path else "v2")


def test_reasons_wait_for_a_thread_after_they_are_decoded(server, collector):
    trace, headers = parent(5)
    assert httpx.post(f"{server.url}/predict?explain=true", json=APPLICANT, headers=headers).is_success
    assert [span.name for span in spans(collector, trace, 6)][:5] == ["queue", "decode", "queue", "score", "encode"]


def test_a_request_that_fails(server, collector):
    trace, headers = parent(6)
    assert httpx.post(f"{server.url}/predict", json={"Age": 41}, headers=headers).status_code == 400
    request = spans(collector, trace, 2)[-1]
    assert (request.attributes["http.response.status_code"], request.status) == (400, "UNSET")
    assert "error.type" not in request.attributes


def test_a_sampled_call_over_grpc(server, collector):
    trace, headers = parent(7)
    with grpc.insecure_channel(server.grpc_target) as channel:
        call = channel.unary_unary(MODEL_INFER).with_call
        _, ended = call(raw(ROWS[:3]).SerializeToString(), metadata=tuple(headers.items()))
        assert dict(ended.trailing_metadata()) == {"x-request-id": "ask-7", "x-loan-version": "v2"}
        *phases, request = spans(collector, trace, 5)
        assert [span.name for span in phases] == PHASES
        assert (request.name, request.parent_id) == ("inference.GRPCInferenceService/ModelInfer", CALLER)
        assert (request.attributes["model.version"], request.attributes["model.rows"]) == ("v2", 3)
        trace, headers = parent(8)
        with pytest.raises(grpc.RpcError) as failed:
            call(raw(np.ones((1, 3))).SerializeToString(), metadata=tuple(headers.items()))
    assert dict(failed.value.trailing_metadata())["x-request-id"] == "ask-8"
    assert spans(collector, trace, 3)[-1].attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"


def test_what_is_not_sampled_leaves_no_span(server, collector):
    before = {span.trace_id for span in collector.spans}
    _, headers = parent(9, sampled=False)
    for each in (headers, {}, {"traceparent": "nonsense"}):
        assert httpx.post(f"{server.url}/predict", json=APPLICANT, headers=each).is_success
    httpx.get(f"{server.url}/v2/health/ready", headers=parent(10)[1])
    spans(collector, after(server, 11), 5)
    assert {span.trace_id for span in collector.spans} - before <= {f"{11:032x}"}


def after(server, number):
    """The trace of one more request."""
    trace, headers = parent(number)
    assert httpx.post(f"{server.url}/predict", json=APPLICANT, headers=headers).is_success
    return trace


def test_metrics_name_a_trace_where_openmetrics_is_asked_for(server):
    trace = after(server, 12)
    answer = httpx.get(f"{server.url}/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    found = [
        sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if family.name == "loan_request_seconds" and sample.exemplar
    ]
    assert trace in found
    assert "trace_id" not in httpx.get(f"{server.url}/metrics").text


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("application/openmetrics-text; version=1.0.0; q=0.6, text/plain; q=0.4, */*; q=0.1", True),  # as Prometheus
        ("text/plain, application/openmetrics-text; q=0.5", False),
        ("Application/OpenMetrics-Text", True),
        ("application/openmetrics-text; q=0", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_metrics_are_in_the_format_that_is_wanted_more(server, accept, openmetrics):
    answer = httpx.get(f"{server.url}/metrics", headers={"accept": accept})
    assert answer.text.endswith("# EOF\n") == openmetrics


def test_trace_headers_that_stand_twice(server, collector):
    trace, headers = parent(17)
    twice = [*headers.items(), ("tracestate", "bank=1"), ("tracestate", "desk=2")]
    assert httpx.post(f"{server.url}/predict", json=APPLICANT, headers=twice).is_success
    assert spans(collector, trace, 5)[-1].state == "bank=1,desk=2"
    other, more = parent(18)
    both = [*more.items(), ("traceparent", headers["traceparent"])]
    assert httpx.post(f"{server.url}/predict", json=APPLICANT, headers=both).is_success
    spans(collector, after(server, 19), 5)
    assert other not in {span.trace_id for span in collector.spans}


def test_the_prediction_log_passes_the_trace_on(server, events, collector):
    """That of the server's own span where it has one, else the caller's."""
    _, headers = parent(13, sampled=False)
    assert httpx.post(f"{server.url}/predict", json=APPLICANT, headers=headers).is_success
    sampled = after(server, 14)
    request = spans(collector, sampled, 5)[-1]
    found = [json.loads(line).get("traceparent", "") for line in events.read_text().splitlines()]
    assert headers["traceparent"] in found
    assert f"00-{sampled}-{request.span_id}-01" in found


def logged(running):
    """What the server has logged, once it is stopped."""
    running.process.send_signal(signal.SIGTERM)
    return [json.loads(line) for line in running.process.communicate(timeout=30)[1].splitlines()]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_logs_name_who_has_a_version_loaded_that_is_only_described(trained_registry, protocol):
    trace, headers = parent(17)
    with serving(trained_registry) as running:
        if protocol == "http":
            assert httpx.get(f"{running.url}/v2/models/loan/versions/v1", headers=headers).is_success
        else:
            with grpc.insecure_channel(running.grpc_target) as channel:
                asked = pb.ModelMetadataRequest(name="loan", version="v1")
                GRPCInferenceServiceStub(channel).ModelMetadata(asked, metadata=tuple(headers.items()))
        [loaded] = [line for line in logged(running) if line.get("version") == "v1"]
    assert (loaded.get("request_id"), loaded.get("trace_id")) == ("ask-17", trace)


def test_logs_name_the_trace(trained_registry):
    """Of what a request makes happen, whether by a protocol for people or for machines."""
    with serving(trained_registry) as running:
        trace, headers = parent(15)
        assert httpx.post(f"{running.url}/predict?version=v1", json=APPLICANT, headers=headers).is_success
        other, headers = parent(16)
        assert httpx.post(f"{running.url}/v2/repository/models/loan/unload", headers=headers).is_success
        lines = logged(running)
    loaded = next(line for line in lines if line.get("trace_id") == trace)
    assert (loaded["event"], loaded["request_id"], len(loaded["span_id"])) == ("version loaded", "ask-15", 16)
    unloaded = next(line for line in lines if line.get("trace_id") == other)
    assert (unloaded["audit"], unloaded["request_id"]) == ("unload", "ask-16")
