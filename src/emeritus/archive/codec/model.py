"""The model of a frame of numbers: what its decoder has to know before the first number.

A number is a *token*, which names an interval of numbers, and as many raw bits as it takes to find it there.
Tokens are entropy-coded. How frequent each is, is said once for each *context*; which context a number is in
follows from the *class* of its block and, in a difference, from bits of the base's number.
"""

import struct
from functools import cache
from typing import Any

import numpy as np
from attrs import field, frozen

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.schemes import Undecodable

PRECISION = 12
"""Frequencies of a context add up to ``1 << PRECISION``."""
TOKENS = 256
MAX_CONTEXTS = 255
MAX_CLASSES = 64
MAX_BITS = 12
SAME, CODED = 0, 1

_CLASS = struct.Struct("<BBBB")
_WORD = struct.Struct("<H")
_BLOCK = struct.Struct("<I")


@frozen(eq=False)
class Context:
    """The partition its tokens are of, and each token's weight, one byte each (see `frequencies`)."""

    partition: int
    weights: Array


@frozen(eq=False)
class Class:
    """What blocks have in common.

    *same*: every number is the base's (0 when there is none). Otherwise numbers are multiples of
    ``1 << zeros``, and the base's magnitude, ``base >> shift`` cut to the size of *contexts*,
    picks the context and the centre.
    """

    same: bool = False
    zeros: int = 0
    shift: int = 0
    contexts: Array = field(factory=lambda: np.zeros(1, np.uint8))
    centres: Array = field(factory=lambda: np.zeros(1, np.int32))


