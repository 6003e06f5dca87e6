"""Spans by OpenTelemetry's SDK: one for each sampled request, and one for each of its phases."""

import os
import random
import threading
import time
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace import Tracer as SdkTracer

from model_server.tracing.context import TraceContext, valid_state
from model_server.tracing.conventions import CONVENTIONS, Attributes, failed, model_attributes, status_attributes
from model_server.tracing.sampling import Sampling
from model_server.tracing.sending import SdkLog, Sender, collector, exporter
from tabular_model.errors import ModelError, first_line

Describe = Callable[[], tuple[str, Attributes]]  # a span's name and attributes
SERVICE = "loan-model"  # where the environment names no other
STOP_SECONDS = 2.0
ABANDON_SECONDS = 0.5  # for the SDK to give up what it could not send by then


class Trace:
    """One sampled request; it may go from thread to thread. Times are in nanoseconds of `time.time_ns`."""

    __slots__ = ("_context", "_reached", "_span", "_tracer", "context")

    def __init__(self, tracer: SdkTracer, span: Span, started_ns: int) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span, Context())
        self._reached = started_ns
        self.context = _told(span.get_span_context())

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; that of the caller's trace, if it sent one."""
        return self.context.trace_id

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits; that of this request's span, not of the caller's."""
        return self.context.span_id

    def ended(self, phase: str) -> None:
        """A phase that began where the one before it ended, the first with the request."""
        start, self._reached = self._reached, time.time_ns()
        self._tracer.start_span(phase, self._context, start_time=start).end(self._reached)

    def scored(self, name: str, version: str, rows: int) -> None:
        """By which version of the model, and how many rows."""
        self._span.set_attributes(model_attributes(name, version, rows))

    def end(self, status: int | str) -> None:
        """Once answered; `status` is an HTTP status or the name of a gRPC status."""
        self._span.set_attributes(status_attributes(status))
        if failed(status):
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Tracer:
    """Begins a trace for each request that is sampled. Safe to use from many threads."""

    def __init__(self, sampling: Sampling, sender: Sender, sdk_log: SdkLog) -> None:
        self._sampling = sampling
        self._sender = sender
        self._log = sdk_log
        self._ids = _Ids()
        self._provider = TracerProvider(ALWAYS_ON, _resource(), shutdown_on_exit=False, id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(sender))
        self._tracer = self._provider.get_tracer("model_server", schema_url=CONVENTIONS)

    @classmethod
    def opened(cls) -> "Tracer":
        """As the environment says; ModelError where it says what cannot be done."""
        sampling = Sampling.chosen(os.environ)
        sdk_log = SdkLog(collector(os.environ))
        sdk_log.install()
        try:
            return cls(sampling, Sender(exporter(os.environ), sdk_log), sdk_log)
        except ModelError:
            sdk_log.remove()
            raise
        except Exception as error:  # the SDK raises what it likes for a variable that it cannot read
            sdk_log.remove()
            raise ModelError(f"Tracing cannot be set up by the variables OTEL_...: {first_line(error)}.") from error

    def begin(self, describe: Describe, traceparent: str | None, tracestate: str | None) -> Trace | None:
        """A trace of a request that begins now; None when it is not sampled, and then it is not described either."""
        started_ns = time.time_ns()
        parent = TraceContext.parse(traceparent) if traceparent else None
        drawn = random.getrandbits(128) or 1
        if not self._sampling.takes(parent, drawn):
            return None
        context = _caller(parent._replace(state=valid_state(tracestate or ""))) if parent else Context()
        self._ids.drawn.trace_id = drawn
        name, attributes = describe()
        span = self._tracer.start_span(name, context, SpanKind.SERVER, attributes, start_time=started_ns)
        return Trace(self._tracer, span, started_ns)

    def stop(self) -> None:
        """Sends what waits, for a short time."""
        sending = threading.Thread(target=self._provider.shutdown, name="tracing-stop", daemon=True)
        sending.start()
        sending.join(STOP_SECONDS)
        self._sender.shutdown()
        sending.join(ABANDON_SECONDS)
        self._log.remove()


class _Ids(RandomIdGenerator):
    """Gives a trace the id that was drawn when it was decided whether to sample it."""

    def __init__(self) -> None:
        self.drawn = threading.local()

    def generate_trace_id(self) -> int:
        drawn: int = self.drawn.trace_id
        return drawn


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME)).startswith("unknown_service"):
        return resource.merge(Resource({SERVICE_NAME: SERVICE}))
    return resource


def _caller(parent: TraceContext) -> Context:
    """The caller's span, for the SDK."""
    flags, state = TraceFlags(parent.flags), TraceState.from_header([parent.state])
    span = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, flags, state)
    return set_span_in_context(NonRecordingSpan(span), Context())


def _told(span: SpanContext) -> TraceContext:
    """A span of the SDK's, for those who are called."""
    ids = format_trace_id(span.trace_id), format_span_id(span.span_id)
    return TraceContext(*ids, int(span.trace_flags), span.trace_state.to_header())
