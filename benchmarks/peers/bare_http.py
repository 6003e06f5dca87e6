"""The limit of HTTP in Python as it is used today: uvicorn with an ASGI application that answers a fixed body."""

import sys
from typing import Any

import uvicorn

BODY = (
    b'{"model_name":"loan","outputs":[{"name":"probability","datatype":"FP64","shape":[1],"data":[0.93000437819993]}]}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_level="warning", access_log=False)
