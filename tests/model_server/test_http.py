"""HTTP/1.1 itself: what a socket sends and gets, beyond what a well-behaved client does."""

import json
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from tests.model_server.serving import Server, in_process, v2_columns

BODY = json.dumps(v2_columns(np.array([[41, 82000, 715, 15000, 5, 3, 0]]))).encode()
LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"


def infer(body=BODY, path="/v2/models/loan/infer", **headers):
    chosen = {"host": "x", "content_type": "application/json", "content_length": len(body)} | headers
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in chosen.items() if value is not None]
    return f"POST {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        # Small parts would else wait 40 ms for each other, longer together than a strict server does.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self, with_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer; status 0 once the server has closed."""
        line = self._file.readline()
        if not line:
            return 0, {}, b""
        headers = {}
        while (header := self._file.readline()) != b"\r\n":
            name, _, value = header.decode().partition(": ")
            headers[name] = value.strip()
        size = int(headers.get("content-length", 0)) if with_body else 0
        return int(line.split()[1]), headers, self._file.read(size)

    def closed(self) -> bool:
        return self._file.read() == b""


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    opened = Connection(server.http_port)
    yield opened
    opened.socket.close()


def test_a_request_in_pieces(connection):
    for byte in infer():
        connection.send(bytes([byte]))
    assert connection.answer()[0] == 200


def test_requests_sent_at_once_are_answered_in_order(connection):
    """The second is large and answered by a thread, the others at once; one is wrong."""
    large = json.dumps(v2_columns(np.tile([41, 82000, 715, 15000, 5, 3, 0.0], (5000, 1)))).encode()
    connection.send(infer() + infer(large) + infer(b"{}") + LIVE + infer(large))
    answers = [connection.answer() for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 400, 200, 200]
    assert json.loads(answers[1][2])["outputs"][0]["shape"] == [5000]
    assert json.loads(answers[3][2]) == {"live": True}


def test_a_chunked_body(connection):
    chunks = [BODY[:10], BODY[10:]]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    connection.send(infer(body, content_length=None, transfer_encoding="chunked"))
    assert connection.answer()[0] == 200


def test_a_client_that_waits_to_be_told_to_go_on(connection):
    head, body = infer(expect="100-continue")[: -len(BODY)], BODY
    connection.send(head)
    assert connection.answer()[0] == 100
    connection.send(body)
    assert connection.answer()[0] == 200


def test_an_answer_to_head_has_no_body(connection):
    connection.send(b"HEAD /predict HTTP/1.1\r\nhost: x\r\n\r\n" + LIVE)
    status, headers, _ = connection.answer(with_body=False)
    assert (status, int(headers["content-length"]) > 0) == (405, True)
    assert connection.answer()[0] == 200


@pytest.mark.parametrize("ask", [LIVE.replace(b"1.1", b"1.0"), LIVE[:-2] + b"connection: close\r\n\r\n"])
def test_a_connection_that_is_to_be_closed(connection, ask):
    connection.send(ask)
    status, headers, _ = connection.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert connection.closed()


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n"]
)
def test_what_is_not_http_is_answered_by_a_400_and_the_end(connection, garbage):
    connection.send(garbage)
    status, _, body = connection.answer()
    assert status == 400
    assert "HTTP" in json.loads(body)["error"]
    assert connection.closed()


def test_garbage_behind_a_slow_request_does_not_get_its_answer(connection):
    """An answer belongs to the oldest request that has none."""
    connection.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" + b"\0\r\n\r\n")
    assert connection.answer()[0] == 0


def test_a_url_that_cannot_be_read(connection):
    connection.send(b"GET //[::1 HTTP/1.1\r\n\r\n")
    assert connection.answer()[0] in (400, 404)


def test_a_head_without_an_end(connection):
    connection.send(b"GET / HTTP/1.1\r\n")
    for _ in range(17):
        connection.send(b"x: " + b"y" * 4000 + b"\r\n")
    assert connection.answer()[0] == 413
    assert connection.closed()


def test_an_offer_of_another_protocol_is_not_taken_up(connection):
    """Java's client offers HTTP/2 with each first request."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAEAAEAAAAIAAAAB"}
    connection.send(infer(**offer))
    assert connection.answer()[0] == 200
    get = LIVE[:-2] + b"connection: upgrade\r\nupgrade: h2c\r\n" + b"\r\n"
    connection.send(get + LIVE)
    assert [connection.answer()[0] for _ in range(2)] == [200, 200]


@pytest.fixture(scope="module")
def small(trained_registry):
    """The port of a server that takes 2 kB."""
    with in_process(trained_registry, max_body_bytes=2048) as http:
        yield http.base_url.port


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "not announced"])
def test_a_body_that_is_too_large_is_refused_before_all_of_it_came(small, chunked):
    connection = Connection(small)
    part = b"x" * 1000
    if chunked:
        connection.send(infer(b"", content_length=None, transfer_encoding="chunked"))
        part = b"%x\r\n%b\r\n" % (len(part), part)
        connection.send(part * 3)
    else:
        connection.send(infer(b"", content_length=5000), part)
    status, headers, body = connection.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert "2048" in json.loads(body)["error"]
    connection.send(part * 2 + b"0\r\n\r\n" if chunked else part * 4)  # which is read to its end, and dropped
    assert connection.closed()


def test_a_body_too_large_behind_a_slow_request(small):
    connection = Connection(small)
    connection.send(infer() + b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" + infer(b"x" * 5000) + LIVE)
    assert [connection.answer()[0] for _ in range(4)] == [200, 200, 413, 0]


def test_a_client_that_asks_and_does_not_read(small):
    """Its questions wait, and others are answered."""
    asking = Connection(small)
    asking.socket.settimeout(0.5)
    questions = [b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 100] * 100_000
    with pytest.raises(TimeoutError):
        asking.send(*questions)
    other = Connection(small)
    other.send(LIVE)
    assert other.answer()[0] == 200
    asking.socket.settimeout(20)
    assert asking.answer()[0] == 200


@pytest.mark.parametrize(("length", "status"), [(b"0" * 5000 + b"%d" % len(BODY), 200), (b"9" * 5000, 413)])
def test_lengths_of_thousands_of_digits(server, length, status):
    """Some of which are too much for the parser already."""
    connection = Connection(server.http_port)
    connection.send(infer(content_length=length))
    assert connection.answer()[0] in (status, 400)
