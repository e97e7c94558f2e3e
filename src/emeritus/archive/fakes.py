"""For tests and demonstrations: a blob store in memory, and small weights files of the real formats."""

import json
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import frozen

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.ports import Bytes, Check, Put, blob_path


class MemoryBlobs:
    """Blobs in a dictionary. ``held`` is open to tests that want to damage something."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put_if_absent(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> bool:
        blob_path(path)
        if path in self.held:
            return False
        data = _collect(chunks, check)
        with self._lock:
            return self.held.setdefault(path, data) is data

    def replace(self, path: str, chunks: Iterable[Bytes], *, check: Check | None = None) -> None:
        self.held[blob_path(path)] = _collect(chunks, check)

    def put_together(self, puts: Sequence[Put]) -> list[bool]:
        new = []
        for put in puts:
            if put.replace:
                self.replace(put.path, put.chunks, check=put.check)
                new.append(True)
            else:
                new.append(self.put_if_absent(put.path, put.chunks, check=put.check))
        return new

    def delete(self, path: str) -> bool:
        return self.held.pop(blob_path(path), None) is not None

    def get(self, path: str) -> Iterator[bytes]:
        yield self._data(path)

    def get_range(self, path: str, start: int, end: int) -> bytes:
        data = self._data(path)
        if end > len(data):
            raise BlobUnreadable(
                f"The blob {path} ends after {len(data)} bytes, before byte {end}.",
                next_step="Repair it from a replica, or archive the model again.",
            )
        return data[start:end]

    def peek(self, path: str, length: int) -> tuple[bytes, int]:
        data = self._data(path)
        return data[:length], len(data)

    def size(self, path: str) -> int:
        return len(self._data(path))

    def exists(self, path: str) -> bool:
        return blob_path(path) in self.held

    def list(self, prefix: str = "") -> Iterator[str]:
        if prefix:
            blob_path(prefix)
        yield from sorted(path for path in list(self.held) if not prefix or path.startswith(prefix + "/"))

    def sweep(self) -> int:
        return 0

    def _data(self, path: str) -> bytes:
        try:
            return self.held[blob_path(path)]
        except KeyError:
            raise BlobMissing(
                f"The store holds no blob {path}.", next_step="Check the store's address."
            ) from None


def _collect(chunks: Iterable[Bytes], check: Check | None) -> bytes:
    data = b"".join(bytes(chunk) for chunk in chunks)
    if check is not None:
        check(lambda start, end: data[start:end], len(data))
    return data


@frozen
class FakeTensor:
    """A tensor to put into a fake weights file; *dtype* is its name (safetensors) or number (GGUF)."""

    name: str
    dtype: str | int
    shape: tuple[int, ...]
    data: bytes


Value: TypeAlias = bool | int | float | str | Sequence[str] | Sequence[int]


def safetensors_bytes(tensors: Iterable[FakeTensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a safetensors file of *tensors* in this order."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    body = bytearray()
    for tensor in tensors:
        offsets = [len(body), len(body) + len(tensor.data)]
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        body += tensor.data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def gguf_bytes(
    tensors: Iterable[FakeTensor], metadata: Mapping[str, Value] | None = None, *, alignment: int = 32
) -> bytes:
    """Return a GGUF file, version 3, of *tensors* in this order; *alignment* must be in *metadata* too."""
    held, pairs = list(tensors), dict(metadata or {})
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(held), len(pairs)))
    for key, value in pairs.items():
        out += _gguf_text(key) + _gguf_value(value)
    body = bytearray()
    for tensor in held:
        out += _gguf_text(tensor.name) + struct.pack("<I", len(tensor.shape))
        out += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
        out += struct.pack("<IQ", int(tensor.dtype), len(body))
        body += tensor.data + bytes(-len(tensor.data) % alignment)
    return bytes(out) + bytes(-len(out) % alignment) + bytes(body)


def _gguf_text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _gguf_value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _gguf_text(value)
    texts = [item for item in value if isinstance(item, str)]
    if texts:
        return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(map(_gguf_text, texts))
    return struct.pack("<IIQ", 9, 4, len(value)) + b"".join(struct.pack("<I", item) for item in value)
