"""What the endpoints hand to the data plane and get back: tensors, independent of any protocol."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from tabular_model.explain import Reasons

NUMERIC: dict[str, np.dtype[Any]] = {
    name: np.dtype(code).newbyteorder("<")
    for name, code in {
        "UINT8": "u1",
        "UINT16": "u2",
        "UINT32": "u4",
        "UINT64": "u8",
        "INT8": "i1",
        "INT16": "i2",
        "INT32": "i4",
        "INT64": "i8",
        "FP16": "f2",
        "FP32": "f4",
        "FP64": "f8",
    }.items()
}

# What a value of each datatype may be for it to be that number: within what the datatype holds, and of whole numbers
# below what float64, in which all are scored, holds one by one.
LIMITS: dict[str, tuple[float, float]] = {
    name: (float(info.min), float(info.max))
    for name, dtype in NUMERIC.items()
    if name != "FP64"
    for info in [np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)]
}
EXACT = 2.0**53 - 1
LIMITS |= {"INT64": (-EXACT, EXACT), "UINT64": (0.0, EXACT)}

FIXED_SIZE = NUMERIC | {"BOOL": np.dtype("?")}

OUTPUTS = ("probability", "decision", "reason_codes")
DEFAULT_OUTPUTS = OUTPUTS[:2]


class Tensor(msgspec.Struct):
    """One input. `values` are numbers, booleans or text, with None or NaN for missing, flat or one list per row."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Any


class InferRequest(msgspec.Struct, gc=False):
    """`outputs` are the names asked for; none means those that everyone gets."""

    id: str
    tensors: list[Tensor]
    outputs: tuple[str, ...]


class Output(msgspec.Struct, gc=False):
    """One output: an array, or for `reason_codes` a list of strings a row."""

    name: str
    datatype: str
    shape: list[int]
    values: Any


class InferResponse(msgspec.Struct, gc=False):
    """`reasons` are there where they were asked for."""

    id: str
    model_version: str
    outputs: list[Output]
    reasons: Reasons | None = None

    @property
    def standard_error(self) -> float | None:
        """That of the reasons' parts in log-odds, where those are estimates."""
        return self.reasons.standard_error if self.reasons else None


STANDARD_ERROR = "reason_standard_error"  # its name in an answer's parameters


def requested(names: Sequence[str], explain: bool) -> tuple[str, ...]:
    """The outputs to compute, from the names that a request lists and its `explain` parameter."""
    chosen = tuple(names) or DEFAULT_OUTPUTS
    return (*chosen, "reason_codes") if explain and "reason_codes" not in chosen else chosen
