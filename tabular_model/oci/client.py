"""What is asked of a container registry, by OCI's distribution API 1.1."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

import httpx2
import msgspec

from tabular_model.errors import IntegrityError, RegistryError
from tabular_model.oci.credentials import Auth, credentials
from tabular_model.oci.reference import Reference

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_ACCEPTED = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))


class Blob(NamedTuple):
    """Bytes and what they are."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """As in a descriptor."""
        return f"sha256:{sha256(self.content).hexdigest()}"

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """What a manifest says of them."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content), **more}


class Client:
    """One repository. Every failure but a missing manifest is a RegistryError."""

    def __init__(self, reference: Reference) -> None:
        self._where = str(reference._replace(tag=""))
        self._http = httpx2.Client(
            base_url=f"{'http' if reference.local else 'https'}://{reference.host}/v2/{reference.repository}/",
            auth=Auth(credentials(reference.host)),
            follow_redirects=True,
            timeout=30,
        )

    def tags(self) -> list[str]:
        """All tags; none where there is no such repository yet."""
        found: list[str] = []
        url: httpx2.URL | str | None = "tags/list"
        while url:
            response = self._ask("GET", url, missing=True)
            if response is None:
                break
            found += response.json().get("tags") or []
            following = response.links.get("next", {}).get("url")
            url = response.url.join(following) if following else None
        return found

    def exists(self, tag: str) -> bool:
        """Whether there is a manifest with that tag."""
        return self._ask("HEAD", f"manifests/{tag}", missing=True, headers={"Accept": _ACCEPTED}) is not None

    def manifest(self, tag: str) -> Blob | None:
        """The manifest of a tag or a digest; None if there is none."""
        response = self._ask("GET", f"manifests/{tag}", missing=True, headers={"Accept": _ACCEPTED})
        return None if response is None else Blob(response.content, response.headers.get("Content-Type", ""))

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """IntegrityError if the content is not what the descriptor says."""
        response = self._ask("GET", f"blobs/{descriptor['digest']}")
        assert response  # noqa: S101 - only where it may be missing is it None
        if Blob(response.content, "").digest != descriptor["digest"]:
            raise IntegrityError(f"{self._where} answers with another content than {descriptor['digest']}.")
        return response.content

    def has_blob(self, digest: str) -> bool:
        """Whether the repository holds it."""
        return self._ask("HEAD", f"blobs/{digest}", missing=True) is not None

    def put_blob(self, content: bytes) -> None:
        """Uploads it unless it is there."""
        digest = Blob(content, "").digest
        if self.has_blob(digest):
            return
        begun = self._ask("POST", "blobs/uploads/")
        assert begun  # noqa: S101
        place = begun.url.join(begun.headers["Location"]).copy_add_param("digest", digest)
        self._ask("PUT", place, content=content, headers={"Content-Type": "application/octet-stream"})

    def put_manifest(self, tag: str, manifest: Blob) -> None:
        """Makes `tag` name this manifest, whose blobs are there."""
        self._ask("PUT", f"manifests/{tag}", content=manifest.content, headers={"Content-Type": manifest.media_type})

    def _ask(self, method: str, url: httpx2.URL | str, *, missing: bool = False, **more: Any) -> httpx2.Response | None:
        with self._reaching():
            response = self._http.request(method, url, **more)
            if missing and response.status_code == 404:
                return None
            if response.status_code >= 300:
                raise RegistryError(f"The registry {self._where} cannot be used: {_reason(response)}.")
            return response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError) as error:
            raise RegistryError(f"The registry {self._where} cannot be used: {str(error).rstrip('.')}.") from None


def _reason(response: httpx2.Response) -> str:
    """The registry's own words, and the status."""
    try:
        said = msgspec.json.decode(response.content)["errors"][0]
        words = said.get("message") or said["code"]
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        words = response.reason_phrase
    return f"{words.rstrip('.')} ({response.status_code})"
