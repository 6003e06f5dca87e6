"""Which trace a request belongs to, by W3C Trace Context.

https://www.w3.org/TR/trace-context/
"""

import re
from typing import NamedTuple

SAMPLED = 0x01
KNOWN_FLAGS = 0x03  # sampled, and of level 2 that the trace id is random; others are not passed on
MEMBERS = 32  # of a tracestate

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(
    r"([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(NamedTuple):
    """A span and its trace; ids in lower-case hexadecimal."""

    trace_id: str
    span_id: str
    flags: int
    state: str = ""
    """The tracestate."""

    @classmethod
    def parse(cls, traceparent: str, tracestate: str = "") -> "TraceContext | None":
        """What a caller's headers say; None for a `traceparent` that is invalid, which is to be ignored."""
        match = _PARENT.fullmatch(traceparent)
        if match is None:
            return None
        version, trace_id, span_id, flags, more = match.groups()
        if version == "ff" or (version == "00" and more is not None):
            return None
        if not (trace_id.strip("0") and span_id.strip("0")):
            return None
        return cls(trace_id, span_id, int(flags, 16) & KNOWN_FLAGS, valid_state(tracestate))

    @property
    def sampled(self) -> bool:
        """Whether the span may have been recorded, by bit 0 of the flags."""
        return bool(self.flags & SAMPLED)

    @property
    def header(self) -> str:
        """The `traceparent` that passes it on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def valid_state(text: str) -> str:
    """A tracestate without its empty members; nothing of one that is invalid."""
    if not text:
        return ""
    members = [member for each in text.split(",") if (member := each.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    valid = len(keys) == len(members) <= MEMBERS and all(map(_MEMBER.fullmatch, members))
    return ",".join(members) if valid else ""
