"""`scorecard.json`: the table of points of a scorecard, for people and for systems that add points up themselves."""

import msgspec

FILE = "scorecard.json"


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One bin of a column: the training rows in it, how many of them are approved, its weight of evidence and points.

    The points are relative to those of average evidence, which are 0.
    """

    bin: str
    rows: int
    approved: int
    evidence: float
    points: float


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the card; an information value below 0.02 is no predictor, one above 0.5 is suspicious."""

    column: str
    information_value: float
    bins: tuple[Bin, ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The score is `start` and the points of each column's bin.

    `base_score` means odds of approval of `base_odds` to 1; each further `pdo` points double the odds. The servers
    compute with unrounded points.
    """

    pdo: float
    base_score: float
    base_odds: float
    start: float
    variables: tuple[Variable, ...]

    def encode(self) -> bytes:
        """UTF-8 JSON, indented by two spaces, its keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def decode(cls, content: bytes) -> "Card":
        """msgspec.DecodeError for other JSON than a card's; fields that it does not know are ignored."""
        return msgspec.json.decode(content, type=cls)
