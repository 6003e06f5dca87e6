"""Spans on their way to a collector; what goes wrong there is logged once and never reaches a request."""

import logging
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from model_server.tracing import ENDPOINTS
from tabular_model.errors import ModelError

log = structlog.get_logger(__name__)

PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SDK = "opentelemetry"
EXPORTERS = f"{SDK}.exporter"
HEADERS = f"{SDK}.util.re"  # a header may be a secret, and is not logged


class SdkLog(logging.Handler):
    """Takes what the SDK logs, and logs each message once, without its traceback, until spans are sent again."""

    def __init__(self, collector: str) -> None:
        super().__init__(logging.WARNING)
        self._collector = collector
        self._said: set[str] = set()
        self._first_try = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging` for warnings and errors; an exporter's warning is the reason of its next error."""
        exporting = record.name.startswith(EXPORTERS)
        if exporting and record.levelno < logging.ERROR:  # it tries again
            self._first_try = record.getMessage()
        elif record.msg not in self._said:
            self._said.add(record.msg)
            reason = _reason(record)
            if exporting:
                log.error("spans are not sent", collector=self._collector, reason=self._first_try or reason)
            else:
                log.warning("tracing", reason=reason)

    def sent(self) -> None:
        """Told when spans were sent."""
        if self._said:
            log.info("spans are sent", collector=self._collector)
        self._said.clear()
        self._first_try = ""

    def install(self) -> None:
        """From now on takes what the SDK logs, which no longer reaches the root's handlers."""
        logger = logging.getLogger(SDK)
        logger.addHandler(self)
        logger.propagate = False

    def remove(self) -> None:
        """Undoes `install`; what the SDK logs reaches the root's handlers again, if no other `SdkLog` takes it."""
        logger = logging.getLogger(SDK)
        logger.removeHandler(self)
        logger.propagate = not logger.handlers


class Sender(SpanExporter):
    """The SDK's exporter, of which one can tell when it works again and which may be stopped twice."""

    def __init__(self, exporter: SpanExporter, sdk_log: SdkLog) -> None:
        self._exporter = exporter
        self._log = sdk_log
        self._stopped = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK in its own thread; tells the log of a success."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._log.sent()
        return result

    def shutdown(self) -> None:
        """Stops the exporter, the first time that it is called."""
        if not self._stopped:
            self._stopped = True
            self._exporter.shutdown()


def collector(environment: Mapping[str, str]) -> str:
    """The host and port of the collector; ModelError where its URL is none."""
    name = next(each for each in ENDPOINTS if environment.get(each, "").strip())
    try:
        url = urlsplit(environment[name].strip())
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ModelError(f"{name} is not the URL of a collector, such as http://collector:4317.")
    return url.netloc.rpartition("@")[2]


def exporter(environment: Mapping[str, str]) -> SpanExporter:
    """The SDK's exporter for the protocol that is asked for; the rest it reads from the environment itself."""
    name, protocol = next(((each, environment[each].strip()) for each in PROTOCOLS if environment.get(each)), ("", ""))
    match protocol:
        case "" | "grpc":
            from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc  # noqa: PLC0415

            return grpc.OTLPSpanExporter()
        case "http/protobuf":
            from opentelemetry.exporter.otlp.proto.http import trace_exporter as http  # noqa: PLC0415

            return http.OTLPSpanExporter()
    raise ModelError(f"{name} is {protocol!r}; use grpc or http/protobuf.")


def _reason(record: logging.LogRecord) -> str:
    if record.name == HEADERS:
        return "a header in OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value"
    kind = record.exc_info[0] if record.exc_info else None
    return f"{record.getMessage()} ({kind.__name__})" if kind else record.getMessage()
