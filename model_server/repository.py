"""The versions that this server has in memory, and which of them is the default."""

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

import msgspec
import structlog

from model_server.descriptions import Description, IndexEntry
from model_server.errors import NotFound, NotReady
from model_server.metrics import Metrics
from model_server.settings import ServerSettings
from model_server.signature import Signature
from tabular_model.errors import IntegrityError, ModelError, RegistryError, VersionNotFound
from tabular_model.manifest import Manifest
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tabular_model.verdict import Verdict

log = structlog.get_logger(__name__)

UNNAMED = "loan"  # what a model is called while there is no version that says it


class Served(NamedTuple):
    """A loaded version and the checks of its own schema."""

    model: TabularModel
    signature: Signature


class Choice(msgspec.Struct):
    """Which version is the default, whether that follows the registry, and which are not to be loaded."""

    default: str | None
    follows: bool
    unloaded: set[str]


class ModelRepository:
    """Loads versions on first use, drops the least recently used, follows the registry's champion.

    `trouble` is why the registry cannot be used, empty while it can. What is loaded is served all the same; a version
    that is not is refused at once, until the registry is back.

    A request holds the `Served` that it was given, so that a version is swapped or dropped without failing it.
    """

    def __init__(self, registry: Registry, settings: ServerSettings, metrics: Metrics) -> None:
        self.name = settings.model_name or UNNAMED
        self._registry = registry
        self._settings = settings
        self._metrics = metrics
        self._lock = threading.RLock()
        self._loaded: OrderedDict[str, Served] = OrderedDict()
        self._unloaded: set[str] = set()
        self._known: dict[str, tuple[Manifest, Verdict]] = {}
        self._default: Served | None = None
        self._follows = True
        self._stop = threading.Event()
        self.trouble = ""
        self._set_default(None)
        self._reached("")

    @property
    def ready(self) -> bool:
        """Whether there is a default version in memory."""
        return self._default is not None

    def loaded(self, version: str | None) -> Served | None:
        """The version asked for, or the default, if it is in memory."""
        if version is None:
            return self._default
        served = self._loaded.get(version)
        if served is not None:
            with suppress(KeyError):  # dropped by another thread since; this request still has it
                self._loaded.move_to_end(version)
        return served

    def get(self, version: str | None) -> Served:
        """The version asked for, or the default, loaded if need be. NotFound says which versions there are."""
        served = self.loaded(version)
        if served is not None:
            return served
        if version is None:
            raise NotReady(f"Model '{self.name}' is not loaded: {self._without_default()}")
        return self._load_for_request(version)

    def _without_default(self) -> str:
        """Why there is no default version."""
        if self._follows:
            return "no version of it is ready in the registry."
        return "its default version was unloaded; load one, or request another version by name."

    def load(self, version: str | None) -> str:
        """Loads a version and makes it the default; without one, goes back to following the registry."""
        if version is None:
            version = self._registry_default()
            self._follows = True
        else:
            self._follows = False
        with self._lock:
            self._unloaded.discard(version)
            self._set_default(self._load(version))
        return version

    def unload(self, version: str | None) -> None:
        """Unloads one version, or all of them; it stays unloaded until it is loaded by name."""
        with self._lock:
            if version is not None and version not in self.versions():
                raise NotFound(self._absent(version))
            for each in [version] if version else list(self._loaded):
                self._loaded.pop(each, None)
                self._unloaded.add(each)
            if self._default and (version in (None, self._default.model.version)):
                self._follows = False
                self._set_default(None)

    def index(self) -> list[IndexEntry]:
        """Every version, the oldest first; only those in memory while the registry cannot be reached."""
        return [self._entry(version) for version in self.versions()]

    def described(self) -> list[Description]:
        """Every version, the newest first, as people look at them; NotReady while the registry cannot be read."""
        try:
            champion = self._registry.champion()
            return [self._described(version, champion) for version in reversed(self.versions())]
        except RegistryError as error:
            raise NotReady(str(error)) from error

    def report(self, version: str) -> bytes:
        """The version's report, as HTML; NotFound, or NotReady while the registry cannot be read."""
        try:
            return self._registry.read(version, "report.html")
        except VersionNotFound:
            raise NotFound(self._absent(version)) from None
        except RegistryError as error:
            raise NotReady(str(error)) from error

    def versions(self) -> list[str]:
        """The registry's versions; those in memory while the registry cannot be reached."""
        try:
            return self._registry.versions()
        except RegistryError as error:
            self._reached(str(error))
            return sorted(self._loaded)

    def refresh(self) -> None:
        """Follows the registry once: loads the champion, else the latest, and makes it the default."""
        try:
            version = self._registry.default()
            self._reached("")
            if self._follows and (self._default is None or self._default.model.version != version):
                self.load(None)
                self._say(version)
        except VersionNotFound as error:
            # Versions are never taken away: where they were and are not, the folder is gone.
            self._reached(str(error) if self._loaded else "")
            log.warning("the registry cannot be read", error=str(error))
        except ModelError as error:
            self._reached(str(error))
            log.warning("the registry cannot be read", error=str(error))

    def open(self) -> None:
        """Loads the version that the settings name, or raises why not; without one, that which the registry names."""
        if self._settings.version:
            self.load(self._settings.version)
        else:
            self.refresh()

    def follow(self) -> None:
        """Looks at the registry until `stop`, for the metrics also where the default is fixed."""
        threading.Thread(target=self._follow, name="registry", daemon=True).start()

    def choice(self) -> Choice:
        """What a worker that joins the group has to load, to be as this one."""
        with self._lock:
            return Choice(self._default and self._default.model.version, self._follows, set(self._unloaded))

    def choose(self, choice: Choice) -> None:
        """Becomes as another repository is; raises as `load` does."""
        with self._lock:
            self._follows = choice.follows
            self._unloaded = set(choice.unloaded)
            self._set_default(self._load(choice.default) if choice.default else None)

    def stop(self) -> None:
        """Ends the thread that `follow` started."""
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.wait(self._settings.refresh_seconds):
            self.refresh()

    def _load_for_request(self, version: str) -> Served:
        """Refuses requests for what is not loaded at once while the registry is gone."""
        if self.trouble:
            raise NotReady(
                f"Version {version} of model '{self.name}' is not loaded, and cannot be loaded: {self.trouble}"
            )
        return self._load(version)

    def _load(self, version: str) -> Served:
        with self._lock:
            if version in self._loaded:
                return self._loaded[version]
            if version in self._unloaded:
                raise NotReady(f"Version {version} of model '{self.name}' was unloaded; load it again to use it.")
            try:
                model = TabularModel.from_registry(self._registry, version, self._settings.model_threads)
            except VersionNotFound:
                raise NotFound(self._absent(version)) from None
            except IntegrityError as error:
                raise NotReady(f"Version {version} of model '{self.name}' was rejected: {error}") from error
            except RegistryError as error:
                raise NotReady(f"Version {version} of model '{self.name}' cannot be loaded: {error}") from error
            settings = self._settings
            ignores_extra = settings.extra_inputs == "ignore"
            named = model.manifest.id or ""
            signature = Signature(model.columns, settings.max_rows, settings.refuse_out_of_range, ignores_extra, named)
            self._loaded[version] = Served(model, signature)
            log.info("version loaded", version=version)
            self._drop_least_used()
            return self._loaded[version]

    def _drop_least_used(self) -> None:
        for version in list(self._loaded)[:-1]:
            if len(self._loaded) <= self._settings.max_loaded_versions:
                return
            if self._default is None or self._default.model.version != version:
                del self._loaded[version]

    def _registry_default(self) -> str:
        try:
            return self._registry.default()
        except (VersionNotFound, RegistryError) as error:
            raise NotReady(str(error)) from error

    def _reached(self, trouble: str) -> None:
        self.trouble = trouble
        self._metrics.state.registry_reachable = not trouble

    def _set_default(self, served: Served | None) -> None:
        self._default = served
        if served and not self._settings.model_name:
            self._metrics.state.ready.pop(self.name, None)
            self.name = served.model.manifest.model
        self._metrics.state.ready[self.name] = served is not None
        if served:
            with suppress(RegistryError):  # what is loaded is served though the registry is gone
                self._metrics.state.passed[self.name] = self._registry.passed(served.model.version)

    def _entry(self, version: str) -> IndexEntry:
        failed = "" if self._passed(version) else "failed the gate"
        if version in self._loaded:
            return IndexEntry(version, "READY", failed)
        reason = "unloaded" if version in self._unloaded else "loaded on first use"
        return IndexEntry(version, "UNAVAILABLE", f"{reason}; {failed}" if failed else reason)

    def _described(self, version: str, champion: str | None) -> Description:
        if version not in self._known:  # which never changes
            self._known[version] = self._registry.manifest(version), self._registry.verdict(version)
        manifest, verdict = self._known[version]
        return Description(
            version=version,
            created=manifest.created,
            algorithm=manifest.algorithm,
            passed=verdict.passed,
            reasons=verdict.reasons,
            state=self._entry(version).state,
            default=self._default is not None and self._default.model.version == version,
            champion=version == champion,
        )

    def _passed(self, version: str) -> bool:
        try:
            return self._registry.passed(version)
        except RegistryError:
            return True  # not known while the registry is gone

    def _say(self, version: str) -> None:
        if self._passed(version):
            log.info("default version", version=version)
        else:
            log.warning("the default version failed the gate; no version has passed it", version=version)

    def _absent(self, version: str) -> str:
        return f"Model '{self.name}' has no version {version}; it has {', '.join(self.versions()) or 'none'}."
