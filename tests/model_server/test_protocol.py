"""The messages of the gRPC endpoint are those of KServe's own package on the wire, and what is served beyond them."""

from google.protobuf import descriptor_pb2
from kserve.protocol.grpc import grpc_predict_v2_pb2 as kserve_pb

from model_server.grpc.described import POOL
from model_server.grpc.servicer import SERVICE
from model_server.grpc.v2_pb import FILE, pb

# The Open Inference Protocol's parameters that KServe lacks, and Triton's part of the repository extension.
BEYOND_KSERVE = {
    ("InferParameter", "double_param"),
    ("InferParameter", "uint64_param"),
    ("RepositoryModelLoadRequest", "triton_model_name"),
    ("RepositoryModelLoadRequest", "parameters"),
    ("RepositoryModelUnloadRequest", "triton_model_name"),
    ("RepositoryModelUnloadRequest", "parameters"),
}


def messages(found, path=""):
    """Every message by its path, the nested ones too."""
    for message in found:
        name = f"{path}{message.name}"
        yield name, message
        yield from messages(message.nested_type, f"{name}.")


def fields(file):
    """(message, field) → number, type, label, type's name, oneof, and whether the message is a map's entry."""
    return {
        (path, field.name): (
            *(field.number, field.type, field.label, field.type_name, field.HasField("oneof_index")),
            message.options.map_entry,
        )
        for path, message in messages(file.message_type)
        for field in message.field
    }


def test_every_message_of_kserve_has_the_same_bytes():
    theirs = descriptor_pb2.FileDescriptorProto()
    kserve_pb.DESCRIPTOR.CopyToProto(theirs)
    assert (FILE.package, FILE.syntax) == (theirs.package, theirs.syntax)
    known = {path for path, _ in messages(theirs.message_type)}
    assert known <= {path for path, _ in messages(FILE.message_type)}
    expected, found = fields(theirs), fields(FILE)
    assert {key: found.get(key) for key in expected} == expected
    assert {key for key in found.keys() - expected.keys() if key[0] in known} == BEYOND_KSERVE


def test_every_method_of_kserve_takes_and_gives_the_same():
    theirs, ours = kserve_pb.DESCRIPTOR.services_by_name["GRPCInferenceService"], POOL.FindServiceByName(SERVICE)
    assert theirs.full_name == ours.full_name

    def signatures(service):
        copy = descriptor_pb2.ServiceDescriptorProto()
        service.CopyToProto(copy)
        for method in copy.method:
            method.ClearField("options")
        return {method.name: method.SerializeToString() for method in copy.method}

    expected, found = signatures(theirs), signatures(ours)
    assert found == expected | {"RepositoryIndex": found["RepositoryIndex"]}


def test_a_message_of_kserves_reads_as_ours_and_back():
    asked = kserve_pb.ModelInferRequest(model_name="loan", id="7", raw_input_contents=[b"\0" * 8])
    tensor = asked.inputs.add(name="Age", datatype="FP64", shape=[1])
    tensor.parameters["unit"].string_param = "years"
    content = asked.SerializeToString(deterministic=True)
    read = pb.ModelInferRequest.FromString(content)
    assert (read.inputs[0].parameters["unit"].string_param, list(read.inputs[0].shape)) == ("years", [1])
    assert read.SerializeToString(deterministic=True) == content
