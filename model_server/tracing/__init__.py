"""Traces of requests by OpenTelemetry, whose SDK is imported only where a collector is named."""

import os
from typing import TYPE_CHECKING

from tabular_model.errors import ModelError

if TYPE_CHECKING:
    from model_server.tracing.tracer import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def open_tracer() -> "Tracer | None":
    """None unless the environment names a collector."""
    if not any(os.environ.get(name, "").strip() for name in ENDPOINTS) or _off():
        return None
    try:
        from model_server.tracing.tracer import Tracer  # noqa: PLC0415 - only for who traces
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ModelError(
            "Tracing needs OpenTelemetry's SDK, which is not installed: install loan-model[tracing], "
            f"or unset {' and '.join(ENDPOINTS)}."
        ) from None
    return Tracer.opened()


def _off() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
