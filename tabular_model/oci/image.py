"""A version as an image: one layer that holds its files in `models/`, as KServe looks for them.

A runtime mounts or runs it as any other image, and `oras pull` unpacks the layer as the folder `models`. The same
version gives the same bytes, and so the same digest.
"""

import io
import tarfile
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tabular_model import manifest as manifests
from tabular_model.errors import IntegrityError, RegistryError
from tabular_model.manifest import Manifest, sha256
from tabular_model.oci.client import DOCKER_LIST, INDEX, MANIFEST, Blob, Client
from tabular_model.oci.reference import Reference

FOLDER = "models"
TITLE = "org.opencontainers.image.title"
EMPTY = Blob(b"{}", "application/vnd.oci.empty.v1+json")
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# By these ORAS knows a layer that it is to unpack, and checks what comes out.
_UNPACK, _UNPACKED_DIGEST = "io.deis.oras.content.unpack", "io.deis.oras.content.digest"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Base(NamedTuple):
    """An image for one platform, under whose layers a version's can be laid: it brings the shell of a modelcar."""

    config: dict[str, Any]
    layers: tuple[dict[str, Any], ...]

    @classmethod
    def none(cls, platform: str) -> "Base":
        """No layers at all, for `platform`, such as linux/amd64."""
        system, _, architecture = platform.partition("/")
        return cls({"os": system, "architecture": architecture, "rootfs": {"diff_ids": []}}, ())

    @classmethod
    def read(cls, client: Client, image: Reference, platform: str) -> "Base":
        """RegistryError if there is no such image for the platform."""
        found = client.manifest(image.tag or "latest")
        if found and found.media_type in (INDEX, DOCKER_LIST):
            digests = {_platform(each): each["digest"] for each in msgspec.json.decode(found.content)["manifests"]}
            found = client.manifest(digests[platform]) if platform in digests else None
        if not found:
            raise RegistryError(f"There is no base image {image} for {platform}.")
        manifest = msgspec.json.decode(found.content)
        config = msgspec.json.decode(client.blob(manifest["config"]))
        if f"{config['os']}/{config['architecture']}" != platform:
            made_for = f"{config['os']}/{config['architecture']}"
            raise RegistryError(f"The base image {image} is for {made_for}, not {platform}.")
        return cls(config, tuple(_as_oci(layer) for layer in manifest["layers"]))


class Image(NamedTuple):
    """What is to be in the registry: the blobs, but for those of the base, and the manifest that names them."""

    layer: Blob
    config: Blob
    manifest: Blob

    @classmethod
    def of(cls, files: Mapping[str, bytes], manifest: Manifest, base: Base) -> "Image":
        """`files` are all of a version's, its manifest and signatures among them."""
        unpacked = _tar(files, manifest.created)
        layer = Blob(zlib.compress(unpacked, 9, wbits=31), _LAYER)
        digest = f"sha256:{sha256(unpacked)}"
        config = _json(
            _CONFIG,
            {
                "created": manifest.created,
                "os": base.config["os"],
                "architecture": base.config["architecture"],
                # A modelcar is started by its arguments, which an entrypoint would take for its own.
                "config": {"Env": (base.config.get("config") or {}).get("Env") or []},
                "rootfs": {"type": "layers", "diff_ids": [*base.config["rootfs"]["diff_ids"], digest]},
            },
        )
        described = layer.descriptor(annotations={TITLE: FOLDER, _UNPACK: "true", _UNPACKED_DIGEST: digest})
        annotations = {
            "org.opencontainers.image.created": f"{manifest.created:%Y-%m-%dT%H:%M:%SZ}",
            TITLE: manifest.model,
            "org.opencontainers.image.version": manifest.version,
            "loan-model.manifest.sha256": sha256(files[manifests.FILE]),
        }
        if isinstance(manifest.signer, str):
            annotations["loan-model.signer"] = manifest.signer
        return cls(layer, config, artifact(config, [*base.layers, described], annotations=annotations))


def artifact(config: Blob, layers: list[dict[str, Any]], **more: Any) -> Blob:
    """The manifest of an image, or of another artifact."""
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": layers, **more}
    return _json(MANIFEST, document)


def layers(manifest: Blob, where: str) -> dict[str, dict[str, Any]]:
    """The descriptors of the layers that have a title, by it; IntegrityError if this is no image's manifest."""
    try:
        described = msgspec.json.decode(manifest.content)["layers"]
        return {title: each for each in described if (title := (each.get("annotations") or {}).get(TITLE))}
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{where} is not an image of one platform: {type(error).__name__}.") from None


def unpack(layer: bytes, where: str) -> dict[str, bytes]:
    """The files of a version by their names; IntegrityError if it is not a layer of this form."""
    try:
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as tar:
            return {
                member.name.removeprefix(f"{FOLDER}/"): file.read()
                for member in tar
                if (file := tar.extractfile(member))
            }
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise IntegrityError(f"{where} cannot be unpacked: {error}.") from None


def _tar(files: Mapping[str, bytes], made: datetime) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in [("", None), *sorted(files.items())]:
            member = tarfile.TarInfo(f"{FOLDER}/{name}".rstrip("/"))
            member.mtime = int(made.timestamp())
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            else:
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
        end = tar.offset + 2 * tarfile.BLOCKSIZE
    # Without the zeros behind the end, which ORAS does not read and so does not count in the digest.
    return packed.getvalue()[:end]


def _platform(described: dict[str, Any]) -> str:
    platform = described.get("platform") or {}
    return f"{platform.get('os')}/{platform.get('architecture')}"


def _as_oci(layer: dict[str, Any]) -> dict[str, Any]:
    """Docker's layers are the same bytes by another name."""
    named = {name: layer[name] for name in ("mediaType", "digest", "size")}
    return named | ({"mediaType": _LAYER} if named["mediaType"] == _DOCKER_LAYER else {})


def _json(media_type: str, document: dict[str, Any]) -> Blob:
    return Blob(msgspec.json.encode(document), media_type)
