"""What a worker knows of its group: one control plane, and one account of what all have counted."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from model_server.controlplane import PromotionRequest
from model_server.metrics import Metrics
from model_server.repository import ModelRepository
from model_server.workers.channel import Channel
from tabular_model.registry import Promotion
from training_job.launch import Outcome, TrainingParameters


class Membership:
    """The group's control, as if it were this process's own; `end` is of the channel to the group."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def join(self, repository: ModelRepository, metrics: Metrics) -> None:
        """Lets the group change what is loaded here, and returns once it is as in the other workers."""
        methods: dict[str, Callable[..., Any]] = {
            "load": repository.load,
            "unload": repository.unload,
            "refresh": repository.refresh,
            "choice": repository.choice,
            "choose": repository.choose,
            "counts": metrics.counts,
            "state": lambda: metrics.state,
        }
        self._channel = Channel(self._end, methods, _leave)
        self._channel.call("join", returns=None).result()

    def serving(self) -> None:
        """Tells the group that this process answers at the ports."""
        self._channel.call("serving", returns=None)

    def load(self, who: str, version: str | None) -> str:
        """The group's `ControlPlane.load`, for every worker."""
        answer: str = self._channel.call("load", who, version, returns=str).result()
        return answer

    def unload(self, who: str, version: str | None) -> None:
        """The group's `ControlPlane.unload`, for every worker."""
        self._channel.call("unload", who, version, returns=None).result()

    def promote(self, who: str, asked: PromotionRequest) -> Promotion:
        """The group's `ControlPlane.promote`."""
        answer: Promotion = self._channel.call("promote", who, asked, returns=Promotion).result()
        return answer

    async def train(self, who: str, parameters: TrainingParameters, seconds: float) -> Outcome:
        """The group's `ControlPlane.train`: one training at a time, whichever worker was asked."""
        answer: Outcome = await asyncio.wrap_future(
            self._channel.call("train", who, parameters, seconds, returns=Outcome)
        )
        return answer

    async def training(self, name: str, seconds: float = 0) -> Outcome:
        """The group's `ControlPlane.training`."""
        answer: Outcome = await asyncio.wrap_future(self._channel.call("training", name, seconds, returns=Outcome))
        return answer

    async def stop(self) -> None:
        """The group ends what it began."""

    def exposition(self, openmetrics: bool = False) -> bytes:
        """The metrics of all workers together, as Prometheus reads them."""
        answer: bytes = self._channel.call("exposition", openmetrics, returns=bytes).result()
        return answer


def _leave() -> None:
    """Without its group a worker would be one that nobody can load, promote or stop."""
    os.kill(os.getpid(), signal.SIGTERM)
