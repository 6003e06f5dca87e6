"""What the cluster refuses or leaves unanswered: as a sentence, or waited out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tenacity
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from rollout.errors import ClusterError, reason

OUTAGE_SECONDS = 120  # how long a network that is gone is waited for

T = TypeVar("T")


@contextmanager
def cluster_errors() -> Iterator[None]:
    """What the Kubernetes API refuses, and that it cannot be reached, as a ClusterError."""
    try:
        yield
    except ApiException as error:
        raise ClusterError(f"The cluster rejected the request: {reason(error)}") from error
    except HTTPError as error:
        raise ClusterError(f"The cluster cannot be reached: {error}") from error


def patiently(ask: Callable[[], T]) -> T:
    """Asks again while the network or the cluster is gone, for a while."""
    answer: T = tenacity.Retrying(
        stop=tenacity.stop_after_delay(OUTAGE_SECONDS),
        wait=tenacity.wait_exponential(max=10),
        retry=tenacity.retry_if_exception(is_outage),
        reraise=True,
    )(ask)
    return answer


def is_outage(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, ApiException):
        return not error.status or bool(error.status >= 429)
    return isinstance(error, ClusterError | HTTPError)
