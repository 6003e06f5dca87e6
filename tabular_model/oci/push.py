"""Puts a version into a container registry."""

from collections.abc import Mapping

from tabular_model.errors import RegistryError
from tabular_model.manifest import Manifest
from tabular_model.oci.client import Client
from tabular_model.oci.image import Base, Image
from tabular_model.oci.reference import Reference


def push(
    files: Mapping[str, bytes], manifest: Manifest, target: Reference, base: Reference | None, platform: str
) -> str:
    """The digest of the image, whose tag is the version's name; `files` are all of the version's.

    RegistryError if that tag is another image already: versions are never changed.
    """
    if target.tag not in ("", manifest.version):
        raise RegistryError(f"The tag of {manifest.version} is its name, and {target} has another.")
    where, client = target._replace(tag=manifest.version), Client(target)
    source = Client(base) if base else client
    under = Base.read(source, base, platform) if base else Base.none(platform)
    image = Image.of(files, manifest, under)
    there = client.manifest(manifest.version)
    if there and there.digest != image.manifest.digest:
        raise RegistryError(
            f"{where} is there already, and has other content ({there.digest}): versions are never changed. What was "
            "pushed before it was signed, or on another base, goes to another repository."
        )
    if not there:
        for layer in under.layers:
            if not client.has_blob(layer["digest"]):
                client.put_blob(source.blob(layer))
        client.put_blob(image.layer.content)
        client.put_blob(image.config.content)
        client.put_manifest(manifest.version, image.manifest)
    return image.manifest.digest
