"""The loops over numbers, in numpy: what `compiled` does faster, bit for bit the same.

Lanes are independent rANS coders (states of 32 bits, 16 bits written or read at a time) that take turns:
number c of those that are coded is lane c modulo the number of lanes, and all share one stream.
"""

import numpy as np

from emeritus.archive.codec import gathering, sorting
from emeritus.archive.codec import model as models
from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.model import CODED, PRECISION, TOKENS, Classes, Model, Tables

LOW = 1 << 16
"""Every lane begins, and must end, in this state; it is never below."""
PAD = 8192
"""Bytes behind a stream that may be read, and are not used."""
QUANTS = 32
"""Numbers in a block that has one scale."""
_SLOT = np.uint32((1 << PRECISION) - 1)


tables, weigh = Tables.of, models.weigh
tally, cost, gather = gathering.tally, gathering.cost, gathering.gather


def rank(words: Array, base: Array) -> Array:
    """Return ``words - base``, as seen from the base: positive is away from zero; modulo the word."""
    top = base.dtype.type(1 << (8 * base.itemsize - 1))
    turned = words ^ (base & top)
    signed = np.where(turned & top, ~(turned ^ top), turned)
    found: Array = signed - (base & ~top)
    return found


def unrank(gaps: Array, base: Array) -> Array:
    """Undo `rank`."""
    top = base.dtype.type(1 << (8 * base.itemsize - 1))
    signed = gaps + (base & ~top)
    found: Array = np.where(signed & top, ~signed | top, signed) ^ (base & top)
    return found


def fold(gaps: Array) -> Array:
    """Return small numbers for gaps near zero: 0, -1, 1, -2, 2 and so on become 0, 1, 2, 3, 4."""
    signed = gaps.view(f"i{gaps.itemsize}")
    return ((signed << 1) ^ (signed >> (8 * gaps.itemsize - 1))).view(gaps.dtype)


def unfold(folded: Array) -> Array:
    """Undo `fold`."""
    one = folded.dtype.type(1)
    found: Array = (folded >> one) ^ (folded.dtype.type(0) - (folded & one))
    return found


def turn(words: Array, zeros: Array) -> Array:
    """Return words with the sign at the bottom, and *zeros* bits above it left out."""
    one, top = words.dtype.type(1), words.dtype.type(8 * words.itemsize - 1)
    shifts = zeros.astype(words.dtype)
    found: Array = (((words & ~(one << top)) >> shifts) << one) | (words >> top)
    return found


def unturn(turned: Array, zeros: Array) -> Array:
    """Undo `turn`."""
    one, top = turned.dtype.type(1), turned.dtype.type(8 * turned.itemsize - 1)
    found: Array = ((turned >> one) << zeros.astype(turned.dtype)) | ((turned & one) << top)
    return found


