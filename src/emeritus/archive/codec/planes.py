"""Planes: what repeats is parted into its fields, and each field's bytes stand side by side."""

import struct
from collections.abc import Iterator

import numpy as np

from emeritus.archive.codec.arrays import WORDS, Array
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.packing import pack, unpack
from emeritus.archive.codec.schemes import Undecodable
from emeritus.archive.ports import Bytes

_KEEP = 0.995  # an encoding that saves less than this costs more time than it is worth
_COUNT = struct.Struct("<H")
_PLANE = struct.Struct("<BHI")

ROTATED = (2, 4, 8)


def encode(raw: Bytes, fields: tuple[int, ...], *, rotated: bool) -> bytes:
    """Return the payload of *raw*, made of blocks of *fields*."""
    data = np.frombuffer(raw, np.uint8)
    stride = sum(fields)
    count = data.size // stride
    body = data[: count * stride]
    if rotated:
        planes = loops().part(body.view(WORDS[stride]))
    else:
        planes = [
            np.ascontiguousarray(body.reshape(count, stride)[:, at : at + width]).reshape(-1)
            for at, width in _places(fields)
        ]
    table, parts = [_COUNT.pack(len(fields))], []
    for plane, width in zip(planes, fields, strict=True):
        packed = pack(plane.data, plane=True)
        kept = packed if len(packed) < plane.size * _KEEP else plane.data
        table.append(_PLANE.pack(kept is packed, width, len(kept)))
        parts.append(kept)
    return b"".join([*table, *parts, data[count * stride :].tobytes()])


def decode_into(payload: Bytes, out: Array, *, rotated: bool) -> None:
    """Fill *out* (bytes) with what was written as *payload*. Raises Undecodable."""
    view = memoryview(payload)
    length = out.size
    try:
        (number,) = _COUNT.unpack_from(payload)
        rows = [_PLANE.unpack_from(payload, _COUNT.size + n * _PLANE.size) for n in range(number)]
    except struct.error:
        raise Undecodable("the table of planes is cut off") from None
    fields = tuple(width for _, width, _ in rows)
    stride = sum(fields)
    if not 1 <= stride <= length or 0 in fields or (rotated and stride not in ROTATED):
        raise Undecodable(f"planes of {stride} bytes in a frame of {length}")
    count = length // stride
    body = out[: count * stride]
    at = _COUNT.size + number * _PLANE.size
    found = []
    for packed, width, size in rows:
        piece = view[at : at + size]
        at += size
        if packed > 1 or len(piece) != size:
            raise Undecodable("a plane is cut off")
        plane = np.frombuffer(unpack(piece, count * width) if packed else piece, np.uint8)
        if plane.size != count * width:
            raise Undecodable("a plane is too short")
        found.append(plane)
    if len(payload) - at != length - count * stride:
        raise Undecodable("the tail is cut off")
    if rotated and number == stride:
        loops().join(found, body)
    else:
        for plane, (place, width) in zip(found, _places(fields), strict=True):
            body.reshape(count, stride)[:, place : place + width] = plane.reshape(count, width)
        if rotated:
            words = body.view(WORDS[stride])
            words[:] = (words >> 1) | (words << (stride * 8 - 1))
    out[count * stride :] = np.frombuffer(view[at:], np.uint8)


def _places(fields: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield where each field begins in its block, and its width."""
    at = 0
    for width in fields:
        yield at, width
        at += width
