"""Whether a version may take the place of another: its files are whole, its schema is the same, its gate passed."""

import msgspec

from loan_model.errors import PromotionRefused
from loan_model.registry import Registry
from loan_model.verdict import Verdict

LATEST = "latest"


class Candidate(msgspec.Struct, frozen=True):
    """A version that is fit, and the champion of now."""

    version: str
    champion: str | None


def check_candidate(registry: Registry, version: str, against: str) -> Candidate:
    """`version`, or the latest, checked file by file.

    IntegrityError if a file was changed; PromotionRefused if the schema is not that of `against`, or the gate failed.
    """
    if version == LATEST:
        version = registry.latest() or LATEST
    artifact = registry.load(version)
    theirs = registry.manifest(against)
    if artifact.manifest.schema != theirs.schema:
        differing = set(artifact.manifest.schema) ^ set(theirs.schema)
        changed = f": {', '.join(sorted({column.name for column in differing}))}" if differing else ""
        raise PromotionRefused(f"{version} has another schema than {against}{changed}; callers would have to change.")
    verdict = Verdict.from_metrics(artifact.files["metrics.json"])
    if not verdict.passed:
        raise PromotionRefused(f"{version} failed the gate: {'; '.join(verdict.reasons)}.")
    return Candidate(version, registry.champion())
