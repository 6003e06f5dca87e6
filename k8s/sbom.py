"""Writes what is in an image as CycloneDX, and the licences of its packages as a table.

    python k8s/sbom.py IMAGE FOLDER    # FOLDER/NAME.cdx.json and FOLDER/NAME.licences.tsv; needs docker

The image itself is asked, so that the list has what is installed and not what was meant to be: Python packages from
their metadata, Debian's from dpkg and their copyright files, Spark's jars and what is packed in them from Maven's notes
in them, and helm where it is there. It fails where somebody else's
Python package states no licence, and where the image's label says another version than the package in it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

OURS = "loan-model"
# Packages whose metadata state no licence; looked up in the licence's text that they carry.
LOOKED_UP = {"sigstore-models": "MIT"}
ASK = """
import hashlib, json, re, shutil, subprocess, zipfile
from importlib.metadata import distributions
from pathlib import Path

def licence(meta):
    classified = [c.rpartition(" :: ")[2] for c in meta.get_all("Classifier", []) if c.startswith("License :: ")]
    stated = (meta.get("License") or "").strip()
    short = stated if 0 < len(stated) < 60 and "\\n" not in stated and stated != "UNKNOWN" else ""
    return meta.get("License-Expression") or short or " AND ".join(c for c in classified if c != "OSI Approved")

python = {d.metadata["Name"]: (d.version, licence(d.metadata)) for d in distributions()}
status = Path("/var/lib/dpkg/status")
debian = {}
for block in (status.read_text() if status.exists() else "").split("\\n\\n"):
    fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ")
    if fields.get("Status", "").endswith(" installed"):
        copyright = Path("/usr/share/doc", fields["Package"], "copyright")
        text = copyright.read_text(errors="replace") if copyright.exists() else ""
        stated = sorted({line[9:].strip() for line in text.splitlines() if line.startswith("License: ")})
        debian[fields["Package"]] = (fields["Version"], " and ".join(stated))

def packed(file):
    name, version = re.match(r"(.+?)(?:-(\\d.*))?\\.jar$", file.name).groups("")
    digest, own = hashlib.sha256(file.read_bytes()).hexdigest(), ["", name, version]
    with zipfile.ZipFile(file) as jar:
        for note in jar.namelist():
            if note.startswith("META-INF/maven/") and note.endswith("/pom.properties"):
                said = dict(line.split("=", 1) for line in jar.read(note).decode().splitlines() if "=" in line)
                found = [said[field].strip() for field in ("groupId", "artifactId", "version")]
                if file.name.startswith(f"{found[1]}-{found[2]}"):
                    own = found
                else:
                    yield [*found, ""]
    yield [*own, digest]

jars = [each for file in sorted(Path("/opt/loan").rglob("*.jar")) for each in packed(file)]
helm = subprocess.run(["helm", "version", "--template", "{{.Version}}"], capture_output=True, text=True).stdout \\
    if shutil.which("helm") else ""
print(json.dumps({"python": python, "debian": debian, "jars": jars, "helm": helm}))
"""


def main(image: str, folder: Path) -> None:
    name, _, tag = image.partition(":")
    facts = installed(image)
    if (label := labelled(image)) != (version := facts["python"][OURS][0]):
        sys.exit(f"{image} is labelled {label or 'with no version'}, and {OURS} in it is {version}: build it anew.")
    made = bom(name, tag, facts)
    text = JsonV1Dot6(made).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"The bill of materials of {image} is not CycloneDX: {error}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.cdx.json").write_text(text)
    table = [
        (kind, package, version, licence)
        for kind in ("python", "debian")
        for package, (version, licence) in sorted(facts[kind].items())
    ]
    (folder / f"{name}.licences.tsv").write_text("".join("\t".join(row) + "\n" for row in table))
    counts = (
        f"{len(facts['python'])} Python and {len(facts['debian'])} Debian packages and {len(facts['jars'])} of Java"
    )
    print(f"{image}: {counts} in {folder}/{name}.cdx.json")
    if silent := [name for kind, name, _, licence in table if kind == "python" and not licence and name != OURS]:
        sys.exit(f"{image} has packages that state no licence: {', '.join(silent)}. Add what is found to LOOKED_UP.")


def labelled(image: str) -> str:
    """The version that the image's label says."""
    label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
    command = ["docker", "image", "inspect", "--format", label, image]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def installed(image: str) -> dict[str, Any]:
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=python3", image, "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"The image {image} cannot be asked what is in it: {done.stderr.strip()}")
    facts: dict[str, Any] = json.loads(done.stdout)
    facts["python"] = {
        name: (version, licence or LOOKED_UP.get(name, "")) for name, (version, licence) in facts["python"].items()
    }
    return facts


def bom(name: str, tag: str, facts: dict[str, Any]) -> Bom:
    made = Bom()
    made.metadata.component = Component(name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=name)
    for package, (version, licence) in facts["python"].items():
        made.components.add(component("pypi", package, version, licence))
    for package, (version, licence) in facts["debian"].items():
        made.components.add(component("deb", package, version, licence))
    for group, package, version, digest in facts["jars"]:
        made.components.add(component("maven", package, version, group=group, digest=digest))
    if facts["helm"]:
        made.components.add(component("golang", "helm.sh/helm/v3", facts["helm"], "Apache-2.0"))
    made.register_dependency(made.metadata.component, made.components)
    return made


def component(kind: str, name: str, version: str, licence: str = "", *, group: str = "", digest: str = "") -> Component:
    url = PackageURL(kind, "debian" if kind == "deb" else group or None, name, version)
    return Component(
        group=group or None,
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=f"{url}#{digest}" if digest else str(url),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else [],
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
