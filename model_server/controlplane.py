"""Changes of the model in use: load, unload, train and promote. Each writes an audit line."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from model_server.errors import Conflict, InvalidInput, NotFound, TrainingFailed
from model_server.settings import ServerSettings
from tabular_model.audit import audited, record
from tabular_model.errors import GateFailed, PromotionRefused, RegistryError, VersionNotFound
from tabular_model.registry import Promotion, Registry
from training_job.launch import (
    AlreadyRunning,
    Launcher,
    LaunchFailed,
    Outcome,
    ProcessLauncher,
    TrainingParameters,
)

WATCH_SECONDS = 1.0
STOP_SECONDS = 0.1


class PromotionRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which version is to be the champion and why; `force` promotes one that failed the gate."""

    version: str
    reason: str
    force: bool = False


def version_to_load(parameters: Mapping[str, Any]) -> str | None:
    """The version that a load request names, if any; InvalidInput where it would change it, as Triton's may."""
    strange = next((name for name in parameters if name == "config" or name.startswith("file")), None)
    if strange is not None:
        raise InvalidInput(
            f"The parameter '{strange}' would change a version, but versions are immutable; "
            "send only the version to load."
        )
    return named_version(parameters)


def named_version(parameters: Mapping[str, Any]) -> str | None:
    """The version that a request names, None where it names none."""
    version = parameters.get("version")
    if version is not None and not isinstance(version, str):
        raise InvalidInput(f"The parameter 'version' must be a string such as v1, not {version!r}.")
    return version


class Control(Protocol):
    """Knows no protocol of the network. `who` is the caller, whose right the endpoint has checked."""

    def load(self, who: str, version: str | None) -> str:
        """Loads a version and makes it the default, or follows the registry again; the version."""

    def unload(self, who: str, version: str | None) -> None:
        """Unloads one version, or all."""

    def promote(self, who: str, asked: PromotionRequest) -> Promotion:
        """Makes a version the registry's champion, by the caller's name, and serves it."""

    async def train(self, who: str, parameters: TrainingParameters, seconds: float) -> Outcome:
        """Starts a training and waits for it, but no longer than `seconds`.

        InvalidInput for data that was not configured by that name; Conflict while another training runs.
        """

    async def training(self, name: str, seconds: float = 0) -> Outcome:
        """The status of a training once it ends, or after `seconds`; NotFound, or TrainingFailed with its reason."""

    async def stop(self) -> None:
        """Called when the server stops."""


class Versions(Protocol):
    """Where versions are loaded: this process, or several."""

    def load(self, version: str | None) -> str:
        """Loads a version and makes it the default; None follows the registry again. The version."""

    def unload(self, version: str | None) -> None:
        """Unloads one version, or all for None."""

    def refresh(self) -> None:
        """Looks at once at which version the registry says is the default."""


class ControlPlane:
    """The control of one server, whether it is one process or several."""

    def __init__(self, registry: Registry, versions: Versions, launcher: Launcher) -> None:
        self._registry = registry
        self._versions = versions
        self._launcher = launcher
        self._watchers: set[asyncio.Task[None]] = set()

    def load(self, who: str, version: str | None) -> str:
        """As `Control`, with an audit line."""
        with audited("load", who=who, what=version or "the registry's default") as doing:
            doing.what = self._versions.load(version)
        return doing.what

    def unload(self, who: str, version: str | None) -> None:
        """As `Control`, with an audit line."""
        with audited("unload", who=who, what=version or "every version"):
            self._versions.unload(version)

    def promote(self, who: str, asked: PromotionRequest) -> Promotion:
        """As `Control`; NotFound for an unknown version, Conflict with the reason for any other rejection."""
        try:
            with audited("promote", who=who, what=asked.version, why=asked.reason):
                promotion = self._registry.promote(asked.version, by=who, reason=asked.reason, force=asked.force)
        except VersionNotFound as error:
            raise NotFound(str(error)) from None
        except GateFailed as error:
            raise Conflict(f"{error} Send `force: true` with a reason to promote it anyway.") from None
        except (PromotionRefused, RegistryError) as error:
            raise Conflict(str(error)) from None
        self._versions.refresh()
        return promotion

    async def train(self, who: str, parameters: TrainingParameters, seconds: float) -> Outcome:
        """As `Control`, with an audit line when it starts and one when it ends; TrainingFailed if it cannot start."""
        sources = self._launcher.sources
        if parameters.data is not UNSET and parameters.data not in sources:
            raise InvalidInput(
                f"Unknown data source '{parameters.data}': name one that the server was configured with, which are "
                f"{', '.join(sources) or 'none'}, or none for its default. Paths and URLs are not accepted."
            )
        try:
            name = await self._launcher.start(parameters)
        except AlreadyRunning as error:
            raise Conflict(str(error)) from None
        except LaunchFailed as error:
            record("train", who=who, what="a new version", result="failed", why=str(error))
            raise TrainingFailed(str(error)) from error
        record("train", who=who, what=f"training {name}", result="started")
        watcher = asyncio.create_task(self._watch(who, name))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return await self.training(name, seconds)

    async def training(self, name: str, seconds: float = 0) -> Outcome:
        """As `Control`; after a training that succeeded the registry is checked immediately."""
        try:
            outcome = await self._launcher.wait(name, seconds)
        except KeyError:
            raise NotFound(f"The training {name} was not found.") from None
        except LaunchFailed as error:
            raise TrainingFailed(str(error)) from error
        if outcome.state == "failed":
            raise TrainingFailed(f"Training failed: {outcome.error}")
        if outcome.state == "succeeded":
            await asyncio.to_thread(self._versions.refresh)
        return outcome

    async def stop(self) -> None:
        """Ends a training that runs in a child of this process, and records that; one elsewhere goes on."""
        await self._launcher.stop()
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=STOP_SECONDS)

    async def _watch(self, who: str, name: str) -> None:
        """Records how a training ended, also where nobody waits for it."""
        outcome = Outcome(name=name, state="running")
        while outcome.state == "running":
            try:
                outcome = await self._launcher.wait(name, WATCH_SECONDS)
            except KeyError:
                outcome = Outcome(name=name, state="failed", error="it was deleted")
            except LaunchFailed:  # the cluster may answer the next time
                await asyncio.sleep(WATCH_SECONDS)
        if outcome.state == "failed":
            record("train", who=who, what=f"training {name}", result="failed", why=outcome.error)
        else:
            gate = "passed" if outcome.passed else "failed"
            record("train", who=who, what=outcome.version, result="done", why=f"training {name}, gate {gate}")


def launcher(settings: ServerSettings) -> Launcher:
    """Where the settings say that trainings run."""
    if settings.train_cronjob:
        from training_job.job import JobLauncher  # noqa: PLC0415 - Kubernetes' client takes 0.2 s to import

        return JobLauncher(settings.train_cronjob, settings.train_namespace, settings.train_sources)
    return ProcessLauncher(settings.registry, settings.train_data, settings.train_sources)
