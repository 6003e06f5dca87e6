"""What Prometheus asks for."""

import asyncio
from collections.abc import Callable

from model_server.counts import CONTENT_TYPE
from model_server.rest.http import Response, smaller
from model_server.rest.routing import Call


class Monitoring:
    """The metrics of this server, and of all its workers where it has some."""

    def __init__(self, exposition: Callable[[], bytes]) -> None:
        self._exposition = exposition

    async def metrics(self, call: Call) -> Response:
        """In Prometheus' text format."""
        body = await asyncio.to_thread(self._exposition)
        return smaller(call.request, Response(200, body, CONTENT_TYPE.encode()))
