"""How the files and images of a release were made, as an in-toto statement with SLSA's predicate.

The statement has no times, so that building a commit twice states the same. It is not signed.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from source import Source

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD = "urn:loan-model:make-release:1"


def statement(
    source: Source,
    parameters: dict[str, Any],
    builder: str,
    files: Iterable[Path],
    images: dict[str, str],
    locks: Iterable[Path],
) -> dict[str, Any]:
    """`images` are digests such as `sha256:…` by name; `locks` pin what was installed."""
    code = {"name": "source", "uri": source.url, "digest": {"gitCommit": source.revision}}
    return {
        "_type": STATEMENT,
        "subject": [
            *({"name": file.name, "digest": {"sha256": sha256(file)}} for file in sorted(files)),
            *({"name": name, "digest": dict([digest.split(":", 1)])} for name, digest in sorted(images.items())),
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": parameters,
                "internalParameters": {"SOURCE_DATE_EPOCH": source.epoch},
                "resolvedDependencies": [
                    {field: value for field, value in code.items() if value},
                    *({"name": str(lock), "digest": {"sha256": sha256(lock)}} for lock in sorted(locks)),
                ],
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }


def sha256(file: Path) -> str:
    """Of the file's content, in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
