"""The evidence of a version in one archive: what its card says, and the files that it rests on.

A tar.gz of one folder, such as `loan-v2/`, whose SHA256SUMS `sha256sum -c` checks; with a key SHA256SUMS.sig is the
Ed25519 signature of that list, as `manifest.sig` is of the manifest. The same inputs give the same bytes.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping

import msgspec

from tabular_model import manifest as manifests
from tabular_model import results
from tabular_model.card.subject import Subject
from tabular_model.log_lines import Lines
from tabular_model.manifest import sha256
from tabular_model.signing import Signer

SUMS = "SHA256SUMS"
SIGNATURE = f"{SUMS}.sig"


class Contents(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`evidence.json`: what the archive is about, and how many lines of logs it has and does not have.

    `signer` is the fingerprint of the key that signed the list of sha256s.
    """

    model: str
    version: str
    manifest: str
    audit_lines: int
    audit_lines_left_out: int
    judgements: int
    judgements_left_out: int
    signer: str = ""


def archive(
    subject: Subject, cards: Mapping[str, str], audit: Lines, judged: Lines, signer: Signer | None = None
) -> bytes:
    """The archive; `cards` are the card's files by name."""
    manifest = subject.manifest
    verdict = msgspec.json.encode(subject.results.verdict)
    contents = Contents(
        model=manifest.model,
        version=manifest.version,
        manifest=manifest.digest,
        audit_lines=len(audit.kept),
        audit_lines_left_out=audit.left_out,
        judgements=len(judged.kept),
        judgements_left_out=judged.left_out,
        signer=signer.fingerprint if signer else "",
    )
    own = (manifests.FILE, manifests.SIGNATURE, results.FILE)
    files = {
        **{name: subject.files[name] for name in own if name in subject.files},
        **{name: text.encode() for name, text in cards.items()},
        "verdict.json": _indented(verdict),
        "promotions.json": _indented(msgspec.json.encode(subject.promotions)),
        "audit.jsonl": b"".join(audit.kept),
        "judgements.jsonl": b"".join(judged.kept),
        "evidence.json": _indented(msgspec.json.encode(contents)),
    }
    files[SUMS] = "".join(f"{sha256(content)}  {name}\n" for name, content in sorted(files.items())).encode()
    if signer:
        files[SIGNATURE] = signer.sign(files[SUMS])
    return _packed(f"{manifest.model}-{manifest.version}", files, int(manifest.created.timestamp()))


def _indented(content: bytes) -> bytes:
    return msgspec.json.format(content, indent=2) + b"\n"


def _packed(folder: str, files: Mapping[str, bytes], time: int) -> bytes:
    """Of files at that time, in seconds since 1970, and of nobody: neither clock nor user is in the bytes."""
    written = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=written, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), time, 0o644
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()
