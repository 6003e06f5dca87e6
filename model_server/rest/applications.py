"""Requests of protocols that know applications, and no tensors: plain JSON and V1."""

from model_server.codecs import plain, v1
from model_server.codecs.records import Expected
from model_server.predictions import Decode, Decoded
from model_server.repository import Served
from model_server.rest.http import JSON, Response, smaller, version_header
from model_server.rest.routing import Call
from model_server.tensors import InferResponse


def expected(served: Served) -> Expected:
    """What the version takes."""
    signature = served.signature
    return Expected(signature.columns, signature.words, signature.ignores_extra, signature.id)


def decoding(decode: plain.Decode, encode: plain.Encode) -> Decode[Call, Response]:
    """By a codec; the query's `explain` asks for reasons."""

    def decoded(call: Call, served: Served) -> Decoded[Response]:
        request = decode(call.request.content(), expected(served), call.flag("explain"))

        def respond(response: InferResponse) -> Response:
            answer = Response(200, encode(response), JSON, version_header(response.model_version))
            return smaller(call.request, answer)

        return request, respond

    return decoded


ONE = decoding(plain.decode_one, plain.encode_one)
MANY = decoding(plain.decode_batch, plain.encode_batch)
INSTANCES = decoding(v1.decode, plain.encode_batch)
