"""Whether a version may replace another: its files are complete, it accepts the same requests, its gate passed."""

import msgspec

from tabular_model.compatibility import Difference, Holds, differences
from tabular_model.errors import PromotionRefused
from tabular_model.registry import Registry
from tabular_model.schema import Schema
from tabular_model.verdict import Verdict

LATEST = "latest"
SETTING = "LOAN_EXTRA_INPUTS=ignore"


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that may be rolled out, the current champion, and the differences in the requests that it accepts."""

    version: str
    champion: str | None
    differences: tuple[Difference, ...] = ()


def check_candidate(registry: Registry, version: str, against: str, ignoring: bool = False) -> Candidate:
    """`version`, or the latest, checked file by file.

    `ignoring` says that callers send the columns of both versions and servers ignore those that a version
    does not have. IntegrityError if a file was changed; PromotionRefused if a request for `against` would be
    rejected, or the gate failed.
    """
    if version == LATEST:
        version = registry.latest() or LATEST
    artifact = registry.load(version)
    theirs = registry.manifest(against)
    found = differences(Schema(theirs.schema), Schema(artifact.manifest.schema))
    if theirs.id and theirs.id != artifact.manifest.id:
        found = (*found, Difference(theirs.id, "no longer names an application", Holds.IGNORING))
    broken = [each for each in found if each.holds is not Holds.ALWAYS]
    if any(each.holds is Holds.NEVER for each in broken) or (broken and not ignoring):
        said = "; ".join(f"{each.column} {each.what}" for each in broken)
        # The message says so only if it would help.
        how = (
            ""
            if any(each.holds is Holds.NEVER for each in broken)
            else f"; it can be rolled out {Holds.IGNORING.value}: {SETTING}"
        )
        raise PromotionRefused(
            f"The schema of {version} differs from that of {against}: {said}; callers would have to change{how}."
        )
    verdict = Verdict.from_metrics(artifact.files["metrics.json"])
    if not verdict.passed:
        raise PromotionRefused(f"{version} failed the gate: {'; '.join(verdict.reasons)}.")
    return Candidate(version, registry.champion(), found)
