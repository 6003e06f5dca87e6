"""What Prometheus asks for."""

import asyncio
from collections.abc import Callable

from model_server.counts import CONTENT_TYPE, OPENMETRICS_TYPE
from model_server.rest.accept import weight
from model_server.rest.http import Response, smaller
from model_server.rest.routing import Call


class Monitoring:
    """The metrics of this server, and of all its workers where it has some."""

    def __init__(self, exposition: Callable[[bool], bytes]) -> None:
        """`exposition` gives them in OpenMetrics if True, else in Prometheus' text format."""
        self._exposition = exposition

    async def metrics(self, call: Call) -> Response:
        """In the format that is accepted; only OpenMetrics has exemplars."""
        accepted = call.request.headers.get(b"accept", b"")
        wanted = weight(accepted, b"application/openmetrics-text")
        openmetrics = wanted > 0 and wanted >= weight(accepted, b"text/plain")
        body = await asyncio.to_thread(self._exposition, openmetrics)
        kind = OPENMETRICS_TYPE if openmetrics else CONTENT_TYPE
        return smaller(call.request, Response(200, body, kind.encode(), ((b"vary", b"accept"),)))
