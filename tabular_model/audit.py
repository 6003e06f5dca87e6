"""The audit trail: who changed which model decides, or tried to, one line of JSON each.

The lines go to stderr, where a cluster collects them with the logs; the key `audit` tells them apart.
"""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import structlog

from tabular_model.errors import ModelError, PromotionRefused

Action = Literal["train", "load", "unload", "promote", "push", "rollout", "sign", "expire"]
Result = Literal["started", "done", "refused", "failed"]
LONGEST = 500  # characters of one field, some of which a caller chooses


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one line says; `what` is the version, training or release that was acted on, `why` the reason or error.

    `request_id` and `trace_id` are those of the request that caused it, if one did.
    """

    audit: Action
    who: str
    what: str
    when: Annotated[datetime, msgspec.Meta(tz=True)] = msgspec.field(default_factory=lambda: datetime.now(UTC))
    result: Result
    why: str = ""
    request_id: str = ""
    trace_id: str = ""


def record(action: Action, *, who: str, what: str, result: Result, why: str = "") -> None:
    """Writes one line, whole even where several processes share stderr."""
    asked = structlog.contextvars.get_contextvars()
    entry = Entry(
        audit=action,
        who=who[:LONGEST],
        what=what[:LONGEST],
        result=result,
        why=why[:LONGEST],
        request_id=str(asked.get("request_id", ""))[:LONGEST],
        trace_id=str(asked.get("trace_id", "")),
    )
    line = msgspec.json.encode(entry)
    sys.stderr.write(line.decode() + "\n")
    sys.stderr.flush()


class Doing:
    """What is being done; the block may make it more precise once it knows."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why


@contextmanager
def audited(action: Action, *, who: str, what: str, why: str = "") -> Iterator[Doing]:
    """Records `done` when the block ends; when it raises, `failed`, or `refused` by the gate, with the sentence."""
    doing = Doing(what, why)
    try:
        yield doing
    except ModelError as error:
        result: Result = "refused" if isinstance(error, PromotionRefused) else "failed"
        record(action, who=who, what=doing.what, result=result, why=str(error))
        raise
    except Exception as error:
        record(action, who=who, what=doing.what, result="failed", why=type(error).__name__)
        raise
    record(action, who=who, what=doing.what, result="done", why=doing.why)


def operator() -> str:
    """Who runs this process, by name where the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
