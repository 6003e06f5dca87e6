"""A model that KServe brings as an image (a modelcar): a container beside the server's links its folder.

The link leads to /proc/PID/root/models, where PID is that container's, and is made while the server starts.
"""

import os
import time
from pathlib import Path

from tabular_model.errors import RegistryNotFound

MODE = "MODEL_INIT_MODE"  # KServe sets it to async where the model comes so
WAIT_SECONDS = 50.0  # a little less than the chart's startup probe takes
_POLL_SECONDS = 0.1


def wait_for_model(registry: str, seconds: float = WAIT_SECONDS) -> None:
    """Returns when the folder is there, at once where KServe brings it otherwise; RegistryNotFound after `seconds`."""
    if os.environ.get(MODE) != "async":
        return
    end = time.monotonic() + seconds
    while not Path(registry).is_dir():
        if time.monotonic() > end:
            raise RegistryNotFound(
                f"KServe's modelcar, the container that holds the model, did not link it to {registry} within "
                f"{seconds:g} s, or this user may not read it there: both containers must run as the same user."
            )
        time.sleep(_POLL_SECONDS)
