"""Frames: runs of at most 4 MiB, each in the smallest of a few documented encodings, and back.

See docs/reference/archive-format.md, which a stranger can decode by without this module.
"""

import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from enum import IntEnum
from typing import Any, TypeAlias, TypeVar

import numpy as np
import zstandard
from attrs import frozen

from emeritus.archive.containers.layout import Span
from emeritus.archive.ports import Bytes

FRAME = 2 << 20
MAX_FRAME = 4 << 20
SAMPLE = 32 << 10
_KEEP = 0.995  # an encoding that saves less than this costs more time than it is worth
_COUNT = struct.Struct("<H")
_PLANE = struct.Struct("<BHI")
_WORDS: dict[int, "np.dtype[np.unsignedinteger[Any]]"] = {
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<u8"),
}

Plane: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Encoding(IntEnum):
    """How a frame is written. Numbers 16 to 31 are reserved for differences against another object."""

    RAW = 0
    ZSTD = 1
    PLANES = 2
    ROTATED_PLANES = 3


@frozen
class Scheme:
    """An encoding, and the widths in bytes of the fields that repeat, where the encoding parts them."""

    encoding: Encoding
    fields: tuple[int, ...] = ()

    @property
    def stride(self) -> int:
        return sum(self.fields)


RAW = Scheme(Encoding.RAW)
ZSTD = Scheme(Encoding.ZSTD)


class Undecodable(ValueError):
    """Bytes that no encoder of this format wrote."""


def candidates(span: Span) -> tuple[Scheme, ...]:
    """Return the schemes worth trying on *span*, the fastest to decode first."""
    if span.kind == "bytes":  # may be a tensor file of another format, whose elements are aligned
        return RAW, ZSTD, Scheme(Encoding.ROTATED_PLANES, (1,) * 2), Scheme(Encoding.ROTATED_PLANES, (1,) * 4)
    schemes = [RAW, ZSTD]
    if span.stride > 1:
        schemes.append(Scheme(Encoding.PLANES, span.fields))
    if span.is_float:
        schemes.append(Scheme(Encoding.ROTATED_PLANES, span.fields))
    return tuple(schemes)


def choose(schemes: Sequence[Scheme], samples: Sequence[Bytes]) -> Scheme:
    """Return the scheme that makes *samples* smallest; raw when none of them helps."""
    total = sum(len(sample) for sample in samples)
    best, least = RAW, total * _KEEP
    for scheme in schemes:
        if scheme.encoding is not Encoding.RAW:
            size = sum(len(encode(scheme, sample)[1]) for sample in samples)
            if size < least:
                best, least = scheme, size
    return best


def frame_size(stride: int) -> int:
    """Return the length of the frames of an object whose blocks are *stride* bytes long."""
    return FRAME // stride * stride if 0 < stride <= FRAME else FRAME


def encode(scheme: Scheme, raw: Bytes) -> tuple[Scheme, bytes]:
    """Return *raw* written by *scheme*, or as it is when that is not smaller, and how it was written."""
    if scheme.encoding is Encoding.RAW or len(raw) < scheme.stride:
        return RAW, bytes(raw)
    if scheme.encoding is Encoding.ZSTD:
        payload = _compress(raw)
    else:
        payload = _encode_planes(raw, scheme.fields, rotated=scheme.encoding is Encoding.ROTATED_PLANES)
    return (scheme, payload) if len(payload) < len(raw) else (RAW, bytes(raw))


def decode(encoding: Encoding, payload: bytes, length: int) -> bytes:
    """Return the *length* bytes that were written as *payload*.

    Raises:
        Undecodable: when these are not bytes that `encode` wrote.
    """
    match encoding:
        case Encoding.RAW:
            raw = payload
        case Encoding.ZSTD:
            raw = _decompress(payload, length)
        case Encoding.PLANES | Encoding.ROTATED_PLANES:
            raw = _decode_planes(payload, length, rotated=encoding is Encoding.ROTATED_PLANES)
    if len(raw) != length:
        raise Undecodable(f"{len(raw)} bytes instead of {length}")
    return raw


