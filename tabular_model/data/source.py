"""Where data come from: a file, a folder or prefix of parts, an object of a bucket, or standard input."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, NamedTuple

import obstore
from obstore.exceptions import BaseError

from tabular_model.errors import DataError
from tabular_model.storage import open_bucket, reason, without_secrets

STANDARD = "-"  # standard input or output
LONGEST = timedelta(minutes=15)  # for reading one object of a bucket
_HIDDEN = (".", "_")  # how the names begin of what writers leave beside parts, such as _SUCCESS


class NoFile(DataError):
    """Nothing was found at the given location."""


class Part(NamedTuple):
    """One file: the name that messages show, and where it can be read."""

    name: str
    path: Path


@contextmanager
def parts(source: str) -> Iterator[list[Part]]:
    """The files of `source`, by name; what is not a local file is copied to a temporary one first.

    A copy lets any format be read from any place, and a file be looked at twice: for its dialect and for its rows.
    NoFile where there is none, DataError where one cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="data-") as folder:
        try:
            found = _found(source, Path(folder))
        except (OSError, BaseError, ValueError) as error:
            raise DataError(without_secrets(f"The data file {source} cannot be read: {reason(error)}.")) from None
        yield found


def sha256(files: list[Part]) -> str:
    """The digest of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for part in files:
        with part.path.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _found(source: str, folder: Path) -> list[Part]:
    if source == STANDARD:
        return [_copied("standard input", sys.stdin.buffer, folder)]
    if "://" in source:
        return _downloaded(source, folder)
    path = Path(source)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file.relative_to(path))]
        if not files:
            raise NoFile(f"No data file was found in the folder {source}.")
        return [Part(str(file), file) for file in files]
    if not path.exists():
        raise NoFile(f"The data file {source} was not found.")
    if path.is_file():
        return [Part(source, path)]
    with path.open("rb") as pipe:
        return [_copied(source, pipe, folder)]


def _copied(name: str, stream: IO[bytes], folder: Path) -> Part:
    copy = folder / "stream"
    with copy.open("wb") as opened:
        shutil.copyfileobj(stream, opened)
    return Part(name, copy)


def _hidden(path: Path) -> bool:
    return any(name.startswith(_HIDDEN) for name in path.parts)


def _downloaded(source: str, folder: Path) -> list[Part]:
    """The object of this name, else all objects below it."""
    above, _, name = source.rstrip("/").rpartition("/")
    shown = without_secrets(source)
    bucket = open_bucket(above, LONGEST)
    copy = folder / "object"
    try:
        _download(bucket, name, copy)
        return [Part(shown, copy)]
    except FileNotFoundError:
        listed = [str(entry["path"]) for entries in obstore.list(bucket, f"{name}/") for entry in entries]
    below = [path for path in sorted(listed) if not _hidden(Path(path[len(name) + 1 :]))]
    if not below:
        raise NoFile(f"The data file {shown} was not found.")
    for number, path in enumerate(below):
        _download(bucket, path, folder / str(number))
    return [Part(f"{without_secrets(above)}/{path}", folder / str(number)) for number, path in enumerate(below)]


def _download(bucket: obstore.store.ObjectStore, name: str, copy: Path) -> None:
    answer = obstore.get(bucket, name)
    with copy.open("wb") as opened:
        for block in answer.stream():
            opened.write(block)
