"""A proxy in front of an S3 server that fails as a store far away does."""

import http.client
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FlakyStore(ThreadingHTTPServer):
    """`failing` is the share of requests that it fails, half of them after they were done; `delay` is in seconds."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.failing = 0.0
        self.delay = 0.0
        self.failed = 0
        self.chance = random.Random(0)


class _Handler(BaseHTTPRequestHandler):
    server: FlakyStore
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        store = self.server
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        time.sleep(store.delay)
        fails = store.chance.random() < store.failing
        store.failed += fails
        if fails and store.chance.random() < 0.5:
            self._answer(503, [], BUSY)
            return
        connection = http.client.HTTPConnection(store.behind, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # the host too, as it is signed
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fails:
            self._answer(503, [], BUSY)
        else:
            self._answer(answer.status, answer.getheaders(), content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        size = {name.lower(): value for name, value in headers}.get("content-length", "0")
        self.send_header("content-length", size if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def flaky(behind: str) -> Iterator[FlakyStore]:
    store = FlakyStore(behind)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
