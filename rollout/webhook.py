"""The judgement over HTTP, for platforms that ask by a POST and go by the answer's status, as Flagger does."""

import functools
import socket
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any

import msgspec

from rollout.errors import Refused
from rollout.judgement import Outcome
from rollout.outages import cluster_errors
from rollout.window import Versions, Window
from tabular_model.errors import ModelError

ASKED = {"/fine": Outcome.fine, "/worse": Outcome.worse}
ELSEWHERE = "Ask by POST /fine or POST /worse; GET /healthz says that this runs."
MAX_BODY_BYTES = 64 * 1024
MAX_AT_ONCE = 4  # judgements, so that no caller can make it ask Prometheus without end
SILENT_SECONDS = 10


class _Payload(msgspec.Struct):
    """What Flagger sends, as far as it is read."""

    metadata: dict[str, str] = {}


def serve(address: str, window: Window) -> None:
    """Until it is interrupted; Refused if the address, such as `:8080`, cannot be listened on."""
    with Judging(address, window) as server:
        print(f"Judging on port {server.server_address[1]}.", file=sys.stderr, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Ended.", file=sys.stderr)


class Judging(ThreadingHTTPServer):
    """Listens; `serve_forever` answers. Each judgement is also a line of JSON on standard output."""

    daemon_threads = True

    def __init__(self, address: str, window: Window) -> None:
        opened = _listening(address)
        handler = functools.partial(_Handler, window, BoundedSemaphore(MAX_AT_ONCE))
        super().__init__(opened.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = opened

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that is gone is none of our errors."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENT_SECONDS
    server_version, sys_version = "loan-judge", ""

    def __init__(self, window: Window, turns: BoundedSemaphore, *where: Any) -> None:
        self._window = window
        self._turns = turns
        super().__init__(*where)

    def do_GET(self) -> None:
        """Whether it runs."""
        self._send(*((HTTPStatus.OK, "ok") if self.path == "/healthz" else (HTTPStatus.NOT_FOUND, ELSEWHERE)))

    def do_POST(self) -> None:
        """200 if the verdict is the one that the path names; 409 if it is the other, 425 if there is none yet."""
        if self.path not in ASKED:
            self._send(HTTPStatus.NOT_FOUND, ELSEWHERE)
        elif not self._turns.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_AT_ONCE} judgements are running; retry.")
        else:
            try:
                answer = self._judged(ASKED[self.path])
            finally:
                self._turns.release()
            self._send(*answer)

    def log_message(self, *_: Any) -> None:
        """Judgements are logged, requests are not."""

    def _judged(self, wanted: Outcome) -> tuple[HTTPStatus, str]:
        try:
            versions = self._versions()
        except Refused as error:
            return HTTPStatus.BAD_REQUEST, str(error)
        try:
            with cluster_errors():
                report = self._window.judge(versions, lambda *_: None)
        except ModelError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        except Exception:
            traceback.print_exc()
            return HTTPStatus.INTERNAL_SERVER_ERROR, "The judgement failed; the judge's log has the cause."
        print(msgspec.json.encode(report).decode(), flush=True)
        text = f"{report.canary} against {report.stable} is {report.verdict}: {report.why}"
        if report.verdict is wanted:
            return HTTPStatus.OK, text
        return HTTPStatus.TOO_EARLY if report.verdict is Outcome.unsure else HTTPStatus.CONFLICT, text

    def _versions(self) -> Versions:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY_BYTES):
            raise Refused(f"A request needs a Content-Length of at most {MAX_BODY_BYTES} bytes.")
        try:
            metadata = msgspec.json.decode(self.rfile.read(int(length)), type=_Payload).metadata
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"The body is not a Flagger webhook: {error}.") from error
        return Versions.of(metadata.get("stable", ""), metadata.get("canary", ""))

    def _send(self, status: HTTPStatus, text: str) -> None:
        content = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _listening(address: str) -> socket.socket:
    """Without a host on all addresses, IPv4 and IPv6."""
    host, _, port = address.rpartition(":")
    everywhere = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family, dualstack_ipv6=everywhere)
    except (OSError, ValueError, OverflowError) as error:
        raise Refused(f"--serve cannot listen on {address!r}: {error}.") from error
