"""Thresholds of a judgement without a rollout: the chart's, or a release's, then a values file's, then single ones."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from rollout.errors import Refused
from rollout.values import Judgement

# A link to the chart's own file, which the wheel holds as a file: no default is written twice.
CHART_VALUES = Path(__file__).with_name("chart_values.yaml")
_NAMES = [field.encode_name for field in msgspec.structs.fields(Judgement)]


def thresholds(release: Judgement | None, file: Path | None, chosen: Iterable[str]) -> Judgement:
    """The later ones win. `chosen` are pairs such as `minRequests=100`; Refused where a name or a number is wrong."""
    found: dict[str, Any] = msgspec.to_builtins(release) if release else _judgement(CHART_VALUES)
    if file:
        found |= _judgement(file)
    found |= pairs(chosen, "--set")
    if unknown := [name for name in found if name not in _NAMES]:
        raise Refused(f"Unknown threshold {unknown[0]}; the thresholds are {', '.join(_NAMES)}.")
    try:
        limits = msgspec.convert(found, Judgement, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(f"A threshold cannot be used: {error}.") from error
    return _checked(limits)


def pairs(words: Iterable[str], option: str) -> dict[str, str]:
    """Words such as `namespace=lending` as a map; Refused, naming the option, where one is not such a pair."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise Refused(f"{option} must be NAME=VALUE, not {word!r}.")
        found[name] = value
    return found


def _judgement(file: Path) -> dict[str, Any]:
    """What a values file says below `rollout.judgement`; empty where it says nothing of it."""
    try:
        found: Any = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise Refused(f"The values file {file} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise Refused(f"The values file {file} is not YAML: {str(error).splitlines()[0]}.") from error
    for name in ("rollout", "judgement"):
        found = {} if found is None else found
        if not isinstance(found, dict):
            break
        found = found.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(f"The values file {file} has no map of thresholds below rollout.judgement.")
    return found


def _checked(limits: Judgement) -> Judgement:
    """Refused where a number would let everything pass or nothing, as the chart's schema refuses it too."""
    for name, value in msgspec.to_builtins(limits).items():
        if not (math.isfinite(value) and value >= 0):
            raise Refused(f"The threshold {name} is {value}; it must be a number of at least 0.")
    if limits.min_requests < 1:
        raise Refused("The threshold minRequests is 0; it takes a number from 1.")
    if not 0 < limits.significance < 1:
        raise Refused(f"The threshold significance is {limits.significance:g}; it must be between 0 and 1.")
    return limits
