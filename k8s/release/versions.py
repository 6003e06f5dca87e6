"""The one version: pyproject.toml states it; the chart repeats it, and CHANGELOG.md says what is in it.

python k8s/release/versions.py VERSION    # writes it to all three
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path("pyproject.toml")
CHART = Path("helm/loan-model/Chart.yaml")
CHANGELOG = Path("CHANGELOG.md")
UNRELEASED = "Unreleased"
# What both Python and Helm take for a version.
FORM = re.compile(r"\d+\.\d+\.\d+")


def stated() -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads(PROJECT.read_text())["project"]["version"])


def disagreements(version: str) -> Iterator[str]:
    """A sentence for each place that does not say what a release of this version has to say."""
    for field in ("version", "appVersion"):
        found = re.search(rf'(?m)^{field}: *"?([^"\n]*)', CHART.read_text())
        if not found or found[1] != version:
            says = found[1] if found else "nothing"
            yield f"{CHART} says {field} {says}, {PROJECT} says {version}: run make version VERSION={version}."
    sections = _sections()
    if not sections.get(version):
        yield f"{CHANGELOG} has no section «## {version}» that says what changed: run make version VERSION={version}."
    if sections.get(UNRELEASED):
        yield f"{CHANGELOG} has changes under {UNRELEASED}: move them to a version, or choose the next one for them."


def write(version: str) -> None:
    """Writes the version everywhere; what the changelog has under Unreleased becomes this version's."""
    if not FORM.fullmatch(version):
        sys.exit(f"{version!r} is not a version: give three numbers, such as 1.2.3.")
    PROJECT.write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', PROJECT.read_text(), count=1))
    CHART.write_text(re.sub(r"(?m)^(version|appVersion): .*", rf"\1: {version}", CHART.read_text()))
    if version not in _sections():
        heading = f"## {UNRELEASED}"
        CHANGELOG.write_text(CHANGELOG.read_text().replace(heading, f"{heading}\n\n## {version}", 1))


def _sections() -> dict[str, str]:
    """What the changelog says of each version, by the version."""
    _, *parts = re.split(r"(?m)^## +", CHANGELOG.read_text())
    return {heading.strip(): text.strip() for heading, _, text in (part.partition("\n") for part in parts)}


if __name__ == "__main__":
    write(sys.argv[1])
