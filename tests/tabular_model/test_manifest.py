"""A manifest is read back as it was written, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_model.errors import IntegrityError
from tabular_model.manifest import Manifest, sha256
from tests.tabular_model.versions import manifest

CONTENT = manifest("v1", {"model.onnx": sha256(b"model")}).encode()


def test_it_is_read_back_as_it_was_written():
    assert Manifest.decode(CONTENT, "v1/manifest.json").encode() == CONTENT


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position, change):
    changed = bytearray(CONTENT)
    changed[position] ^= change
    with pytest.raises(IntegrityError, match=r"v1/manifest\.json"):
        Manifest.decode(bytes(changed), "v1/manifest.json")


@given(st.integers(0, len(CONTENT) - 1))
def test_a_cut_manifest_is_refused(length):
    with pytest.raises(IntegrityError):
        Manifest.decode(CONTENT[:length], "v1/manifest.json")


def test_files_are_checked_by_name():
    read = Manifest.decode(CONTENT, "v1/manifest.json")
    read.check("model.onnx", b"model", "v1/model.onnx")
    for name, content in (("model.onnx", b"mode1"), ("other", b"model")):
        with pytest.raises(IntegrityError, match=name):
            read.check(name, content, f"v1/{name}")
