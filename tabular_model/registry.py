"""The registry: immutable, numbered versions, and which of them is the champion.

A version is published completely or not at all. Its number is claimed by creating `claims/v7.json`, which only one
training can; then its files are written, then its signatures if there are keys, and `v7/manifest.json` last. A folder
without a manifest is not a version, and a training that is killed wastes only its number. A promotion is
`promotions/000003.json`, created the same way; the last one counts.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import UNSET

from tabular_model import manifest as manifests
from tabular_model.errors import (
    GateFailed,
    IntegrityError,
    PromotionRefused,
    RegistryEmpty,
    RegistryError,
    VersionNotFound,
)
from tabular_model.manifest import Manifest, sha256
from tabular_model.storage import Storage, open_storage
from tabular_model.verdict import Verdict

if TYPE_CHECKING:
    from tabular_model.bundle import Bundler
    from tabular_model.signing import Signer, Trust

_NUMBERED = re.compile(r"v([1-9]\d*)(?:\.json)?")
_PROMOTION = re.compile(r"(\d{6})\.json")


class Artifact(NamedTuple):
    """A version with its files, each checked against the manifest."""

    manifest: Manifest
    files: dict[str, bytes]


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a version the champion, when and why; `forced` over a gate that it failed."""

    version: str
    by: str
    reason: str
    forced: bool
    at: datetime


