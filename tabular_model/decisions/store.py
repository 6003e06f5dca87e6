"""Where a record is kept: a folder or a bucket, as a registry is."""

from tabular_model.storage import Objects


def open_store(url: str, create: bool = False) -> Objects:
    """RegistryNotFound if there is no such folder, unless `create` makes it; RegistryError if it cannot be used."""
    return Objects(url, create, "record")
