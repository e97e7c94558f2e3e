"""Stores and small sources for the archive's tests."""

from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from emeritus.archive import MemoryBlobs, inspect
from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes
from emeritus.store.blobs import FolderBlobs, ObjectStoreBlobs, open_blobs


def make_store(kind, folder: Path):
    match kind:
        case "memory":
            return MemoryBlobs()
        case "folder":
            return FolderBlobs(folder)
        case "obstore-memory":
            return ObjectStoreBlobs(MemoryStore())
        case "obstore-folder":
            return ObjectStoreBlobs(LocalStore(folder, mkdir=True))
    raise AssertionError(kind)


@pytest.fixture(params=["memory", "folder", "obstore-memory", "obstore-folder", "s3"])
def any_blobs(request, tmp_path):
    """Every adapter in turn; the last over S3's protocol, on loopback."""
    if request.param == "s3":
        server, bucket = request.getfixturevalue("object_store"), request.getfixturevalue("bucket")
        return open_blobs(server.url(bucket))
    return make_store(request.param, tmp_path / "store")


@pytest.fixture
def blobs():
    return MemoryBlobs()


@pytest.fixture
def folder_blobs(tmp_path):
    return FolderBlobs(tmp_path / "store")


@pytest.fixture
def gguf_file(tmp_path):
    """A small GGUF file with quantised and float tensors."""
    tensors = [
        FakeTensor("token_embd.weight", 8, (64, 32), bytes(range(256)) * 8 + bytes(128)),
        FakeTensor("norm.weight", 0, (7,), b"\x00\x00\x80\x3f" * 7),
        FakeTensor("ffn.weight", 3, (64, 200), bytes((i * 7) % 251 for i in range(8000))),
    ]
    metadata = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.license": "apache-2.0",
        "llama.context_length": 2048,
        "tokenizer.ggml.tokens": ["a", "b", "c"],
        "tokenizer.chat_template": "{{ messages }}",
    }
    path = tmp_path / "source" / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(gguf_bytes(tensors, metadata))
    return path


@pytest.fixture
def source(gguf_file):
    return inspect(gguf_file)


@pytest.fixture
def model_folder(tmp_path):
    """A sharded safetensors model with its index, config and tokenizer."""
    folder = tmp_path / "model"
    folder.mkdir()
    first = [
        FakeTensor("a", "BF16", (40, 50), bytes(range(200)) * 20),
        FakeTensor("none", "F32", (0, 3), b""),
    ]
    second = [FakeTensor("b", "F32", (100, 10), b"\x01\x02\x80\xbf" * 1000)]
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    (folder / one).write_bytes(safetensors_bytes(first, {"format": "pt"}))
    (folder / two).write_bytes(safetensors_bytes(second))
    (folder / "model.safetensors.index.json").write_text(
        f'{{"metadata": {{}}, "weight_map": {{"a": "{one}", "none": "{one}", "b": "{two}"}}}}'
    )
    (folder / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 512}'
    )
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "merges.txt").write_text("a b\n" * 100)
    (folder / "empty.txt").write_bytes(b"")
    return folder


def sign(data: bytes) -> bytes:
    return b"signed:" + data[-8:]
