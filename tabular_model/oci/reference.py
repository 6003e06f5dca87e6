"""Addresses: `oci://registry.example.com/lending/loan:v3`."""

import re
from typing import NamedTuple

from tabular_model.errors import RegistryError
from tabular_model.storage import OCI

_REFERENCE = re.compile(
    r"oci://(?P<host>[\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)"
    r"/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?/?"
)


class Reference(NamedTuple):
    """A repository, or one tag of it where `tag` is not empty."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, url: str) -> "Reference":
        """RegistryError if `url` is not of this form."""
        match = _REFERENCE.fullmatch(url)
        if not match:
            raise RegistryError(f"{url} is not of the form oci://HOST/REPOSITORY, with :TAG behind it or without.")
        return cls(match["host"], match["repository"], match["tag"] or "")

    @property
    def local(self) -> bool:
        """Whether the registry is on this machine: only such a one is spoken to without TLS, as docker does."""
        name = self.host if self.host.startswith("[") else self.host.partition(":")[0]
        return name == "localhost" or name.startswith(("127.", "[::1]"))

    def __str__(self) -> str:
        return f"{OCI}{self.host}/{self.repository}" + (f":{self.tag}" if self.tag else "")
