"""The loops of `plain`, compiled: the same functions, the same bytes.

Codes, values and what is written of them are good until the thread asks for the next ones.
"""

import numpy as np

from emeritus.archive.codec import kernels, plain, sharing, spelling, wide
from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.model import (
    CODED,
    PRECISION,
    TOKENS,
    Classes,
    Model,
    Tables,
    rows_of,
    steps_of,
)
from emeritus.archive.codec.plain import LOW, PAD, QUANTS
from emeritus.archive.codec.schemes import Undecodable
from emeritus.archive.codec.scratch import scratch
from emeritus.archive.codec.sorting import LEVELS, SAME

_NONE = np.zeros(0, np.uint8)
_INVERSES = np.array([0, *(-(-(1 << 44) // often) for often in range(1, (1 << PRECISION) + 1))], np.uint64)


def tables(model: Model) -> Tables:
    """See `model.Tables.of`."""
    weights, partitions, of = rows_of(model)
    size = weights.size
    made = Tables(np.empty(size, np.uint32), np.empty(size, np.uint8), np.empty(size, np.uint64))
    if not sharing.lay_out(weights, partitions, of, made.rates, made.bits, made.starts):
        raise Undecodable("a context of no token, or of too many")
    return made


def decode(
    model: Model,
    states: Array,
    body: Array,
    stream: int,
    base: Array | None,
    hints: Array | None,
    out: Array,
) -> tuple[int, int]:
    """See `plain.decode`."""
    limit, ends = np.uint64(stream), np.uint64(8 * (body.size - PAD - 2 * stream))
    words, bits = body[: 2 * stream + PAD], body[2 * stream :]
    block, top = np.uint64(model.block), np.uint64(8 * out.itemsize - 1)
    weights, partitions, of = rows_of(model)
    number = len(weights)
    slots = scratch("slots", number << PRECISION, np.uint32)
    sizes, starts = np.empty(number * TOKENS, np.uint8), np.empty(number * TOKENS, np.uint64)
    first = kernels.lay(weights, partitions, of, slots, sizes, starts)
    if first == kernels.FAILED:
        raise Undecodable("a context of no token, or of too many")
    classes = Classes.of(model)
    assert model.blocks is not None
    if base is None:
        contexts = _contexts(classes, model.blocks, hints)
        if model.block < kernels.CHUNK and classes.kinds.size == 1 and classes.kinds[0] == CODED:
            at, bit = kernels.decode_row(
                slots, sizes, starts, first, np.repeat(contexts, model.block), classes.zeros[0],
                states, words, limit, bits, ends, out, top,
            )  # fmt: skip
        else:
            at, bit = kernels.decode_alone(
                slots, sizes, starts, first, classes.kinds, classes.zeros, contexts,
                _still(model.blocks), block, states, words, limit, bits, ends, out, top,
            )  # fmt: skip
    else:
        are_centred = np.logical_or.reduceat(classes.centres != 0, classes.offsets)
        at, bit = kernels.decode_difference(
            slots, sizes, starts, first, _is_stepped(model, out.itemsize), classes.kinds, classes.zeros,
            classes.shifts, classes.masks, classes.offsets, classes.contexts, classes.centres.astype(out.dtype),
            are_centred, _still(model.blocks), block, states, words, limit, bits, ends,
            _still(base), out, base.ctypes.data == out.ctypes.data, top,
        )  # fmt: skip
    return (-1, -1) if at == kernels.FAILED else (int(at), int(bit))


def _contexts(classes: Classes, blocks: Array, hints: Array | None) -> Array:
    """Return the context of each block."""
    found: Array
    if hints is None:
        found = classes.contexts[classes.offsets[blocks]]
    elif classes.kinds.size == 1:  # there may be as many blocks as numbers
        every = (np.arange(256, dtype=np.uint64) >> classes.shifts[0]) & classes.masks[0]
        found = classes.contexts[every.astype(np.int64)][hints[: blocks.size]]
    else:
        known = (hints[: blocks.size].astype(np.uint64) >> classes.shifts[blocks]) & classes.masks[blocks]
        found = classes.contexts[classes.offsets[blocks] + known.astype(np.int64)]
    return found


def _is_stepped(model: Model, width: int) -> bool:
    """Tell whether all contexts are of the partition that a difference is written with."""
    return width <= 4 and len(model.partitions) == 1 and np.array_equal(model.partitions[0], steps_of(width))


def spell(
    codes: Array, index: Array, tables: Tables, lanes: int, rows: Array | None = None
) -> tuple[Array, Array]:
    """See `plain.spell`."""
    states = np.full(lanes, LOW, np.uint32)
    stream = scratch("stream", codes.size + 1, np.uint16)
    rates = scratch("rates", index.size, np.uint32)
    every = np.arange(len(index)) if rows is None else rows
    spelling.rates_of(index.reshape(-1), tables.rates, every, np.uint64(index.shape[1]), rates)
    at = int(spelling.spell(codes, rates, _INVERSES, states, stream))
    return states, stream[at:]


def write(values: Array, codes: Array, index: Array, tables: Tables) -> Array:
    """See `plain.write`."""
    most = int(tables.bits.max())
    if most == 0:
        return _NONE
    raw = scratch("bits", codes.size * most // 64 + 2, np.uint64)
    steps = steps_of(values.itemsize)
    if values.itemsize <= 4 and (tables.bits.reshape(-1, TOKENS)[:, : steps.size] == steps).all():
        size = int(spelling.write_steps(values, raw.view(np.uint8)))
        return raw.view(np.uint8)[: -(-size // 8)]
    size = int(spelling.write(values, codes, index.reshape(-1), tables.bits, tables.starts, raw))
    return raw.view(np.uint8)[: -(-size // 8)]


def tops(words: Array, blocks: Array, block: int, zeros: Array, fine: int) -> tuple[Array, Array, Array]:
    """See `plain.tops`."""
    codes, values = scratch("codes", words.size, np.uint32), scratch("values", words.size, words.dtype)
    counts = _counts(zeros.size << fine)
    done = spelling.tops(
        _still(words),
        _still(blocks),
        np.uint64(block),
        zeros,
        np.uint64(fine),
        codes,
        values,
        counts,
        _top(words),
    )
    every = np.zeros((zeros.size, 1 << fine), np.int64)
    rows, found = _both(counts, 1 << fine)
    every[rows] = found
    return codes[:done], values[:done], every


def survey(words: Array, base: Array, block: int) -> Array:
    """See `plain.survey`."""
    rows = np.empty((4, -(-words.size // block)), np.int64)
    spelling.survey(_still(words), _still(base), np.uint64(block), _top(words), rows)
    return rows


def sort_blocks(words: Array, base: Array, block: int) -> tuple[Array, Array, int]:
    """See `sorting.sort_blocks`."""
    number = -(-words.size // block)
    rows, blocks = np.empty((4, number), np.int64), np.empty(number, np.uint8)
    kinds = np.empty(LEVELS - SAME + 1, np.int64)
    there, zeros = spelling.sort_blocks(
        _still(words), _still(base), np.uint64(block), _top(words), rows, blocks, kinds
    )
    return kinds[:there], blocks, int(zeros)


def drift(words: Array, base: Array, blocks: Array, block: int, chosen: int, shift: int, size: int) -> Array:
    """See `plain.drift`."""
    means = np.zeros(1 << size, np.int64)
    spelling.drift(
        _still(words),
        _still(base),
        _still(blocks),
        np.uint64(block),
        chosen,
        np.uint64(shift),
        np.uint64((1 << size) - 1),
        _top(words),
        means,
    )
    return means


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
    """See `plain.steps`."""  # fmt: skip
    codes, values = scratch("codes", words.size, np.uint32), scratch("values", words.size, words.dtype)
    counts = _counts(centres.size * tokens)
    done = spelling.steps(
        _still(words), _still(base), _still(blocks), np.uint64(block), same, np.uint64(zeros), shifts, masks, offsets,
        centres, np.logical_or.reduceat(centres != 0, offsets), np.uint64(tokens), _top(words), codes, values, counts,
    )  # fmt: skip
    return codes[:done], values[:done], *_both(counts, tokens)


def _counts(size: int) -> Array:
    """Return two rows of *size* counts that hold anything."""
    return scratch("counts", 2 * size, np.uint32).reshape(2, size)


def _both(counts: Array, width: int) -> tuple[Array, Array]:
    """Return which rows of *width* codes were counted, and how often each code was."""
    both = scratch("both", counts.shape[1], np.int64).reshape(-1, width)
    rows = np.empty(len(both), np.int64)
    done = int(spelling.add_up(counts, rows, both))
    return rows[:done], both[:done]


def tally(counts: Array) -> tuple[Array, Array]:
    """See `gathering.tally`."""
    often, sums = np.empty(len(counts), np.int64), np.empty(len(counts), np.int64)
    sharing.tally(counts, often, sums)
    return often, sums


def cost(sums: Array, bits: Array) -> float:
    """See `gathering.cost`."""
    return float(sharing.cost(sums, bits))


def weigh(counts: Array) -> Array:
    """See `model.weigh`."""
    weights = np.empty(counts.shape, np.uint8)
    sharing.weigh(counts, weights)
    return weights


def gather(counts: Array, keys: Array, most: int, *, ordered: bool) -> tuple[Array, Array]:
    """See `gathering.gather`."""
    chosen, sums = np.empty(keys.size, np.int64), np.empty(counts.shape, np.int64)
    number = sharing.gather(counts, keys, most, ordered, chosen, sums)
    return chosen, sums[:number]


def foretell(scales: Array, means: Array, spreads: Array) -> tuple[Array, Array]:
    """See `plain.foretell`."""
    size = scales.size * QUANTS
    expected, far = scratch("expected", size, np.int8), scratch("far", size, np.uint8)
    kernels.foretell(scales, means, spreads, expected, far)
    return expected, far


def heights(words: Array, block: int, fine: int) -> Array:
    """See `plain.heights`."""
    rows = np.empty((-(-words.size // block), 2), np.int64)
    top = _top(words)
    spelling.heights(_still(words), np.uint64(block), top - np.uint64(fine), top, rows)
    return rows


def part(words: Array) -> list[Array]:
    """See `plain.part`."""
    planes = [scratch(f"plane {at}", words.size, np.uint8) for at in range(words.itemsize)]
    if words.itemsize == 2:
        spelling.part_two(_still(words), *planes)
    elif words.itemsize == 4:
        spelling.part_four(_still(words), *planes)
    else:
        return plain.part(words)
    return planes


def join(planes: list[Array], out: Array) -> None:
    """See `plain.join`."""
    if len(planes) == 2:
        kernels.join_two(*map(_still, planes), out.view(np.uint16))
    elif len(planes) == 4:
        kernels.join_four(*map(_still, planes), out.view(np.uint32))
    else:
        plain.join(planes, out)


def multiplied(data: Array, width: int, matrices: Array) -> Array | None:
    """See `plain.multiplied`."""
    if not wide.MULTIPLIES:
        return None
    rows = np.empty((wide.LANES, width), np.uint8)
    kernels.add_products(_still(data), np.uint64(width), _still(matrices), rows)
    return rows


def add_looked_up(words: Array, places: Array, sums: Array) -> None:
    """See `plain.add_looked_up`."""
    kernels.add_looked_up(_still(words), _still(places), sums)


def _still(array: Array) -> Array:
    """Return what cannot be written to: numba compiles anew for what can."""
    still = array.view()
    still.flags.writeable = False
    return still


def _top(words: Array) -> np.uint64:
    return np.uint64(8 * words.itemsize - 1)