@frozen(eq=False)
class Model:
    """*partitions*: the raw bits of each token. *blocks*: each block's class; None: all are of the first."""

    partitions: tuple[Array, ...]
    contexts: tuple[Context, ...]
    classes: tuple[Class, ...]
    block: int
    blocks: Array | None = None

    def pack(self) -> bytes:
        parts = [bytes([len(self.partitions), len(self.contexts), len(self.classes)])]
        for bits in self.partitions:
            parts += [_WORD.pack(len(bits)), bits.astype(np.uint8).tobytes()]
        for context in self.contexts:
            parts += [bytes([context.partition]), context.weights.astype(np.uint8).tobytes()]
        for one in self.classes:
            size = len(one.contexts).bit_length() - 1
            parts.append(_CLASS.pack(SAME if one.same else CODED, one.zeros, one.shift, size))
            parts += [one.contexts.astype(np.uint8).tobytes(), one.centres.astype("<i4").tobytes()]
        parts.append(_BLOCK.pack(self.block))
        if self.blocks is not None:
            parts.append(self.blocks.astype(np.uint8).tobytes())
        return b"".join(parts)

    @classmethod
    def parse(cls, data: bytes, width: int, count: int) -> "Model":
        """Read the model of a frame of *count* numbers of *width* bytes. Raises Undecodable."""
        reader = _Reader(data)
        sizes = reader.take(3)
        partitions = []
        for _ in range(sizes[0]):
            (tokens,) = _WORD.unpack(reader.take(2).tobytes())
            bits = reader.take(tokens)
            if not 1 <= tokens <= TOKENS or bits.max() > 8 * width:
                raise Undecodable("a partition of no numbers")
            partitions.append(bits)
        contexts = []
        for _ in range(sizes[1]):
            partition = reader.byte()
            if partition >= len(partitions):
                raise Undecodable("a context of no partition")
            contexts.append(Context(partition, reader.take(partitions[partition].size)))
        classes = tuple(_class(reader, len(contexts), width) for _ in range(sizes[2]))
        (block,) = _BLOCK.unpack(reader.take(4).tobytes())
        if block == 0 or not classes or len(contexts) > MAX_CONTEXTS or len(classes) > MAX_CLASSES:
            raise Undecodable("a model without blocks or classes")
        number = -(-count // block)
        blocks = reader.take(number) if len(classes) > 1 else np.zeros(number, np.uint8)
        if number and blocks.max() >= len(classes):
            raise Undecodable("a block of no class")
        reader.end()
        return cls(tuple(partitions), tuple(contexts), classes, block, blocks)


def frequencies(weights: Array) -> Array:
    """Return each token's frequency; those of a row add up to ``1 << PRECISION``. Raises Undecodable."""
    byte = weights.astype(np.int64)
    weight = np.where(byte > 0, (16 + (byte & 15)) << (byte >> 4), 0)
    total = weight.sum(1, keepdims=True)
    if not total.all():
        raise Undecodable("a context without tokens")
    rate: Array = np.where(byte > 0, np.maximum(1, (weight << PRECISION) // total), 0)
    largest = rate.argmax(1)
    rows = np.arange(len(rate))
    rate[rows, largest] += (1 << PRECISION) - rate.sum(1)
    if (rate[rows, largest] < 1).any():
        raise Undecodable("a context of too many tokens")
    return rate


@frozen(eq=False)
class Tables:
    """A model's tokens, laid out for the loops. Index of a token in its context: ``context * TOKENS + token``."""

    rates: Array  # [index] -> frequency << 16 | first slot
    bits: Array  # [index] -> raw bits
    starts: Array  # [index] -> first number of the interval

    @classmethod
    def of(cls, model: Model) -> "Tables":
        """Lay out *model*. Raises Undecodable."""
        weights, partitions, of = rows_of(model)
        rates = frequencies(weights)
        rates = (rates << 16) | (np.cumsum(rates, 1) - rates)
        return cls(
            rates.reshape(-1).astype(np.uint32),
            partitions[of].reshape(-1),
            _starts(partitions)[of].reshape(-1),
        )


@frozen(eq=False)
class Classes:
    """A model's classes, laid out for the loops."""

    kinds: Array  # [class]
    zeros: Array
    shifts: Array
    masks: Array
    offsets: Array  # [class] -> where its entries of contexts and centres begin
    contexts: Array
    centres: Array

    @classmethod
    def of(cls, model: Model) -> "Classes":
        sizes = np.array([one.contexts.size for one in model.classes], np.int64)
        return cls(
            np.array([SAME if one.same else CODED for one in model.classes], np.uint8),
            np.array([one.zeros for one in model.classes], np.uint64),
            np.array([one.shift for one in model.classes], np.uint64),
            (sizes - 1).astype(np.uint64),
            np.cumsum(sizes) - sizes,
            np.concatenate([one.contexts for one in model.classes]),
            np.concatenate([one.centres for one in model.classes]),
        )


def rows_of(model: Model) -> tuple[Array, Array, Array]:
    """Return the tokens' weights, a row for each context; their raw bits, one for each partition; whose is whose.

    Rows are `TOKENS` long. A model without contexts has one that is of no use.
    """
    weights = np.zeros((max(1, len(model.contexts)), TOKENS), np.uint8)
    weights[0, 0] = not model.contexts
    partitions = np.zeros((max(1, len(model.partitions)), TOKENS), np.uint8)
    for at, bits in enumerate(model.partitions):
        partitions[at, : bits.size] = bits
    for at, context in enumerate(model.contexts):
        weights[at, : context.weights.size] = context.weights
    return weights, partitions, np.array([context.partition for context in model.contexts] or [0])


@cache
def steps_of(width: int) -> Array:
    """Return the partition of differences, as raw bits of the tokens: 16 numbers, then four intervals to each power of two."""
    return np.array([0] * 16 + [power - 2 for power in range(4, 8 * width) for _ in range(4)], np.uint8)


def weigh(counts: Array) -> Array:
    """Return each count as one byte: 0 for 0, else ``(16 + low 4 bits) << high 4 bits``, in scale with its row."""
    most = np.maximum(counts.max(-1, keepdims=True), 1)
    scaled = np.maximum(counts * ((31 << 15) / most), 17)
    power = np.maximum(np.frexp(scaled)[1].astype(np.int64) - 5, 0)
    top = np.rint(np.ldexp(scaled, -power)).astype(np.int64)
    over = top == 32
    power, top = power + over, np.where(over, 16, top)
    return np.where(counts > 0, (power << 4) | (top - 16), 0).astype(np.uint8)


def _starts(partitions: Array) -> Array:
    """Return the first number of each token's interval, for rows of the tokens' raw bits."""
    bits = partitions.astype(np.uint64)
    sizes = np.where(bits < 64, np.left_shift(np.uint64(1), bits & np.uint64(63)), np.uint64(0))
    found: Array = np.cumsum(sizes, 1, dtype=np.uint64) - sizes
    return found


def _class(reader: "_Reader", contexts: int, width: int) -> Class:
    kind, zeros, shift, size = _CLASS.unpack(reader.take(4).tobytes())
    if kind > CODED or zeros >= 8 * width or shift >= 8 * width or size > MAX_BITS:
        raise Undecodable("a class that cannot be")
    chosen = reader.take(1 << size)
    centres = reader.take(4 << size).view("<i4")
    if kind == CODED and chosen.max() >= contexts:
        raise Undecodable("a class of no context")
    return Class(kind == SAME, zeros, shift, chosen, centres)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self._at = 0

    def take(self, size: int) -> "np.ndarray[Any, Any]":
        piece = self._data[self._at : self._at + size]
        if piece.size != size:
            raise Undecodable("a model that is cut off")
        self._at += size
        return piece

    def byte(self) -> int:
        return int(self.take(1)[0])

    def end(self) -> None:
        if self._at != len(self._data):
            raise Undecodable("a model with more than it tells")
