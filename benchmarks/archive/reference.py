"""Reference codecs, in numpy and zstandard: what is published on differences of weights, and its simplest form.

`PLANES` alone, `XOR` as BitX of ZipLLM (arXiv 2505.06252) does it, `INTEGER` in the spirit of FM-Delta: the integer
difference of two floats in the order of floats, zigzag. All of them turn the sign to the end, so that the exponent
fills a byte, part the bytes into planes and give each to zstd at level 1, in frames of 4 MiB on two threads.
"""

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import zstandard

FRAME = 4 << 20
THREADS = 2
LEVEL = 1

Kind = Literal["planes", "xor", "integer"]
Words = np.ndarray


@dataclass(frozen=True)
class Reference:
    """One of the three; *width* is the bytes of a number."""

    kind: Kind

    def pack(self, raw: bytes, width: int, base: bytes | None = None) -> bytes:
        """Return *raw* packed, against *base* of the same length unless this is `PLANES`."""
        data, against = _bytes_of(raw), _bytes_of(base)

        def one(start: int) -> bytes:
            return _pack(self.kind, data[start : start + FRAME], against[start : start + FRAME], width)

        with ThreadPoolExecutor(THREADS) as pool:
            frames = list(pool.map(one, range(0, len(raw), FRAME)))
        sizes = struct.pack(f"<QI{len(frames)}I", len(raw), len(frames), *map(len, frames))
        return b"".join([sizes, *frames])

    def unpack(self, packed: bytes, width: int, base: bytes | None = None) -> bytearray:
        """Return what `pack` was given."""
        length, count = struct.unpack_from("<QI", packed)
        sizes = struct.unpack_from(f"<{count}I", packed, 12)
        out = bytearray(length)
        data, against, view = np.frombuffer(out, np.uint8), _bytes_of(base), memoryview(packed)
        ends = np.cumsum([12 + 4 * count, *sizes]).tolist()

        def one(number: int) -> None:
            place = slice(number * FRAME, (number + 1) * FRAME)
            _unpack(self.kind, view[ends[number] : ends[number + 1]], data[place], against[place], width)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, range(count)))
        return out


PLANES = Reference("planes")
XOR = Reference("xor")
INTEGER = Reference("integer")


def in_order(words: Words) -> Words:
    """Return the bits of floats as integers in the order of the floats, one to one for every pattern."""
    top = words.dtype.type(1 << (words.itemsize * 8 - 1))
    return np.where(words & top, ~words, words | top)


def out_of_order(ordered: Words) -> Words:
    """Undo `in_order`."""
    top = ordered.dtype.type(1 << (ordered.itemsize * 8 - 1))
    return np.where(ordered & top, ordered ^ top, ~ordered)


def zigzag(difference: Words) -> Words:
    """Return signed numbers (modulo the word) as unsigned ones, small for those near zero."""
    bits = difference.itemsize * 8
    return (difference << 1) ^ (difference.view(f"<i{difference.itemsize}") >> (bits - 1)).view(
        difference.dtype
    )


def unzigzag(folded: Words) -> Words:
    """Undo `zigzag`."""
    return (folded >> 1) ^ (~(folded & 1) + folded.dtype.type(1))


def _pack(kind: Kind, data: Words, base: Words, width: int) -> bytes:
    whole = data.size // width * width
    words = data[:whole].view(f"<u{width}")
    if kind == "integer":
        words = zigzag(in_order(words) - in_order(base[:whole].view(words.dtype)))
    else:
        if kind == "xor":
            words = words ^ base[:whole].view(words.dtype)
        words = (words << 1) | (words >> (width * 8 - 1))
    table = words.view(np.uint8).reshape(-1, width)
    packer = zstandard.ZstdCompressor(level=LEVEL)
    planes = []
    for n in range(width):
        plane = np.ascontiguousarray(table[:, n])
        packed = packer.compress(plane.data)
        planes.append(packed if len(packed) < plane.size else plane.tobytes())
    return b"".join([struct.pack(f"<{width}I", *map(len, planes)), *planes, data[whole:].tobytes()])


def _unpack(kind: Kind, packed: memoryview, out: Words, base: Words, width: int) -> None:
    whole = out.size // width * width
    at = 4 * width
    words = out[:whole].view(f"<u{width}")
    table = words.view(np.uint8).reshape(-1, width)
    unpacker = zstandard.ZstdDecompressor()
    for n, size in enumerate(struct.unpack_from(f"<{width}I", packed)):
        piece = packed[at : at + size]
        plane = (
            piece if size == whole // width else unpacker.decompress(piece, max_output_size=whole // width)
        )
        table[:, n] = np.frombuffer(plane, np.uint8)
        at += size
    if kind == "integer":
        words[:] = out_of_order(unzigzag(words) + in_order(base[:whole].view(words.dtype)))
    else:
        words[:] = (words >> 1) | (words << (width * 8 - 1))
        if kind == "xor":
            words ^= base[:whole].view(words.dtype)
    out[whole:] = np.frombuffer(packed[at:], np.uint8)


def _bytes_of(data: bytes | None) -> Words:
    return np.frombuffer(data or b"", np.uint8)


def tensors(raw: bytes) -> Iterator[tuple[str, str, int, int]]:
    """Yield name, dtype, begin and end of each tensor of a safetensors file held in memory."""
    import json

    (length,) = struct.unpack_from("<Q", raw)
    start = 8 + length
    for name, facts in json.loads(raw[8:start]).items():
        if name != "__metadata__":
            begin, end = facts["data_offsets"]
            yield name, facts["dtype"], start + begin, start + end
