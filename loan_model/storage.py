"""Where a registry lives: a folder or a bucket, behind one object store interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from loan_model.errors import RegistryError

SCHEMES = ("s3://", "gs://", "az://")


class Storage:
    """Named objects under one root. Every failure but a missing or an existing object is a RegistryError."""

    def __init__(self, url: str, create: bool) -> None:
        self.url = url
        self._store = _open(url, create)

    def names(self) -> list[str]:
        with self._reaching():
            return [str(entry["path"]) for page in obstore.list(self._store) for entry in page]

    def read(self, name: str) -> bytes:
        """FileNotFoundError when there is no such object."""
        with self._reaching():
            return bytes(obstore.get(self._store, name).bytes())

    def create(self, name: str, content: bytes) -> bool:
        """Writes the object whole unless it is there already; says whether it wrote."""
        try:
            with self._reaching():
                obstore.put(self._store, name, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, AlreadyExistsError):
            raise
        except (BaseError, OSError) as error:
            raise RegistryError(f"The registry {self.url} cannot be used: {_first_line(error)}.") from error


def _open(url: str, create: bool) -> ObjectStore:
    if not url.startswith(SCHEMES):
        path = Path(url)
        if not create and not path.is_dir():
            raise RegistryError(f"There is no registry at {url}; `loan train` makes one.")
        try:
            return LocalStore(path, mkdir=create)
        except (BaseError, OSError) as error:
            raise RegistryError(f"The registry {url} cannot be made: {_first_line(error)}.") from error
    try:
        return from_url(
            url,
            client_options={"allow_http": True, "connect_timeout": "5s", "timeout": "30s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
        )
    except (BaseError, ValueError) as error:
        raise RegistryError(f"The registry {url} cannot be opened: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
