"""Bodies that are compressed: requests in gzip, deflate and zstd, and answers in gzip."""

import gzip
import sys
import zlib
from collections.abc import Callable

from model_server.errors import InvalidInput, TooLarge, UnsupportedMediaType

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RATIO = 200  # of a body's size unpacked to the one that came: JSON of the same row again and again reaches 150
FREE_BYTES = 64 * 1024  # that any body may have unpacked, whatever its ratio
PACKED_BYTES = 4 * 1024  # from which an answer is worth compressing: it goes in more than three packets
WINDOW_LOG = 27  # of zstd: what is unpacked may refer 128 MB back, as its own tools allow
LEVEL = 1  # of gzip: four times as fast as the usual one, for a tenth more bytes

Unpack = Callable[[bytes, int], bytes]


def unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """The body of a Content-Encoding; InvalidInput where it is broken, TooLarge above `limit` bytes or `RATIO`."""
    unpack = _CODINGS.get(coding.strip().lower())
    if unpack is None:
        raise UnsupportedMediaType(
            f"Content-Encoding is '{coding}'; send the body uncompressed, or in {', '.join(_NAMED)}."
        )
    most = min(limit, max(FREE_BYTES, RATIO * len(body)))
    try:
        content = unpack(body, most)
    except (zlib.error, zstd.ZstdError) as error:
        raise InvalidInput(f"The body is not valid {coding}, its Content-Encoding: {error}.") from None
    if len(content) > most:
        why = "the most that this server accepts" if most == limit else f"{RATIO} times its compressed size"
        raise TooLarge(f"The body has more than {most} bytes after decompression, {why}.")
    return content


def packed(body: bytes) -> bytes:
    """The answer in gzip."""
    return gzip.compress(body, LEVEL, mtime=0)


def _gzip(body: bytes, most: int) -> bytes:
    return _inflated(body, most, zlib.MAX_WBITS | 16)


def _deflate(body: bytes, most: int) -> bytes:
    try:
        return _inflated(body, most, zlib.MAX_WBITS)
    except zlib.error:
        return _inflated(body, most, -zlib.MAX_WBITS)  # as some clients understand the word


def _inflated(body: bytes, most: int, window: int) -> bytes:
    inflater = zlib.decompressobj(window)
    content = inflater.decompress(body, most + 1)
    if len(content) <= most and not inflater.eof:
        raise zlib.error("it is cut off")
    return content


def _zstd(body: bytes, most: int) -> bytes:
    decompressor = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})
    content = decompressor.decompress(body, most + 1)
    if len(content) <= most and not decompressor.eof:
        raise zstd.ZstdError("it is cut off")
    if decompressor.unused_data:
        raise zstd.ZstdError("it contains more than one frame")
    return content


_CODINGS: dict[str, Unpack] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "identity": lambda body, _: body,
}
_NAMED = ("gzip", "deflate", "zstd")
