"""Tokens and rights by Kubernetes: TokenReview identifies the caller, SubjectAccessReview authorizes it.

A right is a verb on the InferenceService, so that a Role grants it: `predict`, `train`, `load` or `promote` on
`inferenceservices` of `serving.kserve.io`. A token is made for this server's audience, and is of no use elsewhere.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from threading import BoundedSemaphore, Lock
from typing import Any

import httpx2
import msgspec
import structlog
from lightkube import Client, ConfigError
from lightkube.models.authentication_v1 import TokenReviewSpec
from lightkube.models.authorization_v1 import ResourceAttributes, SubjectAccessReviewSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.authentication_v1 import TokenReview
from lightkube.resources.authorization_v1 import LocalSubjectAccessReview

from model_server.access import Decision, Right
from model_server.errors import NotReady
from training_job.job import connect

log = structlog.get_logger(__name__)

REMEMBERED = 4096  # decisions; who sends ever new tokens makes the oldest be forgotten
AT_ONCE = 4  # questions, so that who sends ever new tokens holds up neither the cluster nor predictions
TIMEOUT_SECONDS = 3.0


class ClusterAuthorizer:
    """Asks the cluster, and caches the decision for `seconds`."""

    def __init__(
        self,
        service: str,
        namespace: str,
        audience: str,
        seconds: float,
        client: Client | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client or connect(TIMEOUT_SECONDS)
        self._service = service
        self._namespace = namespace
        self._audience = audience
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._asking = BoundedSemaphore(AT_ONCE)
        self._decisions: OrderedDict[tuple[bytes, Right], tuple[Decision, float]] = OrderedDict()

    def recall(self, token: str, right: Right) -> Decision | None:
        """The decision that is remembered; None for an unknown token, or once `seconds` have passed."""
        decision, until = self._decisions.get(_key(token, right), (None, 0.0))
        return decision if self._clock() < until else None

    def decide(self, token: str, right: Right) -> Decision:
        """The cluster's decision; NotReady without an answer, or when too many tokens wait for one."""
        if not self._asking.acquire(timeout=TIMEOUT_SECONDS):
            raise NotReady("Too many new tokens are waiting to be checked; try again in a moment.")
        try:
            decision = self._ask(token, right)
        except (httpx2.HTTPError, msgspec.MsgspecError, ConfigError) as error:
            log.error("the cluster cannot check a token", error=f"{type(error).__name__}: {error}")
            raise NotReady("The cluster cannot check the token; the server's log has the cause.") from None
        finally:
            self._asking.release()
        with self._lock:
            self._decisions[_key(token, right)] = decision, self._clock() + self._seconds
            while len(self._decisions) > REMEMBERED:
                self._decisions.popitem(last=False)
        return decision

    def advice(self, right: Right) -> str:
        """Which Role grants the right, and which command makes a token."""
        return (
            f"a Role with the verb {right} on inferenceservices/{self._service} in the namespace {self._namespace} "
            f"grants the right, and `kubectl create token NAME --audience {self._audience}` issues a token"
        )

    def _ask(self, token: str, right: Right) -> Decision:
        asked = TokenReview(spec=TokenReviewSpec(token=token, audiences=[self._audience]))
        review: Any = self._client.create(asked).status
        if not review.authenticated or self._audience not in (review.audiences or []):
            return Decision("", allowed=False)
        user = review.user
        attributes = ResourceAttributes(
            group="serving.kserve.io",
            resource="inferenceservices",
            name=self._service,
            namespace=self._namespace,
            verb=right.value,
        )
        access: Any = self._client.create(
            LocalSubjectAccessReview(
                metadata=ObjectMeta(namespace=self._namespace),
                spec=SubjectAccessReviewSpec(
                    user=user.username,
                    uid=user.uid,
                    groups=user.groups,
                    extra=user.extra,
                    resourceAttributes=attributes,
                ),
            )
        ).status
        return Decision(user.username, bool(access.allowed))


def _key(token: str, right: Right) -> tuple[bytes, Right]:
    return sha256(token.encode()).digest(), right
