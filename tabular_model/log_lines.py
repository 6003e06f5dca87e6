"""The lines of JSON in files of logs: the audit lines, and what rollouts and judgements printed."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tabular_model.audit import Entry
from tabular_model.errors import DataError
from tabular_model.rollouts import Decision

T = TypeVar("T", bound=msgspec.Struct)

_AUDIT = ({"audit"}, "audit line")
_DECIDED = {"event", "release", "before", "after"}  # of the lines with an event there are others in logs
_JUDGEMENT = ({"event", "verdict"}, "judgement")


class Lines(msgspec.Struct, frozen=True):
    """Lines of JSON, each as it was written, and how many others were left out."""

    kept: tuple[bytes, ...]
    left_out: int


def audit_lines(paths: Iterable[Path], version: str) -> Lines:
    """The audit lines that name the version, of files of logs; DataError for a file without any audit line."""
    return _naming(version, _found(paths, *_AUDIT))


def judgements(paths: Iterable[Path], version: str) -> Lines:
    """What `loan rollout` and `loan judge --json` printed that names the version; DataError for a file of neither."""
    return _naming(version, _found(paths, *_JUDGEMENT))


def entries(paths: Iterable[Path]) -> list[Entry]:
    """All audit lines, oldest first; DataError for a file without any, or for a line that is not as they are."""
    return sorted(_decoded(_found(paths, *_AUDIT), Entry, {"audit"}), key=lambda each: each.when)


def decisions(paths: Iterable[Path]) -> list[Decision]:
    """What rollouts decided, oldest first; judgements decide nothing. DataError as of `entries`."""
    return sorted(_decoded(_found(paths, *_JUDGEMENT), Decision, _DECIDED), key=lambda each: each.at)


def _found(paths: Iterable[Path], keys: set[str], what: str) -> list[bytes]:
    found: list[bytes] = []
    for path in paths:
        lines = [line for line in _content(path).splitlines() if keys & _keys(line)]
        if not lines:
            raise DataError(
                f"{path} contains no {what}, which is a line of JSON with the key {' or '.join(sorted(keys))}."
            )
        found += lines
    return found


def _naming(version: str, found: list[bytes]) -> Lines:
    named = re.compile(rb"\b%s\b" % version.encode())
    about = tuple(line + b"\n" for line in found if named.search(line))
    return Lines(about, len(found) - len(about))


def _decoded(found: list[bytes], kind: type[T], keys: set[str]) -> list[T]:
    try:
        return [msgspec.json.decode(line, type=kind) for line in found if keys <= _keys(line)]
    except msgspec.DecodeError as error:
        raise DataError(f"A line of the logs with the key {min(keys)} cannot be read: {error}.") from None


def _keys(line: bytes) -> set[str]:
    try:
        return set(msgspec.json.decode(line, type=dict[str, Any]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return set()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
