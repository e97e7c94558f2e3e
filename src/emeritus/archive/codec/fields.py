"""Blocks of fields, such as those of a quantised type: each field's bytes together, and coded as numbers.

What a block's scale is tells how its quants are spread: a field may be coded with another as its hint.
"""

import struct
from itertools import accumulate

import numpy as np

from emeritus.archive.codec import numbers
from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.packing import pack, repeats, unpack
from emeritus.archive.codec.schemes import Undecodable
from emeritus.archive.ports import Bytes

NO_HINT = 255
_RAW, _ZSTD, _NUMBERS = 0, 1, 2
_COUNT = struct.Struct("<H")
_FIELD = struct.Struct("<BBHI")
_KEEP = 0.998
_SHORT = 32 << 10  # what is shorter is not worth a model


def encode(raw: Bytes, fields: tuple[int, ...], hints: tuple[int, ...]) -> bytes:
    """Return the payload of *raw*, blocks of *fields*; *hints*: the field that tells of each, or NO_HINT."""
    data = np.frombuffer(raw, np.uint8)
    stride = sum(fields)
    count = data.size // stride
    planes = split(data, fields)
    table, kept = [_COUNT.pack(len(fields))], []
    for plane, width, hint in zip(planes, fields, hints, strict=True):
        whole = plane.tobytes()
        if len(whole) < _SHORT:
            kind, payload = _ZSTD, pack(whole, plane=True)
        else:
            told = None if hint == NO_HINT else planes[hint]
            kind, payload = _NUMBERS, numbers.encode(whole, 1, width, hints=told)
            if repeats(whole, len(payload) / len(whole)):
                kind, payload = min(
                    (kind, payload), (_ZSTD, pack(whole, plane=True)), key=lambda done: len(done[1])
                )
        if len(payload) >= len(whole) * _KEEP:
            kind, payload = _RAW, whole
        table.append(_FIELD.pack(kind, hint if kind == _NUMBERS else NO_HINT, width, len(payload)))
        kept.append(payload)
    return b"".join([*table, *kept, data[count * stride :].tobytes()])


def decode_into(payload: Bytes, out: Array) -> None:
    """Fill *out* (bytes) with what `encode` wrote. Raises Undecodable."""
    view = memoryview(payload)
    try:
        (number,) = _COUNT.unpack_from(payload)
        rows = [_FIELD.unpack_from(payload, _COUNT.size + n * _FIELD.size) for n in range(number)]
    except struct.error:
        raise Undecodable("the table of fields is cut off") from None
    widths = [width for _, _, width, _ in rows]
    stride = sum(widths)
    if not 1 <= stride <= out.size or 0 in widths:
        raise Undecodable(f"blocks of {stride} bytes in a frame of {out.size}")
    count = out.size // stride
    places = list(accumulate(widths, initial=0))
    starts = list(accumulate((size for *_, size in rows), initial=_COUNT.size + number * _FIELD.size))
    if len(payload) - starts[-1] != out.size - count * stride:
        raise Undecodable("a field is cut off")
    body = out[: count * stride].reshape(count, stride)
    planes: dict[int, Array] = {}
    for at in sorted(range(number), key=lambda at: rows[at][1] != NO_HINT):
        kind, hint, width, size = rows[at]
        hints = None
        if hint != NO_HINT:
            hints = planes.get(hint)
            if hints is None or hints.size != count:
                raise Undecodable("a field whose hint is not there")
        plane = _plane(kind, view[starts[at] : starts[at] + size], count * width, hints)
        if hint == NO_HINT:
            planes[at] = plane
        body[:, places[at] : places[at] + width] = plane.reshape(count, width)
    out[count * stride :] = np.frombuffer(view[starts[-1] :], np.uint8)


def split(data: Array, fields: tuple[int, ...]) -> list[Array]:
    """Return the bytes of each field of the blocks in *data*, side by side."""
    stride = sum(fields)
    body = data[: data.size // stride * stride].reshape(-1, stride)
    ends = list(accumulate(fields))
    return [
        np.ascontiguousarray(body[:, end - width : end]).reshape(-1)
        for end, width in zip(ends, fields, strict=True)
    ]


def _plane(kind: int, piece: memoryview, length: int, hints: Array | None) -> Array:
    if kind == _NUMBERS:
        out = np.empty(length, np.uint8)
        numbers.decode_into(piece, out, hints=hints)
        return out
    plane = np.frombuffer(unpack(piece, length) if kind == _ZSTD else piece, np.uint8)
    if kind > _NUMBERS or plane.size != length:
        raise Undecodable("a field that is too short")
    return plane
