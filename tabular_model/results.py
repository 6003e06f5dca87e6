"""`metrics.json`: everything that was measured of a version, and the verdict."""

import msgspec

from tabular_model.comparison import Comparison
from tabular_model.evaluate import Bin, CrossValidation, Decisions, Period, Segment, Threshold
from tabular_model.explain.checks import ReasonChecks
from tabular_model.explain.withheld import Withheld
from tabular_model.gate import Champion
from tabular_model.metrics import Quality
from tabular_model.proxies import Proxy
from tabular_model.search import Search
from tabular_model.tradeoffs import Tradeoff
from tabular_model.verdict import Verdict

FILE = "metrics.json"


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """`cross_validation` is by algorithm tried, `segments` by protected column, `importance` by column,
    `periods` are of a holdout out of time, `proxies` by protected column that was not trained on; earlier versions have
    no `tradeoffs`, `proxies` and `reasons`, and only versions trained on columns that are never given as reasons have
    `withheld`.

    `notes` are what was dropped from the data and what in it looked odd.
    """

    verdict: Verdict
    threshold: Threshold
    holdout: Quality
    decisions: Decisions
    reliability: list[Bin]
    segments: dict[str, list[Segment]]
    tradeoffs: list[Tradeoff] = []
    periods: list[Period] = []
    importance: dict[str, float]
    cross_validation: dict[str, CrossValidation]
    search: Search | None = None
    proxies: dict[str, list[Proxy]] = {}
    reasons: ReasonChecks | None = None
    withheld: Withheld | None = None
    champion: Champion | None
    compiled: Comparison
    notes: tuple[str, ...]

    def encode(self) -> bytes:
        """UTF-8 JSON, indented by two spaces, its keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def decode(cls, content: bytes) -> "Results":
        """msgspec.DecodeError for other JSON; what earlier versions lack may be absent, unknown fields are ignored."""
        return msgspec.json.decode(content, type=cls)
