"""Folders in any file system that Spark reaches, through Hadoop's own client."""

from typing import Any, NamedTuple, cast

from pyspark.sql import SparkSession

_SCHEMES = {"s3": "s3a"}  # by which Hadoop knows what everyone else calls s3
_RENAMES_WHOLE = ("file", "hdfs", "viewfs", "abfs", "abfss")


class File(NamedTuple):
    """A file below a folder: its path from there, its bytes, and when it was changed, in milliseconds since 1970."""

    path: str
    size: int
    changed: int


class Folder:
    """A folder, which need not be there."""

    def __init__(self, session: SparkSession, url: str) -> None:
        self._session = cast(Any, session)  # whose way into the JVM is not public
        self._hadoop = self._session._jvm.org.apache.hadoop.fs
        scheme, colon, rest = url.partition("://")
        path = self._hadoop.Path(f"{_SCHEMES.get(scheme, scheme)}://{rest}" if colon else url)
        self._conf = self._session._jsc.hadoopConfiguration()
        self._system = path.getFileSystem(self._conf)
        self._path = self._system.makeQualified(path)
        self.url = str(self._path.toString())
        self.name = str(self._path.getName())

    @property
    def renamed_whole(self) -> bool:
        """Whether a renamed folder appears with all its files at once, which in a bucket it does not."""
        return str(self._path.toUri().getScheme()) in _RENAMES_WHOLE

    def sibling(self, name: str) -> "Folder":
        """The folder of that name beside this one."""
        return Folder(self._session, str(self._hadoop.Path(self._path.getParent(), name).toString()))

    def child(self, name: str) -> "Folder":
        """The folder of that name in this one."""
        return Folder(self._session, f"{self.url}/{name}")

    def exists(self) -> bool:
        """Whether there is a folder or a file."""
        return bool(self._system.exists(self._path))

    def siblings(self, prefix: str) -> "list[Folder]":
        """The folders beside this one whose names begin so."""
        pattern = self._hadoop.Path(self._path.getParent(), f"{prefix}*")
        found = self._system.globStatus(pattern) or []
        return [Folder(self._session, str(each.getPath().toString())) for each in found]

    def names(self) -> list[str]:
        """What is directly in it; its own name for a file."""
        return [str(each.getPath().getName()) for each in self._system.listStatus(self._path)]

    def files(self) -> list[File]:
        """All files below it, sorted by their paths; those whose names begin with _ or . are none of its data."""
        found, listing = [], self._system.listFiles(self._path, True)
        while listing.hasNext():
            status = listing.next()
            path = str(status.getPath().toString()).removeprefix(self.url).lstrip("/")
            if not any(part.startswith(("_", ".")) for part in path.split("/")):
                found.append(File(path or self.name, status.getLen(), status.getModificationTime()))
        return sorted(found)

    def write(self, name: str, content: bytes) -> None:
        """Creates or replaces a file in it."""
        stream = self._system.create(self._hadoop.Path(self._path, name), True)
        try:
            stream.write(bytearray(content))
        finally:
            stream.close()

    def make(self) -> None:
        """Makes the folder, and those that it is in."""
        self._system.mkdirs(self._path)

    def move(self, target: "Folder") -> None:
        """Gives it another name; FileExistsError if there is something of that name."""
        context = self._hadoop.FileContext.getFileContext(self._path.toUri(), self._conf)
        rename = self._hadoop.Options.Rename
        options = self._session._sc._gateway.new_array(rename, 1)
        options[0] = rename.NONE
        if target.exists():  # as a bucket does not look
            raise FileExistsError(target.url)
        context.rename(self._path, target._path, options)

    def remove(self) -> None:
        """Removes it with all that is in it; nothing if it is not there."""
        self._system.delete(self._path, True)