class Registry:
    """Versions under one root; a root that is itself one version's folder holds just that version.

    With `trust`, a version that none of its keys has signed is an IntegrityError, as a changed one always is.
    """

    def __init__(self, storage: Storage, trust: "Trust | None" = None) -> None:
        self._storage = storage
        self._trust = trust
        self.url = storage.url
        self._seen: set[int] = set()
        self._passed: dict[str, bool] = {}
        self._single = self._single_version()

    @classmethod
    def open(cls, root: str | Path, *, create: bool = False, verify_key: Path | None = None) -> "Registry":
        """A folder, or a bucket's or repository's URL; RegistryError if missing, unless `create` makes the folder.

        `verify_key` is a file of the public keys whose versions are accepted; KeyUnusable if it is not one.
        """
        trust = None
        if verify_key:
            from tabular_model.signing import Trust  # noqa: PLC0415 - who checks no signature loads no cryptography

            trust = Trust.read(verify_key)
        return cls(open_storage(str(root), create), trust)

    @property
    def keeps_promotions(self) -> bool:
        """Whether promotions would be found here; in the folder of one version they are not."""
        return self._single is None

    def versions(self) -> list[str]:
        """The published versions, oldest first."""
        # A server may wait in the folder of a version that is being published.
        self._single = self._single or self._single_version()
        if self._single:
            return [self._single]
        return [f"v{number}" for number in sorted(_numbers(self._storage.names())) if self._is_published(number)]

    def latest(self) -> str | None:
        """The version with the highest number, whatever its gate said; None if nothing is published."""
        versions = self.versions()
        return versions[-1] if versions else None

    def champion(self) -> str | None:
        """The version promoted last; None if none ever was; IntegrityError if that promotion cannot be read."""
        numbers = self._promotion_numbers()
        return self._promotion(numbers[-1]).version if numbers else None

    def default(self) -> str:
        """The champion, else the latest that passed the gate, else the latest; RegistryEmpty when there is none."""
        if champion := self.champion():
            return champion
        versions = self.versions()
        if not versions:
            raise RegistryEmpty(f"The registry {self.url} has no version yet.")
        return next(filter(self.passed, reversed(versions)), versions[-1])

    def passed(self, version: str) -> bool:
        """Whether a version passed the gate; one that is not as it was published has not."""
        # A version never changes, so that its verdict is read once.
        if version not in self._passed:
            try:
                self._passed[version] = self.verdict(version).passed
            except IntegrityError:
                return False
        return self._passed[version]

    def verdict(self, version: str) -> Verdict:
        """The gate's verdict on a version; IntegrityError if it was changed."""
        return Verdict.from_metrics(self.read(version, "metrics.json"))

    def manifest(self, version: str) -> Manifest:
        """VersionNotFound if absent; IntegrityError if it is changed, another version's, or not signed as required."""
        folder = self._folder(version)
        try:
            content = self._storage.read(folder + manifests.FILE)
        except FileNotFoundError:
            raise self._not_found(version) from None
        manifest = Manifest.decode(content, folder + manifests.FILE)
        if manifest.version != version:
            raise IntegrityError(f"{folder}{manifests.FILE} is the manifest of {manifest.version}, not of {version}.")
        if self._trust:
            self._trust.check(manifest.signer, content, self._signature(folder), version, "versions")
        return manifest

    def read(self, version: str, name: str) -> bytes:
        """One file of a version; IntegrityError if it is not what the manifest says."""
        return self._checked(self.manifest(version), name)

    def load(self, version: str) -> Artifact:
        """All files of a version; IntegrityError names the first that is not what the manifest says."""
        manifest = self.manifest(version)
        return Artifact(manifest, {name: self._checked(manifest, name) for name in manifest.files})

    def export(self, version: str) -> Artifact:
        """As `load`, and with the manifest and the signatures among the files, as they are to be copied elsewhere."""
        manifest, files = self.load(version)
        folder = self._folder(version)
        for name in (manifests.FILE, manifests.SIGNATURE, manifests.BUNDLE):
            with suppress(FileNotFoundError):
                files[name] = self._storage.read(folder + name)
        return Artifact(manifest, files)

    def publish(
        self,
        files: Mapping[str, bytes],
        describe: Callable[[str, dict[str, str]], Manifest],
        signer: "Signer | None" = None,
        bundler: "Bundler | None" = None,
    ) -> Manifest:
        """Publishes `files` as the next version; `describe` gives the manifest for a version and its sha256s.

        KeyUnusable if this registry would not trust what `signer` signs.
        """
        if self._trust:
            self._trust.check_signer(signer)
        version = self._claim()
        for name, content in files.items():
            self._create(f"{version}/{name}", content)
        manifest = describe(version, {name: sha256(content) for name, content in files.items()})
        sealed = msgspec.structs.replace(manifest, signer=signer.fingerprint if signer else UNSET).encode()
        signatures = {manifests.SIGNATURE: signer.sign(sealed)} if signer else {}
        if bundler:
            signatures[manifests.BUNDLE] = bundler.sign({**files, **signatures, manifests.FILE: sealed}, version)
        for name, content in signatures.items():
            self._create(f"{version}/{name}", content)
        self._create(f"{version}/{manifests.FILE}", sealed)
        return Manifest.decode(sealed, manifests.FILE)

    def add_bundle(self, version: str, bundle: bytes) -> None:
        """Puts the signature for other tools beside a version's own; RegistryError if there is one already."""
        self._create(f"{self._folder(version)}{manifests.BUNDLE}", bundle)

    def find_run(self, run: str) -> Manifest | None:
        """What the training `run` has published, so that a retried one need not publish again.

        A version whose manifest was changed is ignored, because it must not stop other trainings.
        """
        for version in reversed(self.versions()):
            with suppress(IntegrityError):
                manifest = self.manifest(version)
                if manifest.run == run:
                    return manifest
        return None

    def promote(self, version: str, *, by: str, reason: str, force: bool = False) -> Promotion:
        """Makes a version the champion; PromotionRefused without a reason, GateFailed if it failed, unless forced."""
        if not reason.strip():
            raise PromotionRefused(
                f"{version} cannot be promoted without a reason, which is recorded with the promotion."
            )
        verdict = self.verdict(version)
        if not verdict.passed and not force:
            raise GateFailed(f"{version} failed the gate: {'; '.join(verdict.reasons)}.")
        promotion = Promotion(version=version, by=by, reason=reason, forced=not verdict.passed, at=datetime.now(UTC))
        number = max(self._promotion_numbers(), default=0) + 1
        while not self._storage.create(f"promotions/{number:06}.json", msgspec.json.encode(promotion)):
            number += 1
        return promotion

    def promotions(self) -> list[Promotion]:
        """All promotions, oldest first."""
        return [self._promotion(number) for number in self._promotion_numbers()]

    def _promotion_numbers(self) -> list[int]:
        found = (_PROMOTION.fullmatch(name) for name in self._storage.names("promotions"))
        return sorted(int(match[1]) for match in found if match)

    def _promotion(self, number: int) -> Promotion:
        name = f"promotions/{number:06}.json"
        try:
            return msgspec.json.decode(self._storage.read(name), type=Promotion)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(f"{name} in the registry {self.url} is not a promotion: {error}.") from error

    def _is_published(self, number: int) -> bool:
        # A version never changes, so that what was seen once need not be asked for again.
        if number not in self._seen and self._storage.exists(f"v{number}/{manifests.FILE}"):
            self._seen.add(number)
        return number in self._seen

    def _claim(self) -> str:
        number = max(self._taken(), default=0)
        while True:
            number += 1
            claim = msgspec.json.encode({"version": f"v{number}", "at": datetime.now(UTC)})
            if self._storage.create(f"claims/v{number}.json", claim):
                return f"v{number}"

    def _taken(self) -> set[int]:
        claimed = _numbers(self._storage.names("claims"))
        # A folder that is empty waits for its version: a cluster makes it to mount it.
        unclaimed = _numbers(self._storage.names()) - claimed
        return claimed | {number for number in unclaimed if self._storage.names(f"v{number}")}

    def _create(self, name: str, content: bytes) -> None:
        # A write whose answer was lost is tried again by the store's client, and finds what it wrote itself.
        if not self._storage.create(name, content) and self._storage.read(name) != content:
            raise RegistryError(f"{name} is already in the registry {self.url}; versions are never changed.")

    def _signature(self, folder: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return self._storage.read(folder + manifests.SIGNATURE)
        return None

    def _checked(self, manifest: Manifest, name: str) -> bytes:
        where = self._folder(manifest.version) + name
        try:
            content = self._storage.read(where)
        except FileNotFoundError:
            raise IntegrityError(f"{where} is missing from the registry {self.url}.") from None
        manifest.check(name, content, f"{manifest.version}/{name}")
        return content

    def _folder(self, version: str) -> str:
        if not re.fullmatch(r"v[1-9]\d*", version):
            raise self._not_found(version)
        return "" if version == self._single else f"{version}/"

    def _single_version(self) -> str | None:
        """The version whose folder the root is, as when KServe mounts one; None for a registry."""
        try:
            return Manifest.decode(self._storage.read(manifests.FILE), manifests.FILE).version
        except FileNotFoundError:
            return None

    def _not_found(self, version: str) -> VersionNotFound:
        return VersionNotFound(
            f"The registry {self.url} has no version {version}; it has {', '.join(self.versions()) or 'none'}."
        )


def _numbers(names: Iterable[str]) -> set[int]:
    return {int(match[1]) for name in names if (match := _NUMBERED.fullmatch(name))}
