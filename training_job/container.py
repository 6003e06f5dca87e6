"""What this process may use: all of the machine, or what its container is limited to.

https://docs.kernel.org/admin-guide/cgroup-v2.html, and the limits of version 1.
"""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def memory() -> int:
    """Bytes of memory."""
    limits = (_text("memory.max"), _text("memory/memory.limit_in_bytes"))
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])


def cores() -> int:
    """Processors, a part of one as one."""
    quotas = (_text("cpu.max").split(), [_text("cpu/cpu.cfs_quota_us"), _text("cpu/cpu.cfs_period_us")])
    limits = [math.ceil(int(quota[0]) / int(quota[1])) for quota in quotas if all(map(str.isdigit, quota)) and quota]
    return min([len(os.sched_getaffinity(0)), *limits])


def _text(name: str) -> str:
    file = CGROUP / name
    return file.read_text().strip() if file.is_file() else ""
