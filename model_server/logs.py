"""Logs: one line of JSON an event, or readable lines on a terminal; the libraries' own warnings among them."""

import logging
import sys

import structlog


def configure() -> None:
    """Sends the logs to stderr: the server's from INFO on, those of libraries from WARNING on."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("model_server").setLevel(logging.INFO)
    # It logs each caller's metadata that is no text, with a traceback.
    logging.getLogger("grpc._common").setLevel(logging.CRITICAL)
    # KServe sets up logging of its own unless its logger has a handler.
    logging.getLogger("kserve").addHandler(logging.NullHandler())
