"""Frames of numbers: a model, then each number as an entropy-coded token and raw bits."""

import struct

import numpy as np

from emeritus.archive.codec import alone, difference
from emeritus.archive.codec.arrays import WORDS, Array
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.model import Model
from emeritus.archive.codec.packing import pack, unpack
from emeritus.archive.codec.plain import LOW, PAD
from emeritus.archive.codec.plans import MOST
from emeritus.archive.codec.schemes import Undecodable
from emeritus.archive.codec.scratch import scratch
from emeritus.archive.ports import Bytes

_HEAD = struct.Struct("<BBBxIII")
_PACKED = 1
_MAX_LANES = 10
_MAX_MODEL = 8 << 20


def encode(
    raw: Bytes,
    width: int,
    row: int,
    base: Bytes | None = None,
    hints: Array | None = None,
    most: int = MOST,
) -> bytes:
    """Return the payload of *raw*, numbers of *width* bytes in rows of *row*.

    Against *base*, if any, in at most so many contexts.
    *hints*, one byte to each row, are something that the decoder knows and that tells of the row.
    """
    count = len(raw) // width
    numbers = words(raw, width)
    if base is None:
        plan = alone.plan(numbers, row, hints)
    else:
        plan = difference.plan(numbers, against(base, numbers.dtype, count), row, most)
    tables = loops().tables(plan.model)
    lanes = 1 << min(8, max(0, int(plan.size).bit_length() - 10))
    states, stream = loops().spell(plan.codes, plan.index, tables, lanes, plan.rows)
    bits = loops().write(plan.values, plan.codes, plan.index, tables)
    model = plan.model.pack()
    packed = pack(model, level=3)
    is_packed = len(packed) < len(model)
    kept = packed if is_packed else model
    head = _HEAD.pack(width, lanes.bit_length() - 1, is_packed, len(kept), len(model), len(stream))
    return b"".join([head, kept, states.data, stream.data, bits.data, bytes(raw[count * width :])])


def decode_into(payload: Bytes, out: Array, base: Bytes | None = None, hints: Array | None = None) -> None:
    """Fill *out* (bytes) with what `encode` wrote, given the same *base* and *hints*. Raises Undecodable."""
    data = np.frombuffer(payload, np.uint8)
    if data.size < _HEAD.size:
        raise Undecodable("a head that is cut off")
    width, lanes_log, packed, kept, length, stream = _HEAD.unpack_from(payload)
    if width not in WORDS or lanes_log > _MAX_LANES or packed > 1 or length > _MAX_MODEL:
        raise Undecodable("a head that cannot be")
    count, tail, lanes = out.size // width, out.size % width, 1 << lanes_log
    sizes = (_HEAD.size, kept, 4 * lanes, 2 * stream)
    at = np.cumsum(sizes)
    if at[-1] + tail > data.size:
        raise Undecodable("a payload that is cut off")
    raw_model = data[at[0] : at[1]]
    text = unpack(raw_model.data, length) if packed else raw_model.tobytes()
    if len(text) != length:
        raise Undecodable("a model of another length")
    model = Model.parse(text, width, count)
    states = np.frombuffer(bytearray(data[at[1] : at[2]]), "<u4")
    if (states < LOW).any():
        raise Undecodable("a lane that cannot be")
    raw_bits = int(data.size - tail - at[3])
    body = scratch("body", 2 * stream + raw_bits + PAD, np.uint8)
    body[: body.size - PAD] = data[at[2] : data.size - tail]
    target = out[: count * width].view(WORDS[width])
    near = None if base is None else against(base, target.dtype, count)
    if hints is not None and hints.size * model.block < count:
        raise Undecodable("too few hints")
    used, bits = loops().decode(model, states, body, stream, near, hints, target)
    if used != stream or -(-bits // 8) != raw_bits or (states != LOW).any():
        raise Undecodable("its numbers do not add up")
    out[count * width :] = data[data.size - tail :]


def words(raw: Bytes, width: int) -> Array:
    """Return the whole numbers of *width* bytes in *raw*."""
    return np.frombuffer(raw, WORDS[width], len(raw) // width)


def against(base: Bytes, dtype: "np.dtype[np.unsignedinteger]", count: int) -> Array:
    """Return the first *count* numbers of *base*; where it ends, zeros follow."""
    length = count * dtype.itemsize
    data = np.frombuffer(base, np.uint8)[:length]
    if data.size < length:
        data = np.concatenate([data, np.zeros(length - data.size, np.uint8)])
    return data.view(dtype)
