"""The elements of a V2 tensor: an output's values one after the other, and text as the protocol packs it."""

from typing import Any

from model_server.errors import InvalidInput
from model_server.tensors import Output


def elements(output: Output) -> list[Any]:
    """The values of an output as one flat list."""
    if output.datatype == "BYTES":
        return [text for row in output.values for text in row]
    return list(output.values.tolist())


def length_prefixed(elements: list[bytes]) -> bytes:
    """BYTES elements as the protocol packs them: each behind its length in four little-endian bytes."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def texts(name: str, content: bytes) -> list[str]:
    """The BYTES elements of the input `name` that are packed so; InvalidInput where they are cut off or no UTF-8."""
    found = []
    at = 0
    while at < len(content):
        start = at + 4
        at = start + int.from_bytes(content[at:start], "little")
        if at > len(content):
            raise InvalidInput(
                f"Input '{name}' is truncated: an element ends {at - len(content)} bytes after its data."
            )
        found.append(text(name, content[start:at]))
    return found


def text(name: str, element: bytes) -> str:
    """One BYTES element of the input `name`; InvalidInput where it is no UTF-8."""
    try:
        return element.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"Input '{name}' contains {element[:40]!r}, which is not UTF-8 text.") from None
