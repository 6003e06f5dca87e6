"""A forward proxy that leads TLS connections through (CONNECT), as a program: python proxy.py PORT.

It prints the host and port of each connection.
"""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


def server(port: int, saw: Callable[[str], Any], refuses: bool = False) -> ThreadingHTTPServer:
    """The proxy, not started yet; `saw` is told where each connection leads. It may refuse them all."""

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            saw(self.path)
            if refuses:
                self.send_error(403)
                return
            host, _, number = self.path.rpartition(":")
            try:
                opened = socket.create_connection((host, int(number)))
            except OSError as error:
                self.send_error(502, str(error))
                return
            with opened as there:
                self.send_response(200)
                self.end_headers()
                back = Thread(target=_copy, args=(there, self.connection), daemon=True)
                back.start()
                _copy(self.connection, there)
                back.join()
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return ThreadingHTTPServer(("", port), Handler)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while block := source.recv(1 << 16):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxying(refuses: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A proxy on loopback: its URL, and where connections led."""
    seen: list[str] = []
    with server(0, seen.append, refuses) as proxy:
        Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_port}", seen
        proxy.shutdown()


if __name__ == "__main__":
    server(int(sys.argv[1]), lambda place: print(place, flush=True)).serve_forever()
