"""Spans of sampled requests, sent to a receiver of OpenTelemetry's protocol."""

import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import DefaultGetter
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv.attributes import error_attributes, http_attributes, url_attributes
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from model_server.tracing import conventions, open_tracer
from model_server.tracing.context import TraceContext
from model_server.tracing.sampling import SAMPLERS, Sampling
from tabular_model.errors import ModelError
from tests.model_server.collector import collecting
from tests.model_server.serving import free_port

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"

hexadecimal = st.text("0123456789abcdef", min_size=1, max_size=34)
pairs = st.text("0123456789abcdef", min_size=2, max_size=2)
almost = st.builds(
    lambda *parts: "-".join(parts),
    pairs | hexadecimal,
    st.text("0123456789abcdef", min_size=32, max_size=32) | st.just("0" * 32) | hexadecimal,
    st.text("0123456789abcdef", min_size=16, max_size=16) | st.just("0" * 16) | hexadecimal,
    pairs | st.sampled_from(["01", "01-more", "01-", "0", "0A", "01x"]),
)


def by_the_sdk(traceparent, tracestate=""):
    """What the SDK's own propagator reads, or None."""
    carrier = {"traceparent": [traceparent], "tracestate": [tracestate]}
    span = get_current_span(TraceContextTextMapPropagator().extract(carrier, Context(), DefaultGetter()))
    return span.get_span_context() if span.get_span_context().is_valid else None


@given(almost | st.text())
def test_a_traceparent_is_read_as_by_the_sdk(header):
    ours, theirs = TraceContext.parse(header), by_the_sdk(header)
    assert (ours is None) == (theirs is None)
    if ours and theirs:
        assert (int(ours.trace_id, 16), int(ours.span_id, 16)) == (theirs.trace_id, theirs.span_id)
        assert ours.sampled == theirs.trace_flags.sampled


@given(
    st.integers(1, 2**128 - 1).map("{:032x}".format), st.integers(1, 2**64 - 1).map("{:016x}".format), st.integers(0, 3)
)
def test_what_is_passed_on_is_what_was_taken(trace_id, span_id, flags):
    context = TraceContext(trace_id, span_id, flags)
    assert TraceContext.parse(context.header) == context


@pytest.mark.parametrize(
    ("header", "passed_on"),
    [
        (SAMPLED, SAMPLED),
        (f"cc-{TRACE}-{CALLER}-ff-what-the-future-brings", f"00-{TRACE}-{CALLER}-03"),
        (f"ff-{TRACE}-{CALLER}-01", None),
        (f"00-{TRACE}-{CALLER}-01-more", None),
        (f"cc-{TRACE}-{CALLER}-01more", None),
        (f"00-{'0' * 32}-{CALLER}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{CALLER}-01", None),
        (f"{SAMPLED},{SAMPLED}", None),
        ("", None),
    ],
)
def test_an_invalid_traceparent_is_ignored(header, passed_on):
    context = TraceContext.parse(header)
    assert (context and context.header) == passed_on


members = st.builds(
    lambda key, value: f"{key}={value}",
    st.text("abc019_-*/@=", min_size=1, max_size=4),
    st.text(" !+-<>~x=", min_size=1, max_size=4),
)


@given(st.lists(members | st.just(""), max_size=40).map(" ,".join) | st.text())
def test_a_tracestate_is_read_as_by_the_sdk(state):
    ours, theirs = TraceContext.parse(SAMPLED, state), by_the_sdk(SAMPLED, state)
    assert ours.state == theirs.trace_state.to_header()