def places(model: Model, count: int, base: Array | None, hints: Array | None) -> tuple[Array, ...]:
    """Return, for the numbers that are coded: where they are, their contexts, centres and zeros."""
    told = Classes.of(model)
    assert model.blocks is not None
    classes = np.repeat(model.blocks, model.block)[:count]
    where = np.flatnonzero(told.kinds[classes] == CODED)
    classes = classes[where]
    entries = told.offsets[classes]
    known = None
    if base is not None:
        known = base[where].astype(np.uint64) & np.uint64((1 << (8 * base.itemsize - 1)) - 1)
    elif hints is not None:
        known = hints[where // model.block].astype(np.uint64)
    if known is not None:
        entries = entries + ((known >> told.shifts[classes]) & told.masks[classes]).astype(np.int64)
    return where, told.contexts[entries].astype(np.int64), told.centres[entries], told.zeros[classes]


def decode(
    model: Model,
    states: Array,
    body: Array,
    stream: int,
    base: Array | None,
    hints: Array | None,
    out: Array,
) -> tuple[int, int]:
    """Fill *out*; return how many words and how many raw bits that took, or -1 when they ran out.

    *body*: the words, *stream* of them, the raw bits, and PAD bytes. *states* are left as the lanes ended. *out*
    may hold the base. Raises Undecodable.
    """  # fmt: skip
    tables = Tables.of(model)
    words, raw = body[: 2 * stream].view("<u2"), body[2 * stream :]
    symbols = _symbols(tables)
    where, contexts, centres, zeros = places(model, out.size, base, hints)
    lanes, count, at = states.size, where.size, 0
    index = np.empty(count, np.int64)
    for start in range(0, count, lanes):
        chosen = contexts[start : start + lanes]
        state = states[: chosen.size]
        slot = state & _SLOT
        token = chosen * TOKENS + symbols[(chosen << PRECISION) | slot]
        rate = tables.rates[token]
        state = (rate >> 16) * (state >> PRECISION) + slot - (rate & 0xFFFF)
        short = np.flatnonzero(state < LOW)
        if at + short.size > words.size:
            return -1, -1
        state[short] = (state[short] << 16) | words[at : at + short.size]
        at += short.size
        states[: chosen.size] = state
        index[start : start + lanes] = token
    sizes = tables.bits[index].astype(np.int64)
    ends = np.cumsum(sizes)
    used = int(ends[-1]) if count else 0
    if used > 8 * (raw.size - PAD):
        return -1, -1
    values = (tables.starts[index] + _read(raw, ends - sizes, sizes)).astype(out.dtype)
    if base is None:
        out[:] = 0
        out[where] = unturn(values, zeros)
    else:
        out[:] = base
        near = base[where]
        gaps = (unfold(values) << zeros.astype(out.dtype)) + centres.astype(out.dtype)
        out[where] = unrank(gaps, near)
    return at, used


def _symbols(tables: Tables) -> Array:
    """Return the token of each slot of each context."""
    often = (tables.rates >> 16).astype(np.int64)
    return np.repeat(np.tile(np.arange(TOKENS, dtype=np.uint8), often.size // TOKENS), often)


def _read(raw: Array, starts: Array, sizes: Array) -> Array:
    """Return the numbers of *sizes* bits that begin at the bits *starts*, lowest bit first."""
    at, shift = starts >> 3, (starts & 7).astype(np.uint64)
    words = np.lib.stride_tricks.sliding_window_view(raw, 8)[at].copy().view("<u8").reshape(-1)
    found = words >> shift
    far = np.flatnonzero(sizes + (starts & 7) > 64)
    found[far] |= (raw[at[far] + 8].astype(np.uint64) << np.uint64(8)) << (np.uint64(56) - shift[far])
    masks = np.where(
        sizes < 64, (np.uint64(1) << (sizes & 63).astype(np.uint64)) - np.uint64(1), ~np.uint64(0)
    )
    kept: Array = found & masks
    return kept


def spell(
    codes: Array,
    index: Array,
    tables: Tables,
    lanes: int,
    rows: Array | None = None,  # noqa: ARG001 - is a help to `compiled`
) -> tuple[Array, Array]:
    """Return the lanes' states and the words of the stream for ``index[codes]``, in the order to decode.

    *rows*: see `plans.Plan`.
    """
    states, flat = np.full(lanes, LOW, np.uint64), index.reshape(-1)
    pieces = []
    for start in range((max(codes.size, 1) - 1) // lanes * lanes, -1, -lanes):
        rate = tables.rates[flat[codes[start : start + lanes]]].astype(np.uint64)
        state = states[: rate.size]
        often, first = rate >> 16, rate & 0xFFFF
        full = np.flatnonzero(state >= often << (32 - PRECISION))
        pieces.append(state[full].astype(np.uint16))
        state[full] >>= 16
        states[: rate.size] = (state // often << PRECISION) + state % often + first
    return states.astype(np.uint32), np.concatenate(pieces[::-1])


def write(values: Array, codes: Array, index: Array, tables: Tables) -> Array:
    """Return the raw bits of *values* as bytes."""
    token = index.reshape(-1)[codes]
    sizes = tables.bits[token].astype(np.int64)
    ends = np.cumsum(sizes)
    rest = values.astype(np.uint64) - tables.starts[token]
    bits = np.zeros(int(ends[-1]) if ends.size else 0, np.uint8)
    for bit in range(int(sizes.max()) if sizes.size else 0):
        has = np.flatnonzero(sizes > bit)
        bits[ends[has] - sizes[has] + bit] = (rest[has] >> np.uint64(bit)) & np.uint64(1)
    return np.packbits(bits, bitorder="little")


def tops(words: Array, blocks: Array, block: int, zeros: Array, fine: int) -> tuple[Array, Array, Array]:
    """Look at numbers alone, leaving out blocks of classes whose *zeros* are 255.

    Returns each number's code (its class, and its top *fine* bits), what it is turned into, and how often
    each code is.
    """
    classes = np.repeat(blocks, block)[: words.size]
    where = np.flatnonzero(zeros[classes] != 255)
    classes = classes[where].astype(np.int64)
    low = zeros[classes].astype(np.int64)
    values = turn(words[where], low)
    shifts = np.maximum(8 * words.itemsize - fine - low, 0).astype(words.dtype)
    codes = (classes << fine) | (values >> shifts).astype(np.int64)
    counts = np.bincount(codes, minlength=zeros.size << fine)
    return codes.astype(np.uint32), values, counts.reshape(-1, 1 << fine)


def heights(words: Array, block: int, fine: int) -> Array:
    """Return of each block: all bits of its numbers, and the sum of their *fine* bits below the sign."""
    starts = np.arange(0, words.size, block)
    seen = np.bitwise_or.reduceat(words, starts).astype(np.uint64)
    one = words.dtype.type(1)
    tops = (words << one) >> words.dtype.type(8 * words.itemsize - fine)
    return np.stack([seen.astype(np.int64), np.add.reduceat(tops.astype(np.int64), starts)], 1)


def part(words: Array) -> list[Array]:
    """Turn numbers left by one bit, and return their bytes, each place by itself."""
    size = words.itemsize
    turned = ((words << 1) | (words >> (size * 8 - 1))).astype(words.dtype, copy=False).view(np.uint8)
    return [np.ascontiguousarray(turned[at::size]) for at in range(size)]


def join(planes: list[Array], out: Array) -> None:
    """Put the bytes of numbers together into *out* (bytes), and turn each right by one bit."""
    stride = len(planes)
    for at, plane in enumerate(planes):
        out[at::stride] = plane
    words = out.view(f"<u{stride}")
    words[:] = (words >> 1) | (words << (stride * 8 - 1))


def survey(words: Array, base: Array, block: int) -> Array:
    """Return how many numbers changed, all bits of their gaps, sum and squares of bit lengths: of each block."""
    gaps = rank(words, base)
    far = np.minimum(gaps, words.dtype.type(0) - gaps)
    length = _length(far)
    starts = np.arange(0, words.size, block)
    rows = [
        np.add.reduceat((gaps != 0).astype(np.int64), starts),
        np.bitwise_or.reduceat(gaps, starts).astype(np.uint64).astype(np.int64),
        np.add.reduceat(length, starts),
        np.add.reduceat(length * length, starts),
    ]
    return np.stack(rows)


def sort_blocks(words: Array, base: Array, block: int) -> tuple[Array, Array, int]:
    """See `sorting.sort_blocks`."""
    return sorting.sort_blocks(survey(words, base, block), block, words.size, words.itemsize)


def drift(words: Array, base: Array, blocks: Array, block: int, chosen: int, shift: int, size: int) -> Array:
    """Return the mean of gaps for each value of some bits of the base, in blocks of one class."""
    where = np.flatnonzero(np.repeat(blocks, block)[: words.size] == chosen)
    gaps = rank(words[where], base[where]).view(f"i{words.itemsize}").astype(np.int64)
    key = (base[where] >> base.dtype.type(shift)).astype(np.int64) & ((1 << size) - 1)
    sums = np.zeros(1 << size, np.int64)
    np.add.at(sums, key, gaps)
    mean = sums / np.maximum(np.bincount(key, minlength=1 << size), 1)
    return np.rint(np.clip(mean, -sorting.FAR, sorting.FAR)).astype(np.int64)


def steps(
    words: Array,
    base: Array,
    blocks: Array,
    block: int,
    same: Array,
    zeros: int,
    shifts: Array,
    masks: Array,
    offsets: Array,
    centres: Array,
    tokens: int,
) -> tuple[Array, Array, Array, Array]:
    """Look at numbers beside their base, leaving out blocks of classes that are the *same*.

    Returns each number's code (where its class and the base's bits lead, and its token), its folded gap; and to
    where they lead, in order, and how often each token is there.
    """  # fmt: skip
    classes = np.repeat(blocks, block)[: words.size]
    where = np.flatnonzero(~same[classes])
    classes, near = classes[where], base[where]
    top = 8 * words.itemsize - 1
    size = near.astype(np.uint64) & np.uint64((1 << top) - 1)
    items = offsets[classes] + ((size >> shifts[classes].astype(np.uint64)).astype(np.int64) & masks[classes])
    gaps = (rank(words[where], near) - centres[items].astype(words.dtype)).view(f"i{words.itemsize}")
    values = fold((gaps >> zeros).view(words.dtype))
    far = 11 * (values.astype(np.uint64) >> np.uint64(53) > 0)
    power = np.maximum(_length(values >> far.astype(values.dtype)) - 1 + far, 4)
    token = 16 + ((power - 4) << 2) + ((values >> (power - 2).astype(words.dtype)) & words.dtype.type(3))
    token = np.where(values < 16, values, token).astype(np.int64)
    codes = items * tokens + token
    counts = np.bincount(codes, minlength=centres.size * tokens).reshape(-1, tokens)
    rows = np.flatnonzero(counts.any(1))
    return codes.astype(np.uint32), values, rows, counts[rows]


def _length(numbers: Array) -> Array:
    """Return the bit length of each number; perhaps one more, beyond 53 bits."""
    length: Array = np.frexp(numbers.astype(np.uint64).astype(np.float64))[1].astype(np.int64)
    return length


def foretell(scales: Array, means: Array, spreads: Array) -> tuple[Array, Array]:
    """Return for each quant of blocks of these *scales* what to expect of it, and how far it may be from that.

    *means* and *spreads* are of the columns, in the unit of the scales; a row of blocks has all columns. A scale
    of 0 leads to expect nothing.
    """
    columns = np.arange(scales.size * QUANTS) % means.size
    scale = np.repeat(scales, QUANTS)
    known = np.maximum(np.abs(scale), 1)
    expected = np.clip((2 * means[columns] + known) // (2 * known), -127, 127) * np.sign(scale)
    wide = np.where(scale != 0, np.minimum(16 * spreads[columns] // known, 65535), 0)
    length = np.frexp(wide.astype(np.float64))[1].astype(np.int64)
    steps = 4 * (length - 2) + ((wide >> np.maximum(length - 3, 0)) & 3)
    return expected.astype(np.int8), np.where(wide < 4, wide, steps).astype(np.uint8)


def multiplied(data: Array, width: int, matrices: Array) -> Array | None:  # noqa: ARG001
    """Return the sums of the rows of *width* bytes in *data*, times eight *matrices* of bits for each row.

    One sum for each of the eight; None where the processor has no such multiplication.
    """
    return None


def add_looked_up(words: Array, places: Array, sums: Array) -> None:
    """Take the word at each of the *places* (bytes), and add it, bit by bit, to the *sums*."""
    sums[: places.size] ^= np.take(words, places, mode="clip")
