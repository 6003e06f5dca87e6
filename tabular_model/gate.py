"""The gate: the reasons against making a version the champion."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabular_model.comparison import Comparison
from tabular_model.evaluate import CrossValidation
from tabular_model.explain.checks import NOISE, ReasonChecks
from tabular_model.metrics import CHANCE, Estimate, Quality, bootstrap, discrimination
from tabular_model.proxies import Proxy
from tabular_model.verdict import Verdict

SLOPE = (0.75, 1.33)  # calibration slopes that may pass
MOST_DECIDED_OTHERWISE = 1e-4  # share of the test rows that a model compiled in float32 may decide differently
RAISED = 0.9  # share of first reasons whose repair must raise the score
STABLE = 0.9  # share of first reasons that must stay the same under noise
INTERCEPT = (-0.25, 0.25)  # calibration intercepts that may pass, in log-odds

Floats = NDArray[np.float64]


class Champion(msgspec.Struct, frozen=True):
    """The champion on the same holdout: its AUC, and the new version's AUC less that, on the same resamples.

    Rows of this holdout may have been among the champion's training rows, which flatters the champion.
    """

    version: str
    auc: Estimate
    difference: Estimate

    @classmethod
    def compare(
        cls, version: str, target: NDArray[np.int64], score: Floats, champion_score: Floats, seed: int
    ) -> "Champion":
        """From probabilities [n] of the same rows as `target` [n]; `seed` is that of the bootstrap's resamples."""

        def aucs(weights: Floats) -> Floats:
            new, _ = discrimination(target, score, weights)
            old, _ = discrimination(target, champion_score, weights)
            return np.column_stack([old, new - old])

        return cls(version, *bootstrap(aucs, len(target), seed))


def judge(
    holdout: Quality,
    cross_validation: CrossValidation,
    compiled: Comparison,
    champion: Champion | None,
    leaks: Mapping[str, float] = MappingProxyType({}),
    reasons: ReasonChecks | None = None,
    proxies: Mapping[str, Sequence[Proxy]] = MappingProxyType({}),
    proxy_limits: Mapping[str, float] = MappingProxyType({}),
) -> Verdict:
    """The verdict, with one sentence for each reason against the version.

    `leaks` are columns that alone predict the target, with their AUC; `proxy_limits` are the AUCs by which the features
    may predict the groups of protected columns.
    """
    against = [
        *map(_leak, leaks.items()),
        *_chance("the holdout", holdout.auc),
        *_chance("cross-validation", cross_validation.pooled_auc),
        *_worse(champion),
        *_miscalibrated("slope", holdout.calibration_slope, SLOPE, ideal=1),
        *_miscalibrated("intercept", holdout.calibration_intercept, INTERCEPT, ideal=0),
        *_unlike(compiled),
        *(_unfounded(reasons) if reasons else ()),
        *_predicted(proxies, proxy_limits),
    ]
    return Verdict(passed=not against, reasons=tuple(against))


def _leak(found: tuple[str, float]) -> str:
    column, area = found
    return (
        f"{column} alone predicts the target: its AUC on the holdout is {area:.3f}. It is a leak unless it is known "
        f"before the decision; to leave it out, list it under `ignored` in the model's declaration."
    )


def _chance(where: str, auc: Estimate) -> list[str]:
    if auc.is_above(CHANCE):
        return []
    return [f"The model is no better than chance: its AUC on {where} is {_shown(auc)}, not above 0.5."]


def _worse(champion: Champion | None) -> list[str]:
    if champion is None or champion.difference.high is None or champion.difference.high >= 0:
        return []
    return [
        f"It is worse than the champion {champion.version} on the same holdout: "
        f"AUC differs by {_shown(champion.difference)}."
    ]


def _miscalibrated(what: str, estimate: Estimate, bounds: tuple[float, float], ideal: float) -> list[str]:
    """Badly calibrated is outside the bounds by more than chance: an interval that holds the ideal passes."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None or low is None or high is None:
        return [f"It is badly calibrated: the holdout does not determine the calibration {what}."]
    if bounds[0] <= value <= bounds[1] or low <= ideal <= high:
        return []
    return [
        f"It is badly calibrated: the calibration {what} on the holdout is {_shown(estimate)}, "
        f"outside {bounds[0]:g} to {bounds[1]:g}."
    ]


def _unlike(compiled: Comparison) -> list[str]:
    if compiled.arithmetic == "float32":
        if compiled.decided_otherwise <= MOST_DECIDED_OTHERWISE * compiled.rows:
            return []
        return [
            f"The compiled model, which computes in float32, decides {compiled.decided_otherwise} of {compiled.rows} "
            f"test rows differently from the pipeline; at most {MOST_DECIDED_OTHERWISE:.2%} may differ."
        ]
    if compiled.largest_difference <= compiled.tolerance:
        return []
    return [f"The compiled model differs from the original: probabilities differ by {compiled.largest_difference:g}."]


def _unfounded(checks: ReasonChecks) -> Iterator[str]:
    """Too few rows tell nothing, and neither does a share that is below the limit by chance."""
    if not checks.enough:
        return
    for found, limit, what in (
        (checks.raised, RAISED, "the score rises when the first reason is repaired"),
        (checks.same_first, STABLE, f"the first reason stays the same under noise of {NOISE:g} standard deviations"),
    ):
        if found.high is not None and found.high < limit:
            yield (
                f"Its reasons do not hold: in a share of {_shown(found)} of {checks.rows} rejected rows next to the "
                f"threshold {what}; it must be {limit:g} or more."
            )


def _predicted(proxies: Mapping[str, Sequence[Proxy]], limits: Mapping[str, float]) -> Iterator[str]:
    for column, limit in limits.items():
        for each in proxies.get(column, ()):
            if each.together.is_above(limit):
                yield (
                    f"Its columns stand for {column}: together they predict the group {each.group} with an AUC of "
                    f"{_shown(each.together)}, above the proxy_limit of {limit:g}."
                )


def _shown(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "undetermined"
    return f"{estimate.value:.3f} (95 % interval {estimate.low:.3f} to {estimate.high:.3f})"
