"""V2's messages, which are KServe's own, without the rest of KServe.

`import kserve` takes 1.5 s and 100 MB, for FastAPI, pandas and clients that a server with endpoints of its own does not
need, and `import kserve.x` runs all of it first. The generated module needs none of it, so it is run from its file.
"""

from importlib.metadata import distribution
from runpy import run_path
from types import SimpleNamespace
from typing import Any

_FILE = "kserve/protocol/grpc/grpc_predict_v2_pb2.py"

pb: Any = SimpleNamespace(**run_path(str(distribution("kserve").locate_file(_FILE))))
