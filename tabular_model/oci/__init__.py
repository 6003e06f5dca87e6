"""Versions in a container registry: as images that a cluster mounts or runs, and that ORAS unpacks."""

from importlib.util import find_spec

from tabular_model.errors import RegistryError

if not find_spec("httpx2"):
    raise RegistryError("An address oci:// needs httpx2, which is not installed: `pip install 'loan-model[oci]'`.")
