"""The other half of restore.py: how the bytes of one frame become the raw bytes that were archived.

Needs Python 3.8 or newer, numpy and zstandard. Integers are little-endian. Format version 1, script version 3.

    raw = decode(encoding, payload, length, base)    # raises one of DAMAGE for what is damaged

Read it from the end: `decode` says what each encoding is. Most of it is about numbers (`numbers`): their places in
a table of tokens are coded by rANS, an entropy coder; a model at the head of the frame says how frequent tokens are.
"""

import io
import itertools
import struct

import numpy
import zstandard

DAMAGE = (ValueError, LookupError, TypeError, ArithmeticError, OSError, struct.error, zstandard.ZstdError)
SLOTS = 4096  # what the frequencies of a context add up to
LOW = 65536  # no state of a lane is below this


def unzip(data, size):
    if zstandard.frame_content_size(data) != size:
        raise ValueError("a compressed run has another length")
    return zstandard.ZstdDecompressor().decompress(data)


class Model:
    """What is to be known of a frame of numbers before the first of them.

    A *token* names an interval of whole numbers: where it starts, and how many raw bits tell a place in it. How
    frequent tokens are is told for each *context*. Numbers stand in blocks, and blocks are of a *class*, which
    leads (with bits of the base's number, or with the block's hint) to an *entry*: a context and a centre.
    """

    def __init__(self, data, count):
        file = io.BytesIO(data)
        partitions, contexts, classes = file.read(3)
        partitions = [file.read(*struct.unpack("<H", file.read(2))) for _ in range(partitions)]
        # Of each context's 4096 slots: whose token it is, that token's frequency, and the slot's place in it.
        self.symbols, self.rates, self.places = (
            numpy.zeros((contexts, SLOTS), numpy.int64) for _ in range(3)
        )
        # Of each context's tokens: how many raw bits, and the first number of the interval.
        self.bits = numpy.zeros((contexts, 256), numpy.int64)
        self.starts = numpy.zeros((contexts, 256), numpy.uint64)
        for i in range(contexts):
            bits = partitions[file.read(1)[0]]
            rate = frequencies(numpy.frombuffer(file.read(len(bits)), numpy.uint8).astype(numpy.int64))
            self.symbols[i] = numpy.repeat(numpy.arange(len(bits)), rate)
            self.rates[i] = numpy.repeat(rate, rate)
            self.places[i] = numpy.arange(SLOTS) - numpy.repeat(numpy.cumsum(rate) - rate, rate)
            self.bits[i, : len(bits)] = list(bits)
            self.starts[i, : len(bits)] = [0, *itertools.accumulate(1 << each for each in bits[:-1])]
        told, contexts_of, centres = [], [], []
        for _ in range(classes):
            coded, zeros, shift, log = file.read(4)
            told.append((coded, zeros, shift, (1 << log) - 1, len(contexts_of)))
            contexts_of += file.read(1 << log)
            centres += numpy.frombuffer(file.read(4 << log), "<i4").tolist()
        self.context, self.centre = numpy.array(contexts_of), numpy.array(centres)  # of each entry
        (self.block,) = struct.unpack("<I", file.read(4))
        blocks = file.read() if classes > 1 else bytes(-(-count // self.block))
        # Of each number: whether it is coded at all, how many low bits are zero, and where its class has its entries.
        of_number = numpy.repeat(numpy.frombuffer(blocks, numpy.uint8), self.block)[:count]
        self.coded, self.zeros, self.shift, self.mask, self.entry = numpy.array(told)[of_number].T


def frequencies(byte):
    """Return how many slots each token has; a byte is a small float, and the most frequent token takes what is left."""
    weight = numpy.where(byte > 0, (16 + (byte & 15)) << (byte >> 4), 0)
    rate = numpy.where(byte > 0, numpy.maximum(1, weight * SLOTS // weight.sum()), 0)
    rate[rate.argmax()] += SLOTS - rate.sum()
    return rate


def numbers(payload, length, base=None, hints=None):
    """Return numbers: alone, as differences from the *base*, or beside *hints* (encodings 4 and 16, parts of 5 and 6)."""
    # A head of 16 bytes, the model, the states of the lanes, the stream of the tokens, the raw bits, and a tail.
    width, lanes, packed, kept, size, words = struct.unpack_from("<BBBxIII", payload)
    (count, tail), word, lanes, at = divmod(length, width), numpy.dtype(f"<u{width}"), 1 << lanes, 16 + kept
    model = Model(unzip(payload[16:at], size) if packed else payload[16:at], count)
    states = numpy.frombuffer(payload, "<u4", lanes, at).astype(numpy.int64)
    stream = numpy.frombuffer(payload, "<u2", words, at + 4 * lanes).astype(numpy.int64)
    raw = payload[at + 4 * lanes + 2 * words : len(payload) - tail]
    # Where each number's context is told: in the entries of its class, by what the decoder knows already.
    where = numpy.flatnonzero(model.coded)  # the others are the base's numbers, or zero
    one, sign = word.type(1), word.type(8 * width - 1)
    top, out, entry = one << sign, numpy.zeros(count, word), model.entry
    if base is not None:
        out[:] = numpy.frombuffer(base[: count * width].ljust(count * width, b"\0"), word)
        entry = entry + ((out & ~top) >> model.shift.astype(word)).astype(numpy.int64) % (model.mask + 1)
    elif hints is not None:
        hint = hints.reshape(-1)[numpy.arange(count) // model.block].astype(numpy.int64)
        entry = entry + (hint >> model.shift & model.mask)
    context = model.context[entry[where]]
    token = tokens(model, context, states, stream)
    value = (model.starts[context, token] + places(raw, model.bits[context, token])).astype(word)
    low, rest, zeros = value & one, value >> one, model.zeros[where].astype(word)
    if base is None:  # the lowest bit is the sign
        out[where] = (rest << zeros) | (low << sign)
    else:  # the lowest bit tells whether to go towards zero; through zero the sign turns
        near = out[where]
        gap = ((rest ^ (word.type(0) - low)) << zeros) + model.centre[entry[where]].astype(word)
        found = gap + (near & ~top)
        out[where] = numpy.where(found & top, ~found | top, found) ^ (near & top)
    return out.tobytes() + payload[len(payload) - tail :]


def tokens(model, context, states, stream):
    """Decode the token of each number; lanes take turns, and one that falls below LOW takes 16 bits of the stream."""
    slots, used = context * SLOTS, 0
    rates, places = model.rates.reshape(-1), model.places.reshape(-1)
    for begin in range(0, len(slots), len(states)):
        slot = slots[begin : begin + len(states)]
        state = states[: len(slot)]
        slot |= state % SLOTS
        state[:] = rates[slot] * (state // SLOTS) + places[slot]
        short = numpy.flatnonzero(state < LOW)
        state[short] = state[short] * LOW | stream[used : used + len(short)]
        used += len(short)
    return model.symbols.reshape(-1)[slots]


def places(raw, sizes):
    """Return as many numbers of so many bits each, one behind the other, the lowest bit first."""
    bit = numpy.cumsum(sizes) - sizes
    at, shift = bit >> 3, (bit & 7).astype(numpy.uint64)
    raw = numpy.frombuffer(raw + bytes(16), numpy.uint8).astype(numpy.uint64)
    found = raw[at] >> shift
    for i in range(
        1, (int(sizes.max(initial=0)) + 14) // 8
    ):  # a shift by 64 bits would be undefined: two shifts
        found |= (raw[at + i] << numpy.uint64(1)) << (numpy.uint64(8 * i - 1) - shift)
    half, rest = (sizes // 2).astype(numpy.uint64), (sizes - sizes // 2).astype(numpy.uint64)
    return found & ~((numpy.uint64(2**64 - 1) << half) << rest)


def fields(payload, length, row):
    """Return blocks and the tail behind them; fields of blocks are stored one kind after the other (2, 3 and 5)."""
    (number,), step = struct.unpack_from("<H", payload), struct.calcsize(row)
    rows = [struct.unpack_from(row, payload, 2 + i * step) for i in range(number)]
    rows = [each if len(each) == 4 else (each[0], 255, *each[1:]) for each in rows]  # kind, hint, width, size
    starts = list(itertools.accumulate((each[3] for each in rows), initial=2 + number * step))
    count, planes = length // sum(each[2] for each in rows), {}
    for i in sorted(range(number), key=lambda i: rows[i][1] != 255):  # those that are hints of others first
        kind, hint, width, _ = rows[i]
        plane, size = payload[starts[i] : starts[i + 1]], count * width
        if kind:
            plane = unzip(plane, size) if kind == 1 else numbers(plane, size, hints=planes.get(hint))
        planes[i] = numpy.frombuffer(plane, numpy.uint8).reshape(count, width)
    return numpy.hstack([planes[i] for i in range(number)]), payload[starts[-1] :]


def columns(payload, length):
    """Return blocks of a scale and 32 quants, coded beside what their columns lead to expect (encoding 6)."""
    row, shift, bits, packed, told = struct.unpack_from("<HBBII", payload)
    peak, (count, tail), told = {8: 127, 5: 16, 4: 8}[bits], divmod(length, 2 + 4 * bits), told + 12 + packed
    # Of each column of the matrix: its mean and its spread, in the unit of the scales.
    table = numpy.frombuffer(unzip(payload[12 : 12 + packed], 96 * row), numpy.uint8).reshape(3, -1)
    means = (table[1].astype(numpy.int8).astype(numpy.int64) * 256 + table[0]) << shift
    spreads = (4 + (table[2].astype(numpy.int64) & 3)) << (table[2] >> 2)
    # Of each block: its scale, a number of 16 bits (F16), and where its largest quant stands, if that is told.
    beside = fields(payload[12 + packed : told], 3 * count, "<BBHI")[0]
    low, high, peaks = beside.astype(numpy.int64).T
    power, rest = (high >> 2) & 31, low | ((high & 3) << 8)
    scale = numpy.where(power > 0, (1024 + rest) << numpy.clip(power - 1, 0, 29), rest) * (power < 31)
    scale, sign = numpy.repeat(scale, 32), numpy.repeat(1 - 2 * (high >> 7), 32) * numpy.repeat(scale > 0, 32)
    # What its column leads to expect of each quant, and how far off it may be, which is the hint for its context.
    column, whole = numpy.arange(32 * count) % (32 * row), numpy.maximum(scale, 1)
    expected = numpy.clip((2 * means[column] + whole) // (2 * whole), -127, 127) * sign
    wide = numpy.minimum(16 * spreads[column] // whole, 65535) * (scale > 0)
    log = numpy.maximum(numpy.frexp(wide)[1].astype(numpy.int64), 3)
    known = numpy.where(wide < 4, wide, 4 * (log - 2) + ((wide >> (log - 3)) & 3)).astype(numpy.uint8)
    # The largest quants are known; of all others the difference from what is expected was coded.
    at, kept = numpy.flatnonzero(peaks < 64), numpy.ones(32 * count, bool)
    tops = 32 * at + peaks[at] % 32
    kept[tops] = False
    rest = numpy.frombuffer(
        numbers(payload[told : len(payload) - tail], int(kept.sum()), hints=known[kept]), numpy.int8
    )
    expected[kept] += rest
    expected[tops] = numpy.where(peaks[at] < 32, peak, -peak)
    # Quants of 4 bits share bytes, the second half of a block above the first; a fifth bit stands before them.
    quants = (expected + (peak if bits < 8 else 0)).reshape(count, 32).astype(numpy.uint8)
    parts = [quants]
    if bits < 8:
        parts = [quants[:, :16] & 15 | quants[:, 16:] << 4]
    if bits == 5:
        parts.insert(0, numpy.packbits(quants >> 4 & 1, axis=1, bitorder="little"))
    return numpy.hstack([beside[:, :2], *parts]).tobytes() + payload[len(payload) - tail :]


def decode(encoding, payload, length, base):
    """Return the raw bytes of one frame; *base* holds the base's bytes at the same place, for a difference."""
    if encoding == 0:  # as they are
        return payload
    if encoding == 1:  # zstd (RFC 8878)
        return unzip(payload, length)
    if encoding == 4:
        return numbers(payload, length)
    if encoding == 16:
        return numbers(payload, length, base)
    if encoding == 6:
        return columns(payload, length)
    if encoding not in (2, 3, 5):
        raise ValueError(f"the encoding {encoding} is unknown to this script")
    blocks, tail = fields(payload, length, "<BBHI" if encoding == 5 else "<BHI")
    if encoding == 3:  # each number was turned left by one bit, so that its sign is the lowest
        words = blocks.reshape(-1).view(f"<u{blocks.shape[1]}")
        words[:] = (words >> 1) | (words << (8 * blocks.shape[1] - 1))
    return blocks.tobytes() + tail
