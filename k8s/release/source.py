"""The commit that a release is built from."""

import re
import sys
from dataclasses import dataclass

from commands import output

# A web address, ssh's, or what git itself calls user@host:path. A folder is none of them.
ORIGIN = re.compile(r"(?:https?://|ssh://|(?=[^/]+@))(?:[^/@]+@)?([^/:]+)(?::\d+)?[:/](.+?)(?:\.git)?/?")


@dataclass(frozen=True)
class Source:
    """`epoch` is the commit's time in seconds since 1970; `url` is empty where the repository has no address.

    `revision` ends in `-dirty` where the tree has more than the commit.
    """

    revision: str
    url: str
    epoch: int

    @property
    def dirty(self) -> bool:
        return self.revision.endswith("-dirty")


def checkout() -> Source:
    revision = output("git", "rev-parse", "HEAD")
    if not revision:
        sys.exit("A release is built from a git checkout, and this folder is none.")
    changed = "-dirty" if output("git", "status", "--porcelain") else ""
    url = browsable(output("git", "remote", "get-url", "origin"))
    return Source(revision + changed, url, int(output("git", "log", "-1", "--format=%ct")))


def browsable(origin: str) -> str:
    """The address of a repository without the name of a user."""
    found = ORIGIN.fullmatch(origin)
    return f"https://{found[1]}/{found[2]}" if found else ""
