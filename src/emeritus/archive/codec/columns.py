"""Rows of blocks of a scale and 32 quants, each quant coded beside what its column leads to expect.

Columns of a matrix differ in their mean and in how far their numbers spread. With the block's scale, both are
said in quants, so that what is left to tell is a small number of a known spread. What the largest quant of a
block is follows from how such blocks are made; only its place and its sign are told.
"""

import struct

import numpy as np
from attrs import frozen

from emeritus.archive.codec import fields, numbers
from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.fields import NO_HINT
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.packing import pack, unpack
from emeritus.archive.codec.plain import QUANTS
from emeritus.archive.codec.schemes import Undecodable
from emeritus.archive.ports import Bytes

MAX_ROW = 4096
"""Blocks in a row, at most."""
_NO_PEAK = 64
_NEGATIVE = 32
_BESIDE = (1, 1, 1)  # what is told of a block beside its quants: its scale, its peak
_HEAD = struct.Struct("<HBBII")
_FINE = 64  # units of a mean in the spread of most columns
_MAX_SHIFT, _MAX_SPREAD = 40, 160
_FEW = 8  # rows; fewer say nothing of their columns


@frozen
class Kind:
    """A type of blocks: a half-precision scale, then 32 quants of so many *bits*, signed, as ggml lays them out.

    *peak*: what the largest is, by its magnitude. Of fewer than 8 bits the top ones stand apart, in front.
    """

    bits: int
    peak: int

    @property
    def stride(self) -> int:
        return 2 + QUANTS * self.bits // 8

    def quants(self, blocks: Array) -> Array:
        """Return the quants of *blocks* as signed bytes."""
        if self.bits == 8:
            return blocks[:, 2:].view(np.int8)
        nibbles = blocks[:, -QUANTS // 2 :]
        found = np.concatenate([nibbles & 15, nibbles >> 4], 1)
        if self.bits == 5:
            found |= np.unpackbits(blocks[:, 2:6], axis=1, bitorder="little") << 4
        return found.view(np.int8) - np.int8(self.peak)

    def put(self, quants: Array, blocks: Array) -> None:
        """Write *quants* into *blocks*."""
        if self.bits == 8:
            blocks[:, 2:] = quants.view(np.uint8)
            return
        found = (quants + np.int8(self.peak)).view(np.uint8)
        blocks[:, -QUANTS // 2 :] = (found[:, : QUANTS // 2] & 15) | (found[:, QUANTS // 2 :] << 4)
        if self.bits == 5:
            blocks[:, 2:6] = np.packbits((found >> 4) & 1, axis=1, bitorder="little")


KINDS = {kind.bits: kind for kind in (Kind(8, 127), Kind(5, 16), Kind(4, 8))}
"""Q8_0, Q5_0 and Q4_0, by their bits."""
BITS = {(1, 1, 32): 8, (1, 1, 4, 16): 5, (1, 1, 16): 4}
"""The same, by the widths of their fields."""


def encode(raw: Bytes, bits: int, row: int) -> bytes | None:
    """Return the payload of *raw*, *row* blocks of quants of so many *bits* to a row; None when these are too few."""
    kind = KINDS[bits]
    blocks = np.frombuffer(raw, np.uint8, len(raw) // kind.stride * kind.stride).reshape(-1, kind.stride)
    if not 1 <= row <= MAX_ROW or len(blocks) < _FEW * row:
        return None
    scales, quants = _scales(blocks[:, 0], blocks[:, 1]), kind.quants(blocks)
    shift, means, spreads = _columns(scales, quants, row)
    expected, known = loops().foretell(scales, means << shift, _spread(spreads))
    is_peak = np.abs(quants.astype(np.int16)) == kind.peak
    has_peak, place = is_peak.any(1), is_peak.argmax(1)
    every = np.arange(len(blocks))
    peaks = np.where(has_peak, place + _NEGATIVE * (quants[every, place] < 0), _NO_PEAK).astype(np.uint8)
    kept = np.ones(quants.shape, np.bool_)
    kept[every[has_peak], place[has_peak]] = False
    left = (quants - expected.reshape(kept.shape))[kept]
    table = means.astype("<i2").view(np.uint8).reshape(-1, 2).T.tobytes() + spreads.astype(np.uint8).tobytes()
    packed = pack(table, level=3)
    beside = np.stack([blocks[:, 0], blocks[:, 1], peaks], 1).tobytes()
    told = fields.encode(beside, _BESIDE, (1, NO_HINT, NO_HINT))
    rest = numbers.encode(left.tobytes(), 1, 1, hints=known.reshape(kept.shape)[kept])
    head = _HEAD.pack(row, shift, bits, len(packed), len(told))
    return b"".join([head, packed, told, rest, bytes(raw[blocks.size :])])


def decode_into(payload: Bytes, out: Array) -> None:
    """Fill *out* (bytes) with what `encode` wrote. Raises Undecodable."""
    view = memoryview(payload)
    if len(view) < _HEAD.size:
        raise Undecodable("a head that is cut off")
    row, shift, bits, packed, told = _HEAD.unpack_from(view)
    if bits not in KINDS or not 1 <= row <= MAX_ROW or shift > _MAX_SHIFT:
        raise Undecodable("columns that cannot be")
    kind = KINDS[bits]
    tail = out.size % kind.stride
    first, second, last = _HEAD.size + packed, _HEAD.size + packed + told, len(view) - tail
    blocks = out[: out.size - tail].reshape(-1, kind.stride)
    if second > last or not len(blocks):
        raise Undecodable("columns that are cut off")
    table = np.frombuffer(unpack(view[_HEAD.size : first], 3 * QUANTS * row), np.uint8).reshape(3, -1)
    if table[2].max() > _MAX_SPREAD:
        raise Undecodable("a column that spreads beyond all numbers")
    means = np.ascontiguousarray(table[:2].T).view("<i2").reshape(-1).astype(np.int64)
    beside = np.empty(len(blocks) * len(_BESIDE), np.uint8)
    fields.decode_into(view[first:second], beside)
    low, high, peaks = beside.reshape(-1, len(_BESIDE)).T
    if peaks.max() > _NO_PEAK:
        raise Undecodable("a peak outside its block")
    expected, known = loops().foretell(_scales(low, high), means << shift, _spread(table[2]))
    quants = np.empty((len(blocks), QUANTS), np.int8)
    kept = np.ones(quants.shape, np.bool_)
    peaked = np.flatnonzero(peaks != _NO_PEAK)
    kept[peaked, peaks[peaked] % _NEGATIVE] = False
    left = np.empty(kept.size - peaked.size, np.uint8)
    numbers.decode_into(view[second:last], left, hints=known.reshape(kept.shape)[kept])
    quants[peaked, peaks[peaked] % _NEGATIVE] = np.where(peaks[peaked] < _NEGATIVE, kind.peak, -kind.peak)
    quants[kept] = left.view(np.int8) + expected.reshape(kept.shape)[kept]
    blocks[:, 0], blocks[:, 1] = low, high
    kind.put(quants, blocks)
    out[out.size - tail :] = np.frombuffer(view[last:], np.uint8)


def _scales(low: Array, high: Array) -> Array:
    """Return half-precision numbers in units of 2^-24; 0 for those that are infinite, or no numbers."""
    bits = low.astype(np.int64) | (high.astype(np.int64) << 8)
    power, rest = (bits >> 10) & 31, bits & 1023
    size = np.where(power == 0, rest, (1024 + rest) << np.clip(power - 1, 0, 30))
    size = np.where(power < 31, size, 0)
    signed: Array = np.where(bits >> 15, -size, size)
    return signed


def _spread(told: Array) -> Array:
    """Return spreads by the byte that tells them: four to each power of two."""
    byte = told.astype(np.int64)
    spread: Array = (4 + (byte & 3)) << (byte >> 2)
    return spread


def _columns(scales: Array, quants: Array, row: int) -> tuple[int, Array, Array]:
    """Return what a unit of the means is, as a power of two, and the mean and the spread of each column."""
    rows = len(scales) // row
    values = quants[: rows * row].astype(np.float64) * scales[: rows * row, None]
    values = values.reshape(rows, row * QUANTS)
    mean, spread = values.mean(0), values.std(0)
    usual = max(float(np.median(spread)), 1.0)
    reach = float(np.abs(mean).max()) / 32_000
    shift = int(np.ceil(np.log2(max(reach, usual / _FINE, 1.0))))
    shift = min(shift, _MAX_SHIFT)
    told = np.rint(4 * (np.log2(np.maximum(spread, 4)) - 2)).astype(np.int64)
    means = np.clip(np.rint(mean / 2.0**shift), -(2**15), 2**15 - 1).astype(np.int64)
    return shift, means, np.clip(told, 0, _MAX_SPREAD)
