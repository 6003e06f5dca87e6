"""Names of spans and attributes by OpenTelemetry's semantic conventions.

HTTP: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
gRPC: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
"""

from collections.abc import Mapping

CONVENTIONS = "https://opentelemetry.io/schemas/1.44.0"
OTHER = "_OTHER"
HTTP_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
# The codes by which a gRPC server says that it failed, and not its caller.
RPC_FAULTS = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))

Attributes = Mapping[str, str | int]


def http_name(method: str, route: str) -> str:
    """`route` is the path's template; a name may not hold what differs by request."""
    known = method if method in HTTP_METHODS else "HTTP"
    return f"{known} {route}" if route else known


def http_attributes(method: str, path: str, scheme: str, route: str) -> Attributes:
    """Of a request; `route` is empty where no endpoint was found."""
    attributes = {"http.request.method": method, "url.path": path, "url.scheme": scheme}
    if method not in HTTP_METHODS:
        attributes |= {"http.request.method": OTHER, "http.request.method_original": method}
    return attributes | {"http.route": route} if route else attributes


def rpc_name(method: str) -> str:
    """`method` as in the call, such as `/inference.GRPCInferenceService/ModelInfer`."""
    return method.removeprefix("/")


def rpc_attributes(method: str) -> Attributes:
    """Of a call of a method that the server has."""
    return {"rpc.system.name": "grpc", "rpc.method": rpc_name(method)}


def model_attributes(name: str, version: str, rows: int) -> Attributes:
    """Of a request that was scored; the names are this server's own and not of the conventions."""
    return {"model.name": name, "model.version": version, "model.rows": rows}


def failed(status: int | str) -> bool:
    """Whether an HTTP status or the name of a gRPC status is the server's fault."""
    return status >= 500 if isinstance(status, int) else status in RPC_FAULTS


def status_attributes(status: int | str) -> Attributes:
    """Of an answer with this HTTP status, or this name of a gRPC status."""
    name = "http.response.status_code" if isinstance(status, int) else "rpc.response.status_code"
    return {name: status, "error.type": str(status)} if failed(status) else {name: status}
