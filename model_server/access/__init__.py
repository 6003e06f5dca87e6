"""Who may do what: four rights, required by the endpoints and authorized in one place."""

import asyncio
from enum import StrEnum
from typing import NamedTuple, Protocol

from model_server.errors import Forbidden, Unauthenticated
from tabular_model.audit import Action, record

ANYONE = "anyone"


class Right(StrEnum):
    """The rights of callers: to predict, to train a version, to choose what is in memory, to set the champion."""

    predict = "predict"
    train = "train"
    load = "load"
    promote = "promote"


_ACTIONS: dict[Right, Action] = {Right.train: "train", Right.load: "load", Right.promote: "promote"}


class Decision(NamedTuple):
    """Whose token it is, empty for a token that nobody has, and whether that caller has the right."""

    caller: str
    allowed: bool


class Authorizer(Protocol):
    """Knows tokens and their rights. Never keeps, logs or shows a token."""

    def recall(self, token: str, right: Right) -> Decision | None:
        """The decision if it is known without asking another system, else None: then call `decide`."""

    def decide(self, token: str, right: Right) -> Decision:
        """May wait for another system; NotReady when that gives no answer."""

    def advice(self, right: Right) -> str:
        """How a caller can get the right, as the end of a sentence."""


class Access:
    """Lets a caller through or says why not; `open_to_anyone` are the rights that need no token."""

    def __init__(self, authorizer: Authorizer, open_to_anyone: frozenset[Right]) -> None:
        self._authorizer = authorizer
        self._open = open_to_anyone

    def guards(self, right: Right) -> bool:
        """Whether the right needs a token."""
        return right not in self._open

    async def admit(self, right: Right, authorization: str | None, endpoint: str) -> str:
        """The caller's name; Unauthenticated or Forbidden, and an audit line but for predictions.

        `authorization` is the header of that name, if any; `endpoint` is what was asked for, for that line. Waits for
        another system in a thread.
        """
        if right in self._open:
            return ANYONE
        token = _token(authorization)
        decision = self._authorizer.recall(token, right) if token else None
        if token and decision is None:
            decision = await asyncio.to_thread(self._authorizer.decide, token, right)
        return self._admit(right, decision, endpoint)

    def _admit(self, right: Right, decision: Decision | None, endpoint: str) -> str:
        if decision and decision.allowed:
            return decision.caller
        caller = decision.caller if decision else ""
        if right in _ACTIONS:
            record(_ACTIONS[right], who=caller or "unknown", what=endpoint, result="refused")
        advice = self._authorizer.advice(right)
        if caller:
            raise Forbidden(f"{caller} does not have the right to {right}; {advice}.")
        if decision:
            raise Unauthenticated(f"The token is unknown or was revoked; {advice}.")
        raise Unauthenticated(
            f"{right} requires a token: send it in the header `authorization: Bearer TOKEN`; {advice}."
        )


def _token(authorization: str | None) -> str:
    """The bearer token in a header; empty if there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
