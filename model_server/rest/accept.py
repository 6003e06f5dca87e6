"""What a caller accepts, by the weights of an Accept header (RFC 9110, 12.4.2)."""


def weight(header: bytes, kind: bytes) -> float:
    """How much a kind is wanted, 0 to 1: by its own weight, else that of `*`; one that is no number counts as 0."""
    weights: dict[bytes, float] = {}
    for part in header.lower().split(b","):
        named, *parameters = (each.strip() for each in part.split(b";"))
        weights[named] = max(weights.get(named, 0.0), _weight(parameters))
    return weights.get(kind, weights.get(b"*", 0.0))


def _weight(parameters: list[bytes]) -> float:
    for each in parameters:
        name, _, value = each.partition(b"=")
        if name.strip() == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