def ordered(pool: Executor, work: Callable[[_In], _Out], items: Iterable[_In], ahead: int) -> Iterator[_Out]:
    """Yield ``work(item)`` for each item in order, with at most *ahead* of them under way."""
    waiting: deque[Future[_Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _encode_planes(raw: Bytes, fields: tuple[int, ...], *, rotated: bool) -> bytes:
    data = np.frombuffer(raw, np.uint8)
    stride = sum(fields)
    count = data.size // stride
    body = data[: count * stride]
    if rotated:
        words = body.view(_WORDS[stride])
        turned = (words << 1) | (words >> (stride * 8 - 1))
        body = turned.astype(_WORDS[stride], copy=False).view(np.uint8)
    table, planes = [_COUNT.pack(len(fields))], []
    for at, width in _places(fields):
        plane = np.ascontiguousarray(body.reshape(count, stride)[:, at : at + width]).reshape(-1)
        packed = _compress(plane.data, plane=True)
        kept = packed if len(packed) < plane.size * _KEEP else plane.tobytes()
        table.append(_PLANE.pack(kept is packed, width, len(kept)))
        planes.append(kept)
    return b"".join([*table, *planes, data[count * stride :].tobytes()])


def _decode_planes(payload: bytes, length: int, *, rotated: bool) -> bytes:
    view = memoryview(payload)
    try:
        (number,) = _COUNT.unpack_from(payload)
        rows = [_PLANE.unpack_from(payload, _COUNT.size + n * _PLANE.size) for n in range(number)]
    except struct.error:
        raise Undecodable("the table of planes is cut off") from None
    fields = tuple(width for _, width, _ in rows)
    stride = sum(fields)
    if not 1 <= stride <= length or 0 in fields or (rotated and stride not in _WORDS):
        raise Undecodable(f"planes of {stride} bytes in a frame of {length}")
    count = length // stride
    out = np.empty(length, np.uint8)
    body = out[: count * stride]
    at = _COUNT.size + number * _PLANE.size
    for (packed, _, size), (place, width) in zip(rows, _places(fields), strict=True):
        piece = view[at : at + size]
        at += size
        if packed > 1 or len(piece) != size:
            raise Undecodable("a plane is cut off")
        plane = np.frombuffer(_decompress(piece, count * width) if packed else piece, np.uint8)
        if plane.size != count * width:
            raise Undecodable("a plane is too short")
        body.reshape(count, stride)[:, place : place + width] = plane.reshape(count, width)
    if len(payload) - at != length - count * stride:
        raise Undecodable("the tail is cut off")
    if rotated:
        words = body.view(_WORDS[stride])
        words[:] = (words >> 1) | (words << (stride * 8 - 1))
    out[count * stride :] = np.frombuffer(view[at:], np.uint8)
    return out.tobytes()


def _places(fields: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield where each field begins in its block, and its width."""
    at = 0
    for width in fields:
        yield at, width
        at += width


_contexts = threading.local()


def _compress(data: Bytes, *, plane: bool = False) -> bytes:
    if not hasattr(_contexts, "text"):
        # In a plane of numbers, matches are accidents: look for long ones only, and count on Huffman.
        numbers = zstandard.ZstdCompressionParameters.from_level(1, min_match=7, hash_log=6)
        _contexts.text = zstandard.ZstdCompressor(level=1)
        _contexts.plane = zstandard.ZstdCompressor(compression_params=numbers)
    packed: bytes = (_contexts.plane if plane else _contexts.text).compress(data)
    return packed


def _decompress(data: Bytes, length: int) -> bytes:
    try:
        if zstandard.frame_content_size(data) != length:
            raise Undecodable("a zstd frame of another length")
        if not hasattr(_contexts, "unpack"):
            _contexts.unpack = zstandard.ZstdDecompressor(max_window_size=8 << 20)
        raw: bytes = _contexts.unpack.decompress(data, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as why:
        raise Undecodable(str(why)) from why
    return raw
