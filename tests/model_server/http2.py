"""A peer that speaks HTTP/2 by hand, so that it can say what no client of gRPC says."""

import socket
import time
from typing import NamedTuple

from hpack import Decoder

from model_server.grpc import frames, headers

LIVE = b"/inference.GRPCInferenceService/ServerLive"
INFER = b"/inference.GRPCInferenceService/ModelInfer"
EMPTY = b"\0" * 5  # a message without fields
ENDS = frames.END_HEADERS | frames.END_STREAM


def request(path=LIVE, *more, method=b"POST", content_type=b"application/grpc"):
    """The block of a request's head."""
    pseudo = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    fields = [(b"te", b"trailers"), *([(b"content-type", content_type)] if content_type else []), *more]
    return headers.write([*pseudo, *fields])


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    content: bytes


class Ended(NamedTuple):
    """How a stream ended: the fields of its heads, its data, and the code of a reset, if that was its end."""

    fields: dict[bytes, bytes]
    data: bytes
    code: int | None


class Peer:
    """One connection, on which the preface has been sent."""

    def __init__(self, port, settings=b"", preface=frames.PREFACE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.send(preface, frames.frame(frames.SETTINGS, 0, 0, settings) if preface else b"")
        self._rest = b""
        self._decoder = Decoder()
        self._opened: dict[int, tuple[dict[bytes, bytes], bytearray]] = {}
        self._ended: dict[int, Ended] = {}
        self.gone_away: list[tuple[int, int, bytes]] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def call(self, stream, path=LIVE, message=EMPTY, *fields):
        self.send(
            frames.frame(frames.HEADERS, frames.END_HEADERS, stream, request(path, *fields)),
            frames.data_frames(stream, message),
            frames.frame(frames.DATA, frames.END_STREAM, stream),
        )

    def frames(self):
        """What comes, until the server closes."""
        while True:
            while len(self._rest) < 9 or len(self._rest) < 9 + int.from_bytes(self._rest[:3], "big"):
                try:
                    part = self.socket.recv(2**16)
                except ConnectionResetError:
                    return
                if not part:
                    return
                self._rest += part
            high, low, kind, flags, stream = frames.HEAD.unpack_from(self._rest)
            end = 9 + (high << 16 | low)
            content, self._rest = self._rest[9:end], self._rest[end:]
            yield Frame(kind, flags, stream, content)

    def ended(self, stream):
        """How a stream ended; those that ended before it are kept for who asks for them."""
        if stream in self._ended:
            return self._ended.pop(stream)
        for each in self.frames():
            fields, data = self._opened.setdefault(each.stream, ({}, bytearray()))
            if each.kind == frames.HEADERS:
                fields.update(self._decoder.decode(each.content, raw=True))
            elif each.kind == frames.DATA:
                data += each.content
            elif each.kind == frames.GOAWAY:
                self._goaway(each.content)
            code = int.from_bytes(each.content, "big") if each.kind == frames.RST_STREAM else None
            if each.stream and (code is not None or each.flags & frames.END_STREAM):
                if each.stream == stream:
                    return Ended(fields, bytes(data), code)
                self._ended.setdefault(each.stream, Ended(fields, bytes(data), code))
        raise ConnectionError(f"closed: {self.gone_away}")

    def closed(self):
        """The code and the sentence with which the server ends the connection."""
        for each in self.frames():
            if each.kind == frames.GOAWAY:
                self._goaway(each.content)
        return self.gone_away[-1][1:] if self.gone_away else None

    def status(self, stream):
        """The status and the sentence of a call."""
        fields = self.ended(stream).fields
        return int(fields[b"grpc-status"]), fields.get(b"grpc-message", b"").decode()

    def _goaway(self, content):
        last, code = (int.from_bytes(content[at : at + 4], "big") for at in (0, 4))
        self.gone_away.append((last, code, content[8:]))


def answers(server):
    """Whether a new peer is answered, within two seconds."""
    began = time.monotonic()
    with Peer(server.grpc_port) as peer:
        peer.call(1)
        return peer.status(1)[0] == 0 and time.monotonic() - began < 2
