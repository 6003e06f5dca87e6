"""How a rollout can fail. Each message is one sentence for the user."""

import json
from typing import Any

from tabular_model.errors import ModelError


class Refused(ModelError):
    """Nothing was changed: the version cannot be rolled out, or another rollout is running."""


class RolledBack(ModelError):
    """The version was worse; stable has all of the traffic again."""


class Stopped(ModelError):
    """The rollout stopped at a step: interrupted, changed by somebody else, or with too little traffic to judge."""


class ClusterError(ModelError):
    """The cluster, helm or Prometheus failed."""


def reason(error: Any) -> str:
    """What the Kubernetes API said of an ApiException, in its own words."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
