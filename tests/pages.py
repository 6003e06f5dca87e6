"""What every page for people must hold to."""

import re


def assert_whole(page: str) -> None:
    """It names nothing outside itself, and runs nothing."""
    loads = re.findall(r"""(?:src|href|action|poster|data)\s*=\s*["']([^"']*)""", page)
    assert [target for target in loads if not target.startswith("#")] == []
    assert re.findall(r"@import|url\((?!#)|<script|<link|<iframe", page) == []
