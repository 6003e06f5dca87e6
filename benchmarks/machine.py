"""What was measured on."""

import os
import platform
from pathlib import Path


def described() -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    load = os.getloadavg()[1]
    return (
        f"{cpu}, {os.cpu_count()} cores with a load average of {load:.1f} before it began, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )
