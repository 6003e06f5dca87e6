"""How a rollout ends other than well. Each is one sentence for the person who reads it."""

from loan_model.errors import LoanError


class Refused(LoanError):
    """Nothing was changed: the version is not fit, or somebody else is at it."""


class RolledBack(LoanError):
    """The version was worse; stable has all of the traffic again."""


class Stopped(LoanError):
    """The rollout stands where it is: interrupted, changed by somebody else, or with too little traffic to tell."""


class ClusterError(LoanError):
    """The cluster, helm or Prometheus did not do what was asked."""
