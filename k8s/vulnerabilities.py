"""Looks locked packages up among the known vulnerabilities, by pip-audit; fails on any that is known.

    python k8s/vulnerabilities.py REQUIREMENTS...

pip-audit has no database of its own: it asks PyPI, and ends well when PyPI does not know a single package, as behind a
mirror that has only the files. That is not «nothing found», so it is said and skipped.
"""

import json
import subprocess
import sys
from typing import Any


def main(files: list[str]) -> None:
    for file in files:
        packages = audited(file)
        unknown = [package["name"] for package in packages if "skip_reason" in package]
        if len(unknown) == len(packages):
            print(f"skipped: {file}: the vulnerability database cannot be reached from here", file=sys.stderr)
            continue
        if unknown:
            sys.exit(f"{file}: not looked up, because the database does not know them: {', '.join(unknown)}")
        known = [sentence(package, found) for package in packages for found in package["vulns"]]
        if known:
            sys.exit("\n".join([f"{file} has known vulnerabilities:", *known]))
        print(f"{file}: {len(packages)} packages, no known vulnerability")


def audited(file: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pip_audit", "--requirement", file, "--require-hashes", "--disable-pip"]
    done = subprocess.run(
        [*command, "--format=json", "--progress-spinner=off"], capture_output=True, text=True, check=False
    )
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        unreachable = "ConnectionError" in done.stderr or "could not connect" in done.stderr.lower()
        if unreachable:
            return []
        sys.exit(f"pip-audit failed on {file}: {done.stderr.strip()}")
    return packages


def sentence(package: dict[str, Any], found: dict[str, Any]) -> str:
    mended = ", ".join(found["fix_versions"]) or "no version yet"
    return f"  {package['name']} {package['version']}: {found['id']}, mended in {mended}"


if __name__ == "__main__":
    main(sys.argv[1:])
