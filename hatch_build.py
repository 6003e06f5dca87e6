"""Compiles the protocol of the gRPC endpoint, so that no generated file is in the repository.

It runs whenever the project is installed or built, and as a script, by which `make protocol` follows a change.
"""

import sys
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTO = Path("model_server/grpc/inference.proto")
COMPILED = PROTO.with_suffix(".binpb")


class ProtocolHook(BuildHookInterface[Any]):
    """The compiled protocol is in the wheel, though git ignores it."""

    def initialize(self, _: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds, also for an editable installation."""
        compile_protocol(Path(self.root))
        build_data["artifacts"].append(f"/{COMPILED}")


def compile_protocol(root: Path) -> None:
    """Writes `COMPILED`; SystemExit, after protoc's own words, where the protocol is wrong."""
    folder = root / PROTO.parent
    words = ["protoc", f"--proto_path={folder}", f"--descriptor_set_out={root / COMPILED}", PROTO.name]
    if protoc.main(words):
        sys.exit(f"{PROTO} cannot be compiled; protoc says above why.")


if __name__ == "__main__":
    compile_protocol(Path(__file__).parent)