@given(
    st.sampled_from(SAMPLERS),
    st.booleans(),
    st.floats(0, 1),
    st.integers(1, 2**128 - 1),
    st.sampled_from([None, SAMPLED, NOT_SAMPLED]),
)
def test_a_request_is_sampled_as_by_the_sdks_sampler(kind, follows, ratio, trace_id, header):
    name = "parentbased_" * follows + kind
    sampling = Sampling.chosen({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": str(ratio)})
    theirs = sdk._KNOWN_SAMPLERS[name]
    theirs = theirs(ratio) if kind == "traceidratio" else theirs
    parent = TraceContext.parse(header) if header else None
    context = Context()
    if header:
        context = TraceContextTextMapPropagator().extract({"traceparent": [header]}, context, DefaultGetter())
        trace_id = int(TRACE, 16)
    assert sampling.takes(parent, trace_id) == theirs.should_sample(context, trace_id, "x").decision.is_sampled()


def test_the_names_are_those_of_the_semantic_conventions():
    assert Schemas.V1_44_0.value == conventions.CONVENTIONS
    assert {each.value for each in http_attributes.HttpRequestMethodValues} - {"_OTHER"} == conventions.HTTP_METHODS
    assert conventions.http_attributes("BREW", "/pot", "https", "/{pot}") == {
        http_attributes.HTTP_REQUEST_METHOD: "_OTHER",
        http_attributes.HTTP_REQUEST_METHOD_ORIGINAL: "BREW",
        http_attributes.HTTP_ROUTE: "/{pot}",
        url_attributes.URL_PATH: "/pot",
        url_attributes.URL_SCHEME: "https",
    }
    assert conventions.rpc_attributes("/inference.GRPCInferenceService/ModelInfer") == {
        rpc.RPC_SYSTEM_NAME: "grpc",
        rpc.RPC_METHOD: "inference.GRPCInferenceService/ModelInfer",
    }
    assert conventions.status_attributes(503) == {
        http_attributes.HTTP_RESPONSE_STATUS_CODE: 503,
        error_attributes.ERROR_TYPE: "503",
    }
    assert conventions.status_attributes("NOT_FOUND") == {rpc.RPC_RESPONSE_STATUS_CODE: "NOT_FOUND"}
    names = [conventions.http_name(*each) for each in [("GET", "/v2"), ("GET", ""), ("BREW", "/v2"), ("BREW", "")]]
    assert names == ["GET /v2", "GET", "HTTP /v2", "HTTP"]


@pytest.fixture
def tracing(monkeypatch):
    """Opens a tracer by these variables, and stops it at the end."""
    opened = []

    def begin(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        tracer = open_tracer()
        opened.append(tracer)
        return tracer

    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    yield begin
    for tracer in opened:
        if tracer:
            tracer.stop()


def request(tracer, traceparent=None, tracestate=None, status=200):
    """A request that goes from a thread to another, with all its phases."""
    attributes = conventions.http_attributes("POST", "/v2/models/loan/infer", "http", "/v2/models/{model}/infer")
    name = conventions.http_name("POST", "/v2/models/{model}/infer")
    trace = tracer.begin(lambda: (name, attributes), traceparent, tracestate)
    if trace is None:
        return None
    trace.ended("decode")

    def score():
        trace.ended("queue")
        time.sleep(0.001)
        trace.ended("score")

    thread = threading.Thread(target=score)
    thread.start()
    thread.join()
    trace.scored("loan", "v7", 3)
    trace.ended("encode")
    trace.end(status)
    return trace


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_sampled_request_leaves_a_span_and_one_for_each_phase(tracing, protocol):
    with collecting(protocol) as collector:
        tracer = tracing(**collector.environment, OTEL_EXPORTER_OTLP_HEADERS="api-key=secret")
        before = time.time_ns()
        trace = request(tracer, f"00-{TRACE}-{CALLER}-03", "vendor=x")
        collector.wait(lambda c: len(c.spans) == 5)
        assert collector.headers[0]["api-key"] == "secret"
    spans = collector.trace(TRACE)
    root = spans.pop("POST /v2/models/{model}/infer")
    assert (root.kind, root.parent_id, root.span_id, root.state) == ("SERVER", CALLER, trace.span_id, "vendor=x")
    assert trace.context == TraceContext(TRACE, root.span_id, 3, "vendor=x")
    assert root.status == "UNSET"
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/v2/models/{model}/infer",
        "http.response.status_code": 200,
        "url.path": "/v2/models/loan/infer",
        "url.scheme": "http",
        "model.name": "loan",
        "model.version": "v7",
        "model.rows": 3,
    }
    assert root.resource["service.name"] == "loan-model"
    assert root.schema == conventions.CONVENTIONS
    assert list(spans) == ["decode", "queue", "score", "encode"]
    assert {(span.kind, span.parent_id) for span in spans.values()} == {("INTERNAL", root.span_id)}
    times = [each for span in spans.values() for each in (span.start, span.end)]
    assert [before, root.start, *times, root.end] == sorted([before, root.start, *times, root.end])
    assert spans["score"].end - spans["score"].start >= 1_000_000


@pytest.mark.parametrize(
    ("status", "name", "error"),
    [
        (404, "http.response.status_code", None),
        (500, "http.response.status_code", "500"),
        ("INVALID_ARGUMENT", "rpc.response.status_code", None),
        ("RESOURCE_EXHAUSTED", "rpc.response.status_code", None),
        ("INTERNAL", "rpc.response.status_code", "INTERNAL"),
    ],
)
def test_only_what_the_server_is_to_blame_for_is_an_error(tracing, status, name, error):
    with collecting() as collector:
        request(tracing(**collector.environment), status=status)
        collector.wait(lambda c: len(c.spans) == 5)
    (root,) = [span for span in collector.spans if span.kind == "SERVER"]
    assert root.attributes[name] == status
    assert root.attributes.get("error.type") == error
    assert root.status == ("ERROR" if error else "UNSET")


def test_a_share_is_sampled_and_callers_decide_for_theirs(tracing):
    with collecting() as collector:
        tracer = tracing(
            **collector.environment,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG="0.2",
            OTEL_RESOURCE_ATTRIBUTES="service.name=scores,team=risk",
        )
        assert request(tracer, NOT_SAMPLED) is None
        assert request(tracer, SAMPLED).trace_id == TRACE
        traces = [trace for _ in range(400) if (trace := request(tracer, "nonsense"))]
        assert 40 < len(traces) < 130
        assert len({trace.trace_id for trace in traces}) == len(traces)
        tracer.stop()
    assert len(collector.spans) == 5 * (len(traces) + 1)
    roots = [span for span in collector.spans if span.kind == "SERVER"]
    assert {span.trace_id for span in roots} == {TRACE, *(trace.trace_id for trace in traces)}
    assert {span.parent_id for span in roots} == {CALLER, ""}
    assert (roots[0].resource["service.name"], roots[0].resource["team"]) == ("scores", "risk")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_is_gone_is_said_once_and_holds_up_nobody(tracing, protocol, capsys, wait_for):
    port = free_port()
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
        "OTEL_BSP_MAX_QUEUE_SIZE": "50",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
    }
    tracer = tracing(**variables)
    said = ""

    def refused():
        nonlocal said
        request(tracer)
        said += capsys.readouterr().out
        return "spans are not sent" in said

    wait_for(refused)
    start = time.monotonic()
    for _ in range(100):
        trace = tracer.begin(lambda: ("x", {}), None, None)
        trace.end(200)
    assert time.monotonic() - start < 0.5
    time.sleep(1)
    said += capsys.readouterr().out
    assert said.count("spans are not sent") == 1
    assert str(port) in said
    assert "Traceback" not in said
    with collecting(protocol, port) as collector:
        wait_for(lambda: bool(request(tracer) and collector.spans))
        wait_for(lambda: "spans are sent" in capsys.readouterr().out)


def test_a_stop_does_not_wait_for_a_collector_that_is_gone(tracing):
    tracer = tracing(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="60000")
    request(tracer)
    start = time.monotonic()
    tracer.stop()
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "True"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_a_collector_there_is_no_tracer(tracing, variables):
    assert tracing(**variables) is None


def script(code, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=False, timeout=60)


def test_the_sdk_is_not_imported_when_off():
    code = "import sys, model_server.server, model_server.tracing as t; t.open_tracer(); print(*sys.modules)"
    ended = script(code)
    assert ended.returncode == 0, ended.stderr
    assert "model_server.tracing" in ended.stdout
    assert "opentelemetry" not in ended.stdout


ABSENT = """
import sys
sys.modules["opentelemetry.sdk"] = None
from model_server.tracing import open_tracer
from tabular_model.errors import ModelError
try:
    open_tracer()
except ModelError as error:
    print(error)
"""


def test_without_the_sdk_one_sentence_says_what_to_install():
    ended = script(ABSENT, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "install loan-model[tracing]" in ended.stdout, ended.stderr
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER is 'sometimes'; use one of always_on"),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "abc"},
            "OTEL_TRACES_SAMPLER_ARG is 'abc'; it must be a share",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"},
            "OTEL_TRACES_SAMPLER_ARG is '1.5'; it must be a share",
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'; use grpc or"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "udp"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'udp'; use grpc or"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
            "OTEL_EXPORTER_OTLP_ENDPOINT is not the URL of",
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a:b"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is not the URL"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "cannot be set up by the variables OTEL_...: could not convert"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, 'Invalid value "zip" for compression'),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "1"}, "cannot be set up by the variables OTEL_"),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
    ],
)
def test_a_wrong_variable_is_said_in_one_sentence(tracing, variables, sentence):
    with pytest.raises(ModelError) as raised:
        tracing(**{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} | variables)
    assert sentence in str(raised.value)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_what_the_sdk_tolerates_is_logged_without_secrets(tracing, capsys):
    tracing(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_HEADERS="Bearer top-secret",
        OTEL_BSP_SCHEDULE_DELAY="soon",
    )
    said = capsys.readouterr().out
    assert "OTEL_BSP_SCHEDULE_DELAY" in said
    assert "OTEL_EXPORTER_OTLP_HEADERS" in said
    assert "top-secret" not in said
    assert "Traceback" not in said
