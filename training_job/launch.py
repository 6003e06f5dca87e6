"""Starting a training from elsewhere: as a child process here, as a Job on a cluster."""

import asyncio
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tabular_model.parameters import AUTO, OWN, parse

SEEDS = 2**32 - 1  # the largest that numpy takes


class TrainingParameters(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What a caller may choose; the launcher has a default for everything else.

    `data` names one of its sources; `parameters` are the algorithm's, by scikit-learn's names; `search` is how many
    settings of the others to try.
    """

    algorithm: Literal["auto", "logistic", "gradient_boosting", "scorecard", "pipeline"] | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=0, le=SEEDS)] | UnsetType = UNSET
    search: Annotated[int, Meta(ge=0, le=1000)] = 0
    use_protected: tuple[str, ...] = ()
    data: str | UnsetType = UNSET
    parameters: dict[str, bool | int | float | str | None] = {}

    @classmethod
    def of(cls, asked: dict[str, Any]) -> "TrainingParameters":
        """From a request, in which the algorithm's parameters are beside the others.

        msgspec.ValidationError, or ModelError for a parameter or value that the algorithm does not have.
        """
        own = {name: value for name, value in asked.items() if name in cls.__struct_fields__}
        named = {name: value for name, value in asked.items() if name not in own}
        found = msgspec.convert(own | {"parameters": {**own.get("parameters", {}), **named}}, cls)
        if found.algorithm != OWN:  # whose parameters only its code knows
            parse(AUTO if found.algorithm is UNSET else found.algorithm, found.parameters)
        return found


class Outcome(msgspec.Struct, kw_only=True, frozen=True):
    """The status of a training: running, or ended with a version and its verdict, or with an error's sentence.

    A running training that has not started yet `waits` for what this says, in the cluster's words.
    """

    name: str
    state: Literal["running", "succeeded", "failed"]
    version: str = ""
    passed: bool = False
    reasons: tuple[str, ...] = ()
    error: str = ""
    waits: str = ""


class AlreadyRunning(Exception):
    """One training at a time; the message names the one that runs."""


class LaunchFailed(Exception):
    """A training could not be started, or its status not be read; the message says why."""


class Launcher(Protocol):
    """Starts trainings outside the server's own process, one at a time."""

    sources: Mapping[str, str]
    """The path or URL of each data source, by the name that a caller gives; its own choice has none."""

    async def start(self, parameters: TrainingParameters) -> str:
        """Starts a training and names it; AlreadyRunning while another one runs."""

    async def wait(self, name: str, seconds: float) -> Outcome:
        """The status of the training once it ends, or after `seconds`; KeyError for an unknown name."""

    async def stop(self) -> None:
        """Called when the server stops."""


class Result(msgspec.Struct):
    """The last line that `loan train --json` prints."""

    version: str
    passed: bool
    reasons: tuple[str, ...]


class ProcessLauncher:
    """Trains in a child process, so that the server goes on answering."""

    def __init__(self, registry: str, data: Path, sources: Mapping[str, str]) -> None:
        self._registry = registry
        self._data = data
        self.sources = sources
        self._runs: dict[str, asyncio.Task[Outcome]] = {}

    async def start(self, parameters: TrainingParameters) -> str:
        """The name is 12 hexadecimal digits; AlreadyRunning while a training that this launcher started runs."""
        for name, run in self._runs.items():
            if not run.done():
                raise AlreadyRunning(f"Training {name} is running; its status is at /train/{name}.")
        name = uuid.uuid4().hex[:12]
        self._runs[name] = asyncio.create_task(self._run(name, parameters))
        return name

    async def wait(self, name: str, seconds: float) -> Outcome:
        """KeyError for a name that this launcher did not give; a training that `stop` ended counts as failed."""
        run = self._runs[name]
        await asyncio.wait([run], timeout=seconds)
        if run.cancelled():
            return Outcome(name=name, state="failed", error="the server stopped before the training ended")
        return run.result() if run.done() else Outcome(name=name, state="running")

    async def stop(self) -> None:
        """Ends a training that still runs; nothing is published after that."""
        for run in self._runs.values():
            run.cancel()
        await asyncio.gather(*self._runs.values(), return_exceptions=True)

    async def _run(self, name: str, parameters: TrainingParameters) -> Outcome:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loan_cli", "train", "--json", "--run", name),
            *("--registry", self._registry, "--data", str(self._data)),
            *arguments(parameters, self.sources),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            raise
        if process.returncode:
            return Outcome(name=name, state="failed", error=last_line(errors).removeprefix("error: "))
        return succeeded(name, last_line(output))


def arguments(parameters: TrainingParameters, sources: Mapping[str, str]) -> list[str]:
    """The parameters as options of `loan train`; the last of two that are the same counts."""
    options = [] if parameters.algorithm is UNSET else [f"--algorithm={parameters.algorithm}"]
    options += [] if parameters.data is UNSET else [f"--data={sources[parameters.data]}"]
    options += [f"--search={parameters.search}"] if parameters.search else []
    options += [] if parameters.seed is UNSET else [f"--seed={parameters.seed}"]
    options += [f"--set={name}={msgspec.json.encode(value).decode()}" for name, value in parameters.parameters.items()]
    return options + [f"--use-protected={column}" for column in parameters.use_protected]


def succeeded(name: str, line: str) -> Outcome:
    """The outcome of a training whose last line is `line`; msgspec.DecodeError if that is not a Result in JSON."""
    result = msgspec.json.decode(line, type=Result)
    return Outcome(name=name, state="succeeded", version=result.version, passed=result.passed, reasons=result.reasons)


def last_line(output: bytes) -> str:
    """Bytes that are not UTF-8 are replaced; empty output gives a sentence that says so."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without any output"
