"""The tensor by which a caller names the rows of a request, where the declaration names a column of ids."""

from typing import Any

from model_server.errors import InvalidInput
from model_server.readers import TEXTUAL, elements
from model_server.tensors import EXACT, Tensor

LONGEST = 200  # characters


def take(tensors: list[Tensor], name: str) -> Tensor | None:
    """Removes the tensor of ids from the others; InvalidInput if it was sent twice."""
    found = [tensor for tensor in tensors if tensor.name == name]
    if len(found) > 1:
        raise InvalidInput(f"Input '{name}' was sent twice; send it once.")
    if found:
        tensors[:] = [tensor for tensor in tensors if tensor.name != name]
        return found[0]
    return None


def texts(tensor: Tensor, rows: int) -> list[str]:
    """An id for each row, empty where it is missing; InvalidInput for what is neither text nor a whole number."""
    if list(tensor.shape) not in ([rows], [rows, 1]):
        raise InvalidInput(f"Input '{tensor.name}' has shape {list(tensor.shape)}; send an id for each row, [{rows}].")
    return [_text(tensor.name, row, value) for row, value in enumerate(elements(tensor, rows, TEXTUAL))]


def _text(name: str, row: int, value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, str) and len(value) <= LONGEST:
        return value
    if not isinstance(value, str | bool) and abs(value) <= EXACT and value == int(value):
        return str(int(value))
    shown = repr(value)[:40]
    raise InvalidInput(
        f"Input '{name}', row {row}: {shown} is not an id; send text of up to {LONGEST} characters, or an integer of "
        f"up to {EXACT:.0f}."
    )
