"""How a rollout ends other than well. Each is one sentence for the person who reads it."""

import json
from typing import Any

from tabular_model.errors import ModelError


class Refused(ModelError):
    """Nothing was changed: the version is not fit, or somebody else is at it."""


class RolledBack(ModelError):
    """The version was worse; stable has all of the traffic again."""


class Stopped(ModelError):
    """The rollout stands where it is: interrupted, changed by somebody else, or with too little traffic to tell."""


class ClusterError(ModelError):
    """The cluster, helm or Prometheus did not do what was asked."""


def reason(error: Any) -> str:
    """What the Kubernetes API said of an ApiException, in its own words."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
