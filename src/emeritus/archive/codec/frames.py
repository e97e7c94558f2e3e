"""One frame, to a payload and back."""

import numpy as np

from emeritus.archive.codec import columns, fields, numbers, planes
from emeritus.archive.codec.packing import pack, repeats, unpack
from emeritus.archive.codec.schemes import RAW, Encoding, Scheme, Undecodable
from emeritus.archive.ports import Bytes

FRAME = 2 << 20
MAX_FRAME = 4 << 20
SHORT = 2 << 10
"""What is shorter is not worth a model."""
REPEATING = {Encoding.NUMBERS, Encoding.FIELDS, Encoding.COLUMNS}
"""Encodings that do not see when whole rows repeat, as those of unused words do."""
SURE = 0.75
"""A difference that leaves less than this of what it was expected to leave alone needs no comparison."""
_HALF = 0.5  # nor does one that leaves less than this of the bytes


def frame_size(stride: int) -> int:
    """Return the length of the frames of an object whose blocks are *stride* bytes long."""
    return FRAME // stride * stride if 0 < stride <= FRAME else FRAME


def encode(scheme: Scheme, raw: Bytes, base: Bytes | None = None) -> tuple[Encoding, bytes]:
    """Return *raw* written by *scheme*, and how it was written; as it is when that is not smaller.

    A difference is written against *base*; where *base* is None or alone is smaller, alone.
    """
    if scheme.needs_base:
        if base is None or len(base) == 0 or len(raw) < SHORT:
            return encode(scheme.alone or RAW, raw)
        payload = numbers.encode(raw, scheme.stride, scheme.row, base, most=scheme.contexts)
        if len(payload) < len(raw) * max(_HALF, SURE * scheme.alone.share if scheme.alone else 0):
            return scheme.encoding, payload
        return min(
            (scheme.encoding, payload), encode(scheme.alone or RAW, raw), key=lambda done: len(done[1])
        )
    encoding, payload = _alone(scheme, raw)
    if encoding in REPEATING and repeats(raw, len(payload) / len(raw)):
        encoding, payload = min(
            (encoding, payload), (Encoding.ZSTD, pack(raw)), key=lambda done: len(done[1])
        )
    return (encoding, payload) if len(payload) < len(raw) else (Encoding.RAW, bytes(raw))


def _alone(scheme: Scheme, raw: Bytes) -> tuple[Encoding, bytes]:
    encoding = scheme.encoding
    if encoding is Encoding.RAW or len(raw) < max(1, scheme.stride):
        return Encoding.RAW, bytes(raw)
    if encoding in REPEATING and len(raw) < SHORT:
        rotates = encoding is Encoding.NUMBERS and scheme.stride in planes.ROTATED
        encoding = Encoding.ROTATED_PLANES if rotates else Encoding.PLANES
    match encoding:
        case Encoding.NUMBERS:
            return encoding, numbers.encode(raw, scheme.stride, scheme.row)
        case Encoding.FIELDS:
            return encoding, fields.encode(raw, scheme.fields, scheme.hints)
        case Encoding.COLUMNS:
            found = Encoding.FIELDS, fields.encode(raw, scheme.fields, scheme.hints)
            columned = columns.encode(raw, columns.BITS[scheme.fields], scheme.row)
            return found if columned is None or len(columned) >= len(found[1]) else (encoding, columned)
        case Encoding.PLANES | Encoding.ROTATED_PLANES:
            rotated = encoding is Encoding.ROTATED_PLANES
            return encoding, planes.encode(raw, scheme.fields, rotated=rotated)
    return Encoding.ZSTD, pack(raw, level=scheme.level)


def decode(encoding: Encoding, payload: Bytes, length: int, base: Bytes | None = None) -> bytes:
    """Return the *length* bytes that were written as *payload* (against *base*, for a difference).

    Raises:
        Undecodable: when these are not bytes that `encode` wrote.
    """
    if encoding is Encoding.RAW:
        if len(payload) != length:
            raise Undecodable(f"{len(payload)} bytes instead of {length}")
        return bytes(payload)
    if encoding is Encoding.ZSTD:
        return unpack(payload, length)
    out = bytearray(length)
    decode_into(encoding, payload, memoryview(out), base)
    return bytes(out)


def decode_into(encoding: Encoding, payload: Bytes, out: memoryview, base: Bytes | None = None) -> None:
    """Fill *out* (writable bytes) with what was written as *payload*.

    When it raises, *out* holds anything.

    Raises:
        Undecodable: when these are not bytes that `encode` wrote, or a difference comes without base.
    """
    if encoding.needs_base and base is None:
        raise Undecodable("a difference without its base")
    match encoding:
        case Encoding.RAW | Encoding.ZSTD:
            out[:] = decode(encoding, payload, len(out))
        case Encoding.PLANES | Encoding.ROTATED_PLANES:
            planes.decode_into(
                payload, np.frombuffer(out, np.uint8), rotated=encoding is Encoding.ROTATED_PLANES
            )
        case Encoding.NUMBERS:
            numbers.decode_into(payload, np.frombuffer(out, np.uint8))
        case Encoding.FIELDS:
            fields.decode_into(payload, np.frombuffer(out, np.uint8))
        case Encoding.COLUMNS:
            columns.decode_into(payload, np.frombuffer(out, np.uint8))
        case Encoding.DIFFERENCE:
            numbers.decode_into(payload, np.frombuffer(out, np.uint8), base)
