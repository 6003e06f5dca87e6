"""Asks a server through tritonclient, REST and gRPC: `triton_clients.py HTTP_ADDRESS GRPC_ADDRESS`."""

import sys

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

ROWS = np.array([[41, 82000, 715, 15000, 5, 3, 0], [np.nan, 31000, 410, 48000, 25, 12, 1]], dtype=np.float64)


def ask(module, client, **binary):
    item = module.InferInput("applications", list(ROWS.shape), "FP64")
    item.set_data_from_numpy(ROWS, **binary)
    names = ("probability", "decision", "reason_codes")
    wanted = [module.InferRequestedOutput(name, **binary) for name in names]
    answer = client.infer("loan", [item], model_version="v1", outputs=wanted, request_id="t-1")
    return answer.as_numpy("probability"), answer.as_numpy("decision"), answer.as_numpy("reason_codes")


def check_repository(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("loan")
    assert client.is_model_ready("loan", "v2")
    client.load_model("loan")


def main(http_address, grpc_address):
    http = triton_http.InferenceServerClient(http_address)
    grpc = triton_grpc.InferenceServerClient(grpc_address)
    for client in (http, grpc):
        check_repository(client)
    assert {entry["version"] for entry in http.get_model_repository_index()} == {"v1", "v2"}
    assert {entry.version for entry in grpc.get_model_repository_index().models} == {"v1", "v2"}
    answers = [
        ask(triton_http, http, binary_data=True),
        ask(triton_http, http, binary_data=False),
        ask(triton_grpc, grpc),
    ]
    for answer in answers:
        for one, other in zip(answer, answers[0], strict=True):
            assert one.shape == other.shape
            assert one.astype(str).tolist() == other.astype(str).tolist()
    print("all equal")


if __name__ == "__main__":
    main(*sys.argv[1:])
