"""Where a monitor keeps what it found, with the newest window's gauges beside it for servers to expose."""

from tabular_model.storage import Objects

GAUGES = "gauges.prom"
PREFIX = "loan_monitor_"  # of the gauges' names


def open_history(url: str, create: bool = False) -> Objects:
    """RegistryNotFound if there is no such folder, unless `create` makes it; RegistryError if it cannot be used."""
    return Objects(url, create, "history")
