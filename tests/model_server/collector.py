"""A receiver of OpenTelemetry's protocol, over gRPC or HTTP, which keeps the spans that it is sent."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status


class Span(NamedTuple):
    """A span as it was received; ids in hexadecimal, times in nanoseconds."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    state: str
    start: int
    end: int
    status: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    schema: str


class Collector:
    """What has been received at `url`; `headers` is of each export."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.url = ""
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []

    @property
    def environment(self) -> dict[str, str]:
        """What a server needs to send its spans here, soon after they end."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def take(self, request: ExportTraceServiceRequest, headers: Iterable[tuple[str, Any]]) -> None:
        self.headers.append({name.lower(): str(value) for name, value in headers})
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                named = _plain(resource.resource.attributes)
                self.spans.extend(_span(message, named, scope.schema_url) for message in scope.spans)

    def trace(self, trace_id: str) -> dict[str, Span]:
        """The spans of one trace by their names."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}

    def wait(self, enough: Callable[["Collector"], object], seconds: float = 15) -> None:
        """Until `enough` has been received; AssertionError after `seconds`."""
        end = time.monotonic() + seconds
        while not enough(self):
            assert time.monotonic() < end, f"only {[span.name for span in self.spans]} after {seconds} s"
            time.sleep(0.02)


@contextmanager
def collecting(protocol: str = "grpc", port: int = 0) -> Iterator[Collector]:
    """A running collector; `protocol` is `grpc` or `http/protobuf`."""
    collector = Collector(protocol)
    running = _grpc(collector, port) if protocol == "grpc" else _http(collector, port)
    with running as opened:
        collector.url = f"http://127.0.0.1:{opened}"
        yield collector


@contextmanager
def _grpc(collector: Collector, port: int) -> Iterator[int]:
    class Receiver(TraceServiceServicer):
        def Export(self, request: Any, context: grpc.ServicerContext) -> ExportTraceServiceResponse:  # noqa: N802
            collector.take(request, context.invocation_metadata())
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextmanager
def _http(collector: Collector, port: int) -> Iterator[int]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            collector.take(ExportTraceServiceRequest.FromString(body), self.headers.items())
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _span(message: SpanMessage, resource: dict[str, Any], schema: str) -> Span:
    return Span(
        name=message.name,
        kind=SpanMessage.SpanKind.Name(message.kind).removeprefix("SPAN_KIND_"),
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_id=message.parent_span_id.hex(),
        state=message.trace_state,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        status=Status.StatusCode.Name(message.status.code).removeprefix("STATUS_CODE_"),
        attributes=_plain(message.attributes),
        resource=resource,
        schema=schema,
    )


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in attributes}
