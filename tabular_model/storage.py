"""Where a registry lives: a folder, a bucket or a container registry, behind one interface."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from tabular_model.errors import RegistryError, RegistryNotFound

SCHEMES = ("s3://", "gs://", "az://")
OCI = "oci://"

_NOT_CONNECTED = {
    "InvalidCertificate": "its certificate is not trusted; SSL_CERT_FILE names a file of private authorities",
    "ProxyAuthRequired": "the proxy asks for a user and a password",
    "TunnelUnsuccessful": "the proxy does not lead there",
}


class Storage(Protocol):
    """Named objects under one root. Every failure but a missing or an existing object is a RegistryError."""

    url: str

    def names(self, folder: str = "") -> set[str]:
        """What is directly in `folder`."""

    def exists(self, name: str) -> bool:
        """Asks without reading the object."""

    def read(self, name: str) -> bytes:
        """FileNotFoundError when there is no such object."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes the object whole unless it is there already; says whether it wrote."""


def open_storage(url: str, create: bool) -> Storage:
    """RegistryError if there is nothing at `url`, a folder, bucket or repository, unless `create` makes the folder."""
    if url.startswith(OCI):
        from tabular_model.oci.storage import OciStorage  # noqa: PLC0415 - it needs what servers do not have

        return OciStorage(url)
    return Objects(url, create)


class Objects:
    """Objects in a folder or a bucket; `what` is what a message calls them."""

    def __init__(self, url: str, create: bool, what: str = "registry") -> None:
        self.url = without_secrets(url)
        self._what = what
        self._store = _open(url, create, what)

    def names(self, folder: str = "") -> set[str]:
        """What is directly in `folder`; a disk's own lost+found, closed to all but root, is never entered."""
        with self._reaching():
            found = obstore.list_with_delimiter(self._store, folder or None)
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return {path.rpartition("/")[2] for path in paths}

    def exists(self, name: str) -> bool:
        """Whether the object exists, without reading it; RegistryError if the store gives no answer."""
        try:
            with self._reaching():
                obstore.head(self._store, name)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str) -> bytes:
        """FileNotFoundError when there is no such object."""
        with self._reaching():
            return bytes(obstore.get(self._store, name).bytes())

    def create(self, name: str, content: bytes) -> bool:
        """Writes the object completely unless it exists; returns whether it wrote."""
        try:
            with self._reaching():
                obstore.put(self._store, name, content, mode="create")
        except FileNotFoundError as error:
            raise self._unusable(error) from None
        except AlreadyExistsError:
            return False
        return True

    def replace(self, name: str, content: bytes) -> None:
        """Writes the object completely, in the place of one that exists: a reader gets the old or the new one."""
        try:
            with self._reaching():
                obstore.put(self._store, name, content)
        except FileNotFoundError as error:
            raise self._unusable(error) from None

    def delete(self, names: Sequence[str]) -> None:
        """Deletes the objects; one that is not there is no error."""
        with self._reaching(), suppress(FileNotFoundError):
            obstore.delete(self._store, names)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, AlreadyExistsError):
            raise
        except (BaseError, OSError) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> RegistryError:
        return RegistryError(f"The {self._what} {self.url} cannot be used: {reason(error)}.")


class Held:
    """The objects of one version's folder, in memory; they cannot be added to."""

    def __init__(self, url: str, objects: Mapping[str, bytes]) -> None:
        self.url = url
        self._objects = objects

    def names(self, folder: str = "") -> set[str]:
        """The names of all; there are no folders."""
        return set() if folder else set(self._objects)

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        return name in self._objects

    def read(self, name: str) -> bytes:
        """FileNotFoundError when there is no such object."""
        try:
            return self._objects[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def create(self, name: str, _: bytes) -> bool:
        """RegistryError, always."""
        raise RegistryError(f"{name} cannot be added to {self.url}, which is held in memory.")


def _open(url: str, create: bool, what: str) -> ObjectStore:
    if not url.startswith(SCHEMES):
        path = Path(url)
        if not create and not path.is_dir():
            raise RegistryNotFound(f"No {what} was found at {url}.")
        try:
            return _copied(path) if _elsewhere(path) else LocalStore(path, mkdir=create, automatic_cleanup=True)
        except (BaseError, OSError) as error:
            raise RegistryError(f"The {what} {url} cannot be created: {reason(error)}.") from error
    try:
        return open_bucket(url)
    except (BaseError, ValueError) as error:
        raise RegistryError(f"The {what} {without_secrets(url)} cannot be opened: {reason(error)}.") from None


def _elsewhere(folder: Path) -> bool:
    """Whether its name leads through /proc/PID/root, as to a modelcar's files, which a store cannot follow."""
    named = folder.resolve()
    return folder.is_dir() and not (named.is_dir() and named.samefile(folder))


def _copied(folder: Path) -> ObjectStore:
    store = MemoryStore()
    for path in folder.rglob("*"):
        if path.is_file():
            obstore.put(store, path.relative_to(folder).as_posix(), path.read_bytes())
    return store


def open_bucket(url: str, timeout: timedelta = timedelta(seconds=30)) -> ObjectStore:
    """A bucket, or a prefix of one; also one that is reached without TLS, as within a cluster.

    `timeout` is for one object, read or written.
    """
    return from_url(
        url,
        client_options={"allow_http": True, "connect_timeout": timedelta(seconds=2), "timeout": timeout},
        retry_config={
            # Of a store that fails three calls of ten, one in a thousand fails so; in all it takes 1.6 s.
            "max_retries": 5,
            "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=2), "base": 2},
            "retry_timeout": timedelta(seconds=15),
        },
    )


def reason(error: Exception) -> str:
    """What the store answered, else why there is no connection, else the first line; the rest dumps the request."""
    text = str(error).strip()
    if answer := re.search(r"<Code>(\w+)</Code>\s*<Message>([^<]*?)\.?</Message>", text):
        return f"{answer[2]} ({answer[1]})"
    first = without_secrets(text.split("\n", 1)[0]).rstrip(".")
    why = [sentence for name, sentence in _NOT_CONNECTED.items() if re.search(rf"\b{name}\b", text)]
    why += re.findall(r'(?:message|error): "([^"]+)"', text)
    return ": ".join([first, *why[:1]])


def without_secrets(text: str) -> str:
    """The text without the passwords, and the signatures of requests, that URLs in it may carry."""
    return re.sub(r"(?i)(?:\?|%3f)\S+", "", re.sub(r"//[^/@\s]+@", "//", text))
