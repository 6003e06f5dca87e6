"""The gate's verdict on a version, and reading it back from the version's metrics."""

import msgspec

from tabular_model.errors import IntegrityError


class Verdict(msgspec.Struct, frozen=True):
    """Whether a version may become the champion, and the reasons against it, one sentence each."""

    passed: bool
    reasons: tuple[str, ...] = ()

    @classmethod
    def from_metrics(cls, content: bytes) -> "Verdict":
        """The verdict in the bytes of `metrics.json`; IntegrityError if there is none."""
        try:
            return msgspec.json.decode(content, type=_Judged).verdict
        except msgspec.DecodeError as error:
            raise IntegrityError(f"metrics.json contains no verdict of the gate: {error}.") from error


class _Judged(msgspec.Struct):
    verdict: Verdict
