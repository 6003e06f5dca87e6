"""The workers that serve now: a change of versions reaches all of them, and what they counted is added up."""

import os
import resource
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from model_server.counts import Counts, State, exposed
from model_server.errors import NotReady
from model_server.workers.channel import Channel, Gone

ANSWER_SECONDS = 5.0
LARGEST = ("process_start_time_seconds", "process_max_fds")


class Member:
    """One worker, and what it told when it was last asked."""

    def __init__(self, channel: Channel, pid: int) -> None:
        self.channel = channel
        self.pid = pid
        self.counts = Counts()
        self.state = State()


class Members(Collector):
    """Safe to use from many threads.

    What a worker counted stays counted when it is gone: a sum that falls would be taken for a restart, and all that is
    left of it for new.
    """

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._gone = Counts()
        self._changing = threading.Lock()
        self._counting = threading.Lock()
        self._exposed = CollectorRegistry()
        for collector in (self, _Processes(lambda: [member.pid for member in self._members])):
            self._exposed.register(collector)
        PlatformCollector(registry=self._exposed)

    def expose(self, other: Collector) -> None:
        """Exposes the metrics of another collector too, which are the same whichever worker is asked."""
        self._exposed.register(other)

    def join(self, channel: Channel, pid: int) -> None:
        """Takes in a worker, once it has loaded what the others have."""
        with self._changing:
            for member in list(self._members):
                with suppress(Gone):
                    choice = member.channel.call("choice", returns=msgspec.Raw).result()
                    channel.call("choose", choice, returns=None).result()
                    break
            self._members.append(Member(channel, pid))
        if channel.ended:  # before it was taken in, so that nobody said that it left
            self.leave(channel)

    def leave(self, channel: Channel) -> None:
        """Takes out the worker at the other end of `channel`, and keeps what it counted."""
        with self._counting:
            for member in [each for each in self._members if each.channel is channel]:
                self._members.remove(member)
                self._gone.add(member.counts)

    def load(self, version: str | None) -> str:
        """As `ModelRepository.load`, in every worker; the version that the first one loaded."""
        loaded: str = self._tell_all("load", version, returns=str)[0]
        return loaded

    def unload(self, version: str | None) -> None:
        """As `ModelRepository.unload`, in every worker."""
        self._tell_all("unload", version, returns=None)

    def refresh(self) -> None:
        """Lets all follow the registry at the same time."""
        with suppress(NotReady):
            self._tell_all("refresh", returns=None)

    def account(self) -> None:
        """Asks each what it has counted."""
        with self._counting:
            asked = [
                (member, member.channel.call("counts", returns=Counts), member.channel.call("state", returns=State))
                for member in self._members
            ]
            for member, counts, state in asked:
                with suppress(Gone, TimeoutError):  # then it is gone, or what it told last has to do
                    member.counts, member.state = counts.result(ANSWER_SECONDS), state.result(ANSWER_SECONDS)

    def exposition(self, openmetrics: bool = False) -> bytes:
        """The metrics of all workers together, as Prometheus reads them; asks each worker first."""
        self.account()
        return exposed(self._exposed, openmetrics)

    def collect(self) -> Iterator[Metric]:
        """The sums of the counts, and the worst of the states; called by prometheus_client for an exposition."""
        total = Counts()
        with self._counting:
            states = [member.state for member in self._members]
            for counts in (self._gone, *(member.counts for member in self._members)):
                total.add(counts)
        yield from total.families()
        yield from _worst(states).families()
        yield GaugeMetricFamily("loan_workers", "Worker processes that serve", value=len(states))

    def _tell_all(self, method: str, *arguments: object, returns: object) -> list[Any]:
        """What each gives; the first error, but none of those that are gone. NotReady when there is none to tell."""
        with self._changing:
            told = [member.channel.call(method, *arguments, returns=returns) for member in self._members]
            errors = [future.exception() for future in told]
            for error in errors:
                if error and not isinstance(error, Gone):
                    raise error
            results = [future.result() for future, error in zip(told, errors, strict=True) if not error]
            if not results:
                raise NotReady("No worker process of this server is ready; retry.")
            return results


def _worst(states: list[State]) -> State:
    models = {model for state in states for model in state.ready}
    return State(
        ready={model: all(state.ready.get(model, False) for state in states) for model in models},
        passed={model: all(state.passed.get(model, False) for state in states) for model in models},
        registry_reachable=all(state.registry_reachable for state in states),
    )


class _Processes(Collector):
    """What `process_...` says of one process, added up over these and their parent; CPU also of those that ended."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for pid in (os.getpid(), *self._pids()):
            for family in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                if family.name in families:
                    _add(families[family.name], family.samples[0].value)
                else:
                    families[family.name] = family
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        if cpu := families.get("process_cpu_seconds"):
            _add(cpu, ended.ru_utime + ended.ru_stime)
        return families.values()


def _add(family: Metric, value: float) -> None:
    sample = family.samples[0]
    family.samples[0] = sample._replace(
        value=max(sample.value, value) if sample.name in LARGEST else sample.value + value
    )
